"""What a healthy answer of an HTTP endpoint is, and what an answer lacks of it."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated
from urllib.parse import urlsplit

from harness.http import Answer
from harness.profile.schema import PLACE, Section
from harness.shapes import Field, field_validator


class HealthyAnswer(Section):
    """One URL, and what a healthy answer is."""

    url: Annotated[str, PLACE]
    expect_status: int = Field(default=200, ge=100, le=599)
    expect_body: str = ""
    """A regular expression that must be found in the body."""
    expect_json: dict[str, str | int | bool] = Field(default_factory=dict)
    """Keys and values that the JSON body must hold."""

    @field_validator("url")
    @classmethod
    def _holds_no_credentials(cls, value: str) -> str:
        if holds_credentials(value):
            msg = "holds a user name or password; a profile and its reports are no place for them"
            raise ValueError(msg)
        return value

    @field_validator("expect_body")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            msg = f"{value!r} is not a regular expression: {error}"
            raise ValueError(msg) from None
        return value


def holds_credentials(url: str) -> bool:
    """Whether a URL has a user name or password in front of its host."""
    _, separator, rest = url.partition("://")
    return bool(separator) and "@" in re.split(r"[/?#]", rest, maxsplit=1)[0]


def shown(url: str) -> str:
    """A URL as messages may show it: without its query, which may hold a token."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0]
    return parts._replace(query="…" if parts.query else "", fragment="").geturl()


def shortcomings(expected: HealthyAnswer, answer: Answer) -> tuple[str, ...]:
    """Everything about an answer that a healthy one would not have; empty for a healthy one.

    Only the declared status is good: a redirect or a 404 is an answer, not health.
    """
    if answer.error:
        return (answer.error,)
    found: list[str] = []
    if answer.status != expected.expect_status:
        found.append(f"status {answer.status}, not {expected.expect_status}")
    if expected.expect_body and not re.search(expected.expect_body, answer.body):
        found.append(f"the body does not match {expected.expect_body!r}")
    if expected.expect_json:
        found.extend(_json_shortcomings(expected.expect_json, answer.body))
    return tuple(found)


def _json_shortcomings(wanted: Mapping[str, str | int | bool], body: str) -> Iterable[str]:
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        yield "the body is not a JSON object"
        return
    for key, value in wanted.items():
        if key not in data:
            yield f"the body has no {key!r}"
        elif type(data[key]) is not type(value) or data[key] != value:
            yield f"{key!r} is {json.dumps(data[key])[:100]}, not {json.dumps(value)}"
