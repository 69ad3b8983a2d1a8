"""``load``: scenarios of requests against the deployed endpoints, run by Locust in a process of its own."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from harness.model import ExpectedCheck, Phase
from harness.profile.schema import PLACE, Duration, GateConfig, Rate, Rule, Section
from harness.threshold import parse


class Scenario(Section):
    """``[[gates.load.scenarios]]``: one stream of requests and the rules its figures must keep.

    Either `rate` (arrivals on a schedule) or `users` (a closed loop with `think_time`), not both.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    url: Annotated[str, PLACE]
    method: Literal["GET", "POST", "PUT", "DELETE", "HEAD"] = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = ""
    expect_status: int = Field(default=200, ge=100, le=599)
    rate: Rate | None = None
    users: int | None = Field(default=None, ge=1, le=10_000)
    think_time: Duration = 0.0
    duration: Duration = 30.0
    warm_up: Duration = 0.0
    """Requests of this first stretch are sent and not counted; comes before `duration`."""
    timeout: Duration = 10.0
    min_requests: int = Field(default=1, ge=1)
    """The floor: fewer requests prove nothing."""
    thresholds: list[Rule] = Field(
        default_factory=lambda: [parse("success_rate >= 95%"), parse("avg_response_time < 2s")], min_length=1
    )

    @model_validator(mode="after")
    def _one_model(self) -> "Scenario":
        if (self.rate is None) == (self.users is None):
            msg = f"scenario {self.name!r} needs either rate or users"
            raise ValueError(msg)
        if self.rate is not None and self.rate <= 0:
            msg = f"scenario {self.name!r}: a rate of 0 sends nothing"
            raise ValueError(msg)
        return self


class LoadConfig(GateConfig):
    """``[gates.load]``."""

    allowed_hosts: Annotated[list[str], PLACE] = Field(default_factory=list)
    """The only hosts load may be sent to; empty: none, and declaring a scenario is then an error."""
    scenarios: list[Scenario] = Field(default_factory=list)

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401
        """One check a scenario."""
        for scenario in self.scenarios:
            yield ExpectedCheck(f"{gate}.scenarios.keeps_its_rules[{scenario.name}]", gate, scenario.name)
        yield from super().expected(gate, profile, phase)

    def parameters(self, profile: Any, phase: Phase) -> Mapping[str, Iterable[tuple[str, Any]]]:  # noqa: ANN401, ARG002
        """The scenarios."""
        return {"scenario": [(scenario.name, scenario) for scenario in self.scenarios]}
