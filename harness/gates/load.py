"""``load``: scenarios of requests against the deployed endpoints, run by Locust in a process of its own."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from harness.errors import ProfileError
from harness.load.aws_scenarios import AwsTarget
from harness.load.ecs_workers import EcsWorkers, Elsewhere
from harness.load.plan import require_allowed
from harness.load.scenario import Scenario
from harness.load.workers import MasterConfig
from harness.model import ExpectedCheck, Phase
from harness.profile.schema import PLACE, GateConfig
from harness.shapes import Field, model_validator

STARTUP = 5.0
"""Seconds that a scenario may take beside its load, on a machine that is not overloaded."""


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
        needed = waits + sum(s.warm_up + s.length + s.patience + STARTUP for s in self.scenarios)
        if needed > self.budget:
            msg = (
                f"the scenarios run one after another and may take {needed:.0f} s "
                f"(warm_up + duration + timeout + {STARTUP:.0f} s each), more than the gate's budget of {self.budget:.0f} s"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _goes_to_allowed_hosts(self) -> "LoadConfig":
        """As far as it can be told before variables have values; each scenario is held to it again before it sends anything."""
        if url := next((host for host in self.allowed_hosts if "/" in host and "${" not in host), ""):
            msg = f"allowed_hosts: {url!r} is no host; write it without scheme and path, as host or host:port"
            raise ValueError(msg)
        if any("${" in host for host in self.allowed_hosts):
            return self
        for scenario in self.scenarios:
            if scenario.target() is not None:
                try:
                    require_allowed(scenario.address, self.allowed_hosts, f"scenario {scenario.name!r}")
                except ProfileError as error:
                    msg = f"{error.message}; {error.hint}"
                    raise ValueError(msg) from None
        return self

    @model_validator(mode="after")
    def _baselines_come_after(self) -> "LoadConfig":
        if self.workers and any(scenario.baseline_rules for scenario in self.scenarios):
            msg = (
                "rules on a baseline are judged when the scenarios are over: leave workers at 0 (a scenario's own "
                "processes share its load)"
            )
            raise ValueError(msg)
        return self

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401
        """One check a scenario, and one more for its rules on a baseline."""
        for scenario in self.running(profile):
            yield ExpectedCheck(f"{gate}.scenarios.keeps_its_rules[{scenario.name}]", gate, scenario.name)
            if scenario.baseline_rules:
                check = f"{gate}.baseline.keeps_its_baseline[{scenario.name}]"
                yield ExpectedCheck(check, gate, scenario.name)
        yield from super().expected(gate, profile, phase)

    def parameters(self, profile: Any, phase: Phase) -> Mapping[str, Iterable[tuple[str, Any]]]:  # noqa: ANN401, ARG002
        """The scenarios, and those of them with rules on a baseline."""
        running = [(scenario.name, scenario) for scenario in self.running(profile)]
        compared = [(name, scenario) for name, scenario in running if scenario.baseline_rules]
        return {"scenario": running, "baseline_scenario": compared}

    def running(self, profile: Any) -> tuple[Scenario, ...]:  # noqa: ANN401
        """The scenarios without those that would change something where access is read-only."""
        return tuple(scenario for scenario in self.scenarios if scenario.runs(profile))

    def asks(self, profile: Any) -> Iterable[AwsTarget | EcsWorkers]:  # noqa: ANN401
        """What the scenarios and their workers ask of AWS. See `harness.aws.resource.GateAsks`."""
        for scenario in self.running(profile):
            if scenario.aws_target is not None:
                yield scenario.aws_target
            if isinstance(scenario.workers, Elsewhere):
                yield scenario.workers.ecs
