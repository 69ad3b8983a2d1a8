"""Journeys as a profile says them: sequences of requests that one visitor makes, chosen by weight."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from harness.load.steps import PLACEHOLDER, UNIQUE, Extract, Journey, Step
from harness.profile.schema import Duration, Section
from harness.shapes import Field, field_validator, model_validator

NAME = r"^[a-z0-9][a-z0-9-]*$"
_VALUE = r"^[A-Za-z_][A-Za-z0-9_]*$"
Status = Annotated[int, Field(ge=100, le=599)]


class StepConfig(Section):
    """One request of a journey, and what its answer must be.

    ``{name}`` in `path`, `headers`, `body` and `json` is a value that an earlier step extracted under this name, or
    ``{unique}``: text that no other journey has.
    """

    name: str = Field(pattern=NAME)
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "GET"
    path: str
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = Field(default="", max_length=16_384)
    content: dict[str, Any] = Field(default_factory=dict, alias="json")
    """A body of JSON, in place of `body`."""
    expect_status: Status | list[Status] = 200
    expect_json: dict[str, Any] = Field(default_factory=dict)
    """Keys and values that the JSON body must hold, at any depth; more may be there."""
    expect_text: str = ""
    """Text that the body must hold."""
    extract: dict[str, str] = Field(default_factory=dict)
    """Name -> where the value is in the answer: ``json:items.0.id``, ``header:Location``, ``regex:id=(\\w+)``."""
    max_time: Duration | None = Field(default=None, gt=0)
    """A whole answer later than this is a failure."""

    @field_validator("path")
    @classmethod
    def _stays_on_the_host(cls, value: str) -> str:
        if not value.startswith("/") or value.startswith("//"):
            msg = f"{value!r} must begin with one /: a step stays on the host of the scenario's base_url"
            raise ValueError(msg)
        return value

    @field_validator("extract")
    @classmethod
    def _can_be_found(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not PLACEHOLDER.fullmatch(f"{{{name}}}") or name == UNIQUE:
                msg = f"{name!r} cannot be the name of a value: letters, digits and _; not {UNIQUE!r}"
                raise ValueError(msg)
            try:
                Extract.read(text)
            except ValueError as error:
                msg = f"{name}: {error}"
                raise ValueError(msg) from None
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> "StepConfig":
        if self.body and self.content:
            msg = f"step {self.name!r} has body and json; it sends one"
            raise ValueError(msg)
        if self.expect_status == []:
            msg = f"step {self.name!r}: expect_status is empty, so that no answer would be right"
            raise ValueError(msg)
        if self.method == "HEAD" and (self.expect_json or self.expect_text or self._reads_the_body()):
            msg = f"step {self.name!r}: the answer to HEAD has no body to look at"
            raise ValueError(msg)
        return self

    def _reads_the_body(self) -> bool:
        return any(not text.startswith("header:") for text in self.extract.values())

    def step(self) -> Step:
        """As it is run."""
        statuses = self.expect_status if isinstance(self.expect_status, list) else [self.expect_status]
        return Step(
            name=self.name,
            method=self.method,
            path=self.path,
            headers=self.headers,
            body=self.body,
            json=self.content,
            expect_status=tuple(statuses),
            expect_json=self.expect_json,
            expect_text=self.expect_text,
            extract=self.extract,
            max_time=self.max_time,
        )


class JourneyConfig(Section):
    """What one kind of visitor does. Of all arrivals, `weight` in the sum of all weights are of this kind."""

    name: str = Field(pattern=NAME)
    weight: int = Field(default=1, ge=1, le=1_000_000)
    steps: list[StepConfig] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _can_be_run(self) -> "JourneyConfig":
        try:
            self.journey()
        except ValueError as error:
            msg = f"journey {self.name!r}: {error}"
            raise ValueError(msg) from None
        return self

    def journey(self) -> Journey:
        """As it is run."""
        return Journey(self.name, self.weight, tuple(step.step() for step in self.steps))


def require_distinct(journeys: Iterable[JourneyConfig]) -> None:
    """Raise ValueError where two journeys have one name."""
    names = Counter(journey.name for journey in journeys)
    if twice := [name for name, number in names.items() if number > 1]:
        msg = f"two journeys are called {twice[0]!r}"
        raise ValueError(msg)


def longest(journeys: Iterable[JourneyConfig]) -> int:
    """The steps of the longest one; 1 where there is none."""
    return max((len(journey.steps) for journey in journeys), default=1)


def traffic(journeys: Iterable[JourneyConfig], *, timeout: float) -> dict[str, Any]:
    """`harness.load.plan.Plan.traffic` of journeys whose every step may take `timeout` seconds."""
    from dataclasses import asdict

    return {"journeys": [asdict(journey.journey()) for journey in journeys], "timeout": timeout}
