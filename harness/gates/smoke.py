"""``smoke``: after the deploy, each health endpoint answers well several times in a row."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator

from harness.http import Answer
from harness.model import ExpectedCheck, Phase
from harness.profile.schema import PLACE, Duration, GateConfig, Section


class Endpoint(Section):
    """``[[gates.smoke.endpoints]]``: one URL, and what a healthy answer is."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    url: Annotated[str, PLACE]
    expect_status: int = Field(default=200, ge=100, le=599)
    expect_body: str = ""
    """A regular expression that must be found in the body."""
    expect_json: dict[str, str | int | bool] = Field(default_factory=dict)
    """Keys and values that the JSON body must hold."""
    probes: int = Field(default=3, ge=1, le=100)
    """Good answers in a row that make it healthy."""
    interval: Duration = 0.2
    timeout: Duration = 5.0
    deadline: Duration = 120.0
    """How long it may take to become healthy."""

    @field_validator("expect_body")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            msg = f"{value!r} is not a regular expression: {error}"
            raise ValueError(msg) from None
        return value


class SmokeConfig(GateConfig):
    """``[gates.smoke]``."""

    endpoints: list[Endpoint] = Field(default_factory=list)

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401
        """One check an endpoint."""
        for endpoint in self.endpoints:
            yield ExpectedCheck(f"{gate}.endpoints.is_healthy[{endpoint.name}]", gate, endpoint.name)
        yield from super().expected(gate, profile, phase)

    def parameters(self, profile: Any, phase: Phase) -> Mapping[str, Iterable[tuple[str, Any]]]:  # noqa: ANN401, ARG002
        """The endpoints."""
        return {"endpoint": [(endpoint.name, endpoint) for endpoint in self.endpoints]}


def shortcomings(endpoint: Endpoint, answer: Answer) -> tuple[str, ...]:
    """Everything about an answer that a healthy one would not have; empty for a healthy one.

    Only the declared status is good: a redirect or a 404 is an answer, not health.
    """
    if answer.error:
        return (answer.error,)
    found: list[str] = []
    if answer.status != endpoint.expect_status:
        found.append(f"status {answer.status}, not {endpoint.expect_status}")
    if endpoint.expect_body and not re.search(endpoint.expect_body, answer.body):
        found.append(f"the body does not match {endpoint.expect_body!r}")
    if endpoint.expect_json:
        found.extend(_json_shortcomings(endpoint.expect_json, answer.body))
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
