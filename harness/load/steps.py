"""The steps of a journey, as they are run: what each sends, what it expects, what it takes along. Pure.

Standard library only: Locust's process imports it too. `harness.load.journeys` is how a profile says them.
"""

import json
import re
import time
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote

from harness.frozen import dataclass, field

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A value put in by name; other braces, as JSON has them, stay."""
UNIQUE = "unique"
"""The value that every journey has from its start: text that no other journey of any run has."""
_SHOWN = 100


@dataclass(frozen=True)
class Page:
    """An answer as a step looks at it: header fields by their lower-case names, and the body as far as it was kept."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = True
    """Whether `body` is all of it."""

    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:  # noqa: ANN401 - JSON is what it is
        """The body as JSON.

        Raises:
            ValueError: it is none, or it was too long to be kept.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            msg = "the body is not JSON" if self.whole else "the body is too long to be read as JSON"
            raise ValueError(msg) from error


@dataclass(frozen=True)
class Extract:
    """Where a value is found in an answer: ``json:items.0.id``, ``header:Location`` or ``regex:id=(\\w+)``."""

    source: str
    where: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Read one as a profile writes it.

        Raises:
            ValueError: it cannot be.
        """
        source, _, where = text.partition(":")
        if source not in {"json", "header", "regex"} or not where:
            msg = f"{text!r} is none of json:PATH, header:NAME and regex:EXPRESSION"
            raise ValueError(msg)
        if source == "regex":
            try:
                groups = re.compile(where).groups
            except re.error as error:
                msg = f"{where!r} is not a regular expression: {error}"
                raise ValueError(msg) from None
            if groups != 1:
                msg = f"{where!r} has {groups} groups; the value is what one group ( ) finds"
                raise ValueError(msg)
        return cls(source, where)

    def value(self, page: Page) -> Any:  # noqa: ANN401 - text, a number or a truth
        """The value in this answer.

        Raises:
            ValueError: it has none.
        """
        match self.source:
            case "json":
                found = _at(page.json(), self.where)
            case "header":
                found = page.headers.get(self.where.lower())
            case _:
                matched = re.search(self.where, page.text())
                found = matched[1] if matched else None
        if found is None or isinstance(found, dict | list):
            what = "is no single value" if found is not None else "is not there"
            msg = f"{self.source}:{self.where} {what}"
            raise ValueError(msg)
        return found


