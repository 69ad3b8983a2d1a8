"""``load``: scenarios of requests against the deployed endpoints, run by Locust in a process of its own."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from harness.load.aws_scenarios import AwsTarget
from harness.load.runner import STARTUP
from harness.load.scenario import Scenario
from harness.load.workers import MasterConfig
from harness.model import ExpectedCheck, Phase
from harness.profile.schema import PLACE, GateConfig


class LoadConfig(GateConfig):
    """``[gates.load]``."""

    allowed_hosts: Annotated[list[str], PLACE] = Field(default_factory=list)
    """The only hosts load may be sent to, as ``host`` or ``host:port``; empty: none, and running a scenario is an
    error."""
    scenarios: list[Scenario] = Field(default_factory=list)
    master: MasterConfig = MasterConfig()

    @model_validator(mode="after")
    def _fits_the_budget(self) -> "LoadConfig":
        waits = sum(self.master.wait for s in self.scenarios if s.workers != "local")
        needed = waits + sum(s.warm_up + s.length + s.timeout + STARTUP for s in self.scenarios)
        if needed > self.budget:
            msg = (
                f"the scenarios run one after another and may take {needed:.0f} s "
                f"(warm_up + duration + timeout + {STARTUP:.0f} s each), more than the gate's budget of {self.budget:.0f} s"
            )
            raise ValueError(msg)
        return self

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401
        """One check a scenario."""
        for scenario in self.running(profile):
            yield ExpectedCheck(f"{gate}.scenarios.keeps_its_rules[{scenario.name}]", gate, scenario.name)
        yield from super().expected(gate, profile, phase)

    def parameters(self, profile: Any, phase: Phase) -> Mapping[str, Iterable[tuple[str, Any]]]:  # noqa: ANN401, ARG002
        """The scenarios."""
        return {"scenario": [(scenario.name, scenario) for scenario in self.running(profile)]}

    def running(self, profile: Any) -> tuple[Scenario, ...]:  # noqa: ANN401
        """The scenarios without those that would change something where access is read-only."""
        return tuple(scenario for scenario in self.scenarios if scenario.runs(profile))

    def asks(self, profile: Any) -> Iterable[AwsTarget]:  # noqa: ANN401
        """What the scenarios ask of AWS. See `harness.aws.resource.GateAsks`."""
        return [target for item in self.running(profile) if (target := item.aws_target) is not None]