@dataclass(frozen=True)
class Step:
    """One request of a journey and what its answer must be. `max_time` is in seconds."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    json: Mapping[str, Any] = field(default_factory=dict)
    expect_status: tuple[int, ...] = (200,)
    expect_json: Mapping[str, Any] = field(default_factory=dict)
    expect_text: str = ""
    extract: Mapping[str, str] = field(default_factory=dict)
    max_time: float | None = None

    @property
    def reads(self) -> bool:
        """Whether anything is asked of the answer beside its status."""
        return bool(self.expect_json or self.expect_text or self.extract)

    def needs(self) -> tuple[str, ...]:
        """The names of the values that are put into the request."""
        parts = [self.path, *self.headers.values(), self.body, json.dumps(self.json)]
        return tuple(dict.fromkeys(name for part in parts for name in PLACEHOLDER.findall(part)))

    def content(self, values: Mapping[str, Any]) -> bytes:
        """The body to send."""
        if self.json:
            return json.dumps(fill_json(self.json, values)).encode()
        return fill(self.body, values).encode()

    def target(self, values: Mapping[str, Any]) -> str:
        """The path to ask: what is put in is one part of it, whatever it holds."""
        text = PLACEHOLDER.sub(lambda found: quote(_text(values[found[1]]), safe=""), self.path)
        return quote(text, safe="/%:@!$&'()*+,;=~-._?")

    def shortcomings(self, page: Page) -> str:
        """What the content of an answer lacks; empty where it is as expected."""
        if self.expect_text and self.expect_text not in page.text():
            return f"the body does not hold {self.expect_text!r}"
        if self.expect_json:
            try:
                return lacking(self.expect_json, page.json())
            except ValueError as error:
                return str(error)
        return ""


@dataclass(frozen=True)
class Journey:
    """Steps that one visitor takes in order."""

    name: str
    weight: int
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Read what `dataclasses.asdict` made of one, and JSON of that."""
        steps = tuple(
            Step(**{**step, "expect_status": tuple(step["expect_status"])}) for step in data["steps"]
        )
        return cls(data["name"], data["weight"], steps)

    def __post_init__(self) -> None:
        """Raises ValueError where a step cannot do its part."""
        if not self.steps:
            msg = "steps is empty"
            raise ValueError(msg)
        known = {UNIQUE}
        for index, step in enumerate(self.steps):
            if step.name in {other.name for other in self.steps[:index]}:
                msg = f"two steps are called {step.name!r}"
                raise ValueError(msg)
            if unknown := [name for name in step.needs() if name not in known]:
                told = ", ".join(f"{{{name}}}" for name in unknown)
                msg = (
                    f"step {step.name!r} puts in {told}, which no step before it extracts "
                    f"(known there: {', '.join(sorted(known))})"
                )
                raise ValueError(msg)
            known |= step.extract.keys()


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Text with the values put in."""
    return PLACEHOLDER.sub(lambda found: _text(values[found[1]]), text)


def fill_json(data: Any, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON is what it is
    """JSON with the values put into its texts; a text that is one placeholder becomes the value itself, a number say."""
    match data:
        case str():
            whole = PLACEHOLDER.fullmatch(data)
            return values[whole[1]] if whole else fill(data, values)
        case Mapping():
            return {key: fill_json(value, values) for key, value in data.items()}
        case list():
            return [fill_json(value, values) for value in data]
        case _:
            return data


def lacking(wanted: Mapping[str, Any], data: Any, where: str = "") -> str:  # noqa: ANN401
    """What JSON lacks of the keys and values that it must hold, at any depth; more may be there."""
    if not isinstance(data, dict):
        return f"{where or 'the body'} is not a JSON object"
    for key, value in wanted.items():
        here = f"{where}.{key}" if where else key
        if key not in data:
            return f"the body has no {here!r}"
        if isinstance(value, Mapping):
            if told := lacking(value, data[key], here):
                return told
        elif type(data[key]) is not type(value) or data[key] != value:
            return f"{here!r} is {json.dumps(data[key])[:_SHOWN]}, not {json.dumps(value)}"
    return ""


class Cookies:
    """What one visitor was told to bring along. There is one host, so that only paths tell where each belongs."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], str] = {}

    def take(self, header: str, path: str) -> None:
        """Keep, or forget, what a ``Set-Cookie`` of an answer from `path` says (RFC 6265)."""
        pair, *attributes = header.split(";")
        name, found, value = pair.strip().partition("=")
        if not found or not name.strip():
            return
        told = {
            key.strip().lower(): text.strip() for key, _, text in (part.partition("=") for part in attributes)
        }
        asked = path.partition("?")[0]
        scope = told.get("path", "")
        key = (name.strip(), scope if scope.startswith("/") else asked.rpartition("/")[0] or "/")
        if _over(told):
            self._kept.pop(key, None)
        else:
            self._kept[key] = value.strip()

    def header(self, path: str) -> str:
        """The ``Cookie`` that belongs to a request of `path`; empty for none."""
        asked = path.partition("?")[0]
        fitting = [item for item in self._kept.items() if _below(asked, item[0][1])]
        fitting.sort(key=lambda item: -len(item[0][1]))
        return "; ".join(f"{name}={value}" for (name, _), value in fitting)

    def values(self) -> dict[str, str]:
        """Name -> value of each."""
        return {f"cookie {name}": value for (name, _), value in self._kept.items()}


def _below(path: str, scope: str) -> bool:
    return path == scope or path.startswith(scope if scope.endswith("/") else f"{scope}/")


def _over(told: Mapping[str, str]) -> bool:
    """Whether a cookie says that it is to be forgotten."""
    if "max-age" in told:
        try:
            return int(told["max-age"]) <= 0
        except ValueError:
            return False
    if "expires" not in told:
        return False
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(told["expires"]).timestamp() <= time.time()
    except (ValueError, TypeError):
        return False


def _at(data: Any, where: str) -> Any:  # noqa: ANN401
    """What is at a dotted path of keys and indexes; ``None`` where nothing is."""
    for part in where.split("."):
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data


def _text(value: object) -> str:
    """A value as it is put into text: as JSON writes it, without quotes."""
    return value if isinstance(value, str) else json.dumps(value)
