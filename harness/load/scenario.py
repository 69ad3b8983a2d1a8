"""One scenario of a profile's ``[gates.load]``: a stream of requests, and the rules that its figures must keep."""

import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from harness.errors import ProfileError, ThresholdError
from harness.frozen import replace
from harness.load.aws_scenarios import AwsTarget, QueueTarget, TopicTarget, ZoneTarget
from harness.load.ecs_workers import Elsewhere, Workers
from harness.load.headers import from_variables, require_sendable
from harness.load.journeys import JourneyConfig, longest, require_distinct, traffic
from harness.load.metrics import latency_limit, require_judgeable, require_possible
from harness.load.plan import MAX_IN_FLIGHT, Plan, Target, require_allowed, target
from harness.load.schedule import Schedule, Stage, constant
from harness.model import Unit
from harness.profile import Profile
from harness.profile.schema import PLACE, Duration, LoadRule, Rate, Section, Written
from harness.shapes import Field, model_validator
from harness.threshold import BaselineRule, Threshold, parse_any, parse_quantity

_SHARED = frozenset({"processes", "workers"})
ADDRESSES = ("url", "base_url", "host")
_TARGETS: dict[str, frozenset[str]] = {
    "url": _SHARED | {"method", "headers", "header_variables", "body", "expect_status"},
    "journeys": _SHARED | {"base_url", "headers", "header_variables"},
    "locustfile": frozenset({"host"}),
    "queue": frozenset(),
    "topic": frozenset(),
    "zones": frozenset(),
}
"""What an arrival may be sent to, exactly one of these keys -> the keys that go with it. A key that stands in a row goes
with the rows alone in which it stands."""


def _share(text: str) -> float:
    quantity = parse_quantity(text)
    if quantity.unit is not Unit.RATIO:
        raise ThresholdError(f"{text!r} is not a share", hint="write it as 95%")
    return float(quantity.value)


Share = Annotated[
    float, Written(_share, lambda share: f"{share * 100:.6g}%", r"^\s*\d+(\.\d+)?\s*%\s*$", ("95%",))
]
"""A share between 0 and 1; written ``95%``."""


class StageConfig(Section):
    """One stage of a schedule: `duration` at `rate`, or from `rate` to `to` in a straight line."""

    duration: Duration
    rate: Rate
    to: Rate | None = None

    def stage(self) -> Stage:
        """As the schedule takes it."""
        return Stage(self.duration, self.rate, self.rate if self.to is None else self.to)


class Scenario(Section):
    """``[[gates.load.scenarios]]``: one stream of requests and the rules its figures must keep.

    One of `rate` (arrivals on a schedule, for `duration`), `stages` (a schedule of ramps, spikes and steps) and `users` (a
    closed loop with `think_time`, for `duration`); and one thing that they go to: `url`, `journeys`, `locustfile`,
    `queue`, `topic` or `zones`.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    url: Annotated[str, PLACE] = ""
    base_url: Annotated[str, PLACE] = ""
    """What the paths of the journeys' steps are below."""
    journeys: list[JourneyConfig] = Field(default_factory=list, max_length=50)
    """What each arrival does, one of these, chosen by their weights."""
    locustfile: Annotated[str, PLACE] = ""
    """A locustfile of your own, relative to the folder the command runs in; its `User` classes are the traffic of `users`."""
    host: Annotated[str, PLACE] = ""
    """The host of the locustfile's users, as a URL."""
    queue: QueueTarget | None = None
    topic: TopicTarget | None = None
    zones: ZoneTarget | None = None
    method: Literal["GET", "POST", "PUT", "DELETE", "HEAD"] = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    header_variables: dict[str, str] = Field(default_factory=dict)
    """Header -> the environment variable that holds its value: for tokens, which do not belong into a profile."""
    body: str = Field(default="", max_length=16_384)
    expect_status: int = Field(default=200, ge=100, le=599)
    rate: Rate | None = None
    stages: list[StageConfig] = Field(default_factory=list, max_length=100)
    users: int | None = Field(default=None, ge=1, le=10_000)
    think_time: Duration = 0.0
    duration: Duration = 30.0
    warm_up: Duration = 0.0
    """Requests of this first stretch are sent and not counted; comes before `duration`."""
    timeout: Duration = 10.0
    min_requests: int = Field(default=1, ge=1)
    """The floor: fewer requests prove nothing."""
    thresholds: list[LoadRule] = Field(
        default_factory=lambda: [parse_any("success_rate >= 95%"), parse_any("avg_response_time < 2s")],
        min_length=1,
    )

    confidence: Share | None = Field(default=None, gt=0, lt=1)
    """Where given, a rule is only decided when the interval of its figure, at this confidence, lies on one side of the limit;
    else the run is inconclusive."""
    stop_early: bool = True
    """Whether the load ends as soon as a rule on the success or error rate is broken for certain."""
    early_pass: bool = False
    """Whether it also ends as soon as all rules, then on success and error rates alone, will hold if the rest is like what was
    seen; the verdict says that this was assumed."""
    processes: int = Field(default=1, ge=1, le=1000)
    """Generators that share the load: processes of this machine, or the `workers` elsewhere."""
    workers: Workers = "local"
    """Where the generators run: ``external`` waits for as many `gonogo load-worker` as `processes` says, ``{ ecs = … }`` starts
    as many tasks on ECS Fargate."""

    @model_validator(mode="after")
    def _one_target(self) -> "Scenario":
        given = [key for key in _TARGETS if getattr(self, key)]
        if len(given) != 1:
            told = "has " + " and ".join(given) if given else "has none"
            msg = f"scenario {self.name!r} needs exactly one of {', '.join(_TARGETS)}; it {told}"
            raise ValueError(msg)
        owners = {
            key: [name for name, keys in _TARGETS.items() if key in keys] for key in self.model_fields_set
        }
        if stray := sorted(key for key, names in owners.items() if names and given[0] not in names):
            told = ", ".join(f"{key} (which goes with {' or '.join(owners[key])})" for key in stray)
            msg = f"scenario {self.name!r}: {given[0]} does not take {told}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _knows_where(self) -> "Scenario":
        for key, needs in (("journeys", "base_url"), ("locustfile", "host")):
            if getattr(self, key) and not getattr(self, needs):
                msg = f"scenario {self.name!r}: {key} needs {needs}, the URL that its requests are below"
                raise ValueError(msg)
        if self.locustfile and (self.users is None or self.think_time):
            why = "its users wait as it says" if self.users else "its users send when they like"
            msg = f"scenario {self.name!r}: a locustfile needs users, and neither a schedule nor think_time: {why}"
            raise ValueError(msg)
        try:
            require_distinct(self.journeys)
        except ValueError as error:
            msg = f"scenario {self.name!r}: {error}"
            raise ValueError(msg) from None
        return self

    @model_validator(mode="after")
    def _address_is_a_url(self) -> "Scenario":
        try:
            self.target()
        except ProfileError as error:
            msg = f"scenario {self.name!r}: {error.message}; {error.hint}"
            raise ValueError(msg) from None
        return self

    def target(self) -> Target | None:
        """What `address` says; ``None`` where there is none, or it holds a variable that has no value yet.

        Raises:
            ProfileError: it is not a URL that load may be sent to.
        """
        if not self.address or "${" in self.address:
            return None
        return target(self.address, next(key for key in ADDRESSES if getattr(self, key)))

    @property
    def limit(self) -> Fraction:
        """The shortest time that a rule speaks of, in seconds, or else the time-out: what a late start is measured against."""
        return latency_limit(self.rules) or Fraction(self.timeout)

    @property
    def address(self) -> str:
        """The URL that requests go to or below; empty where they go elsewhere."""
        return next((value for key in ADDRESSES if (value := getattr(self, key))), "")

    @property
    def patience(self) -> float:
        """Seconds after which an arrival is over in any case: `timeout`, for each step of the longest journey."""
        return self.timeout * longest(self.journeys)

    @model_validator(mode="after")
    def _one_model(self) -> "Scenario":
        given = [self.rate is not None, bool(self.stages), self.users is not None]
        if sum(given) != 1:
            has = [key for key, there in zip(("rate", "stages", "users"), given, strict=True) if there]
            told = " and ".join(has) or "none"
            msg = f"scenario {self.name!r} needs exactly one of rate, stages and users; it has {told}"
            raise ValueError(msg)
        if self.stages and "duration" in self.model_fields_set:
            msg = f"scenario {self.name!r}: the stages have durations of their own; leave duration out"
            raise ValueError(msg)
        rates = [self.rate or 0.0, *(max(stage.rate, stage.to or 0.0) for stage in self.stages)]
        if self.users is None and max(rates) <= 0:
            msg = f"scenario {self.name!r}: a rate of {max(rates):g}/s sends nothing"
            raise ValueError(msg)
        if self.users is not None and self.users < self.processes:
            msg = f"scenario {self.name!r}: {self.users} users cannot be shared by {self.processes} processes"
            raise ValueError(msg)
        return self

    @property
    def schedule(self) -> Schedule:
        """The counted arrivals; none in a closed loop."""
        if self.stages:
            return Schedule([stage.stage() for stage in self.stages])
        return Schedule([]) if self.rate is None else constant(self.rate, self.duration)

    @property
    def length(self) -> float:
        """Seconds of the counted stretch."""
        return self.schedule.duration if self.stages else self.duration

    @model_validator(mode="after")
    def _sends_something(self) -> "Scenario":
        for key, seconds in (("duration", self.length), ("timeout", self.timeout)):
            if seconds <= 0:
                msg = f"scenario {self.name!r}: a {key} of 0 measures nothing"
                raise ValueError(msg)
        if self.users is not None:
            return self
        schedule = self.schedule
        if schedule.arrivals < self.min_requests:
            msg = (
                f"scenario {self.name!r}: rate × duration is {schedule.arrivals} requests, fewer than min_requests "
                f"({self.min_requests})"
            )
            raise ValueError(msg)
        if schedule.peak * self.patience > MAX_IN_FLIGHT:
            steps = " × steps" if self.journeys else ""
            msg = (
                f"scenario {self.name!r}: rate × timeout{steps} lets {schedule.peak * self.patience:.0f} requests be open at "
                f"once; at most {MAX_IN_FLIGHT} may be: lower the timeout or the rate"
            )
            raise ValueError(msg)
        if self.think_time:
            msg = f"scenario {self.name!r}: think_time goes with users; a schedule does not wait"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _passes_early_on_rates(self) -> "Scenario":
        if not self.early_pass:
            return self
        from harness.load.statistics.sequential import RateRule

        others = [
            rule.text
            for rule in self.thresholds
            if not isinstance(rule, Threshold) or not RateRule.may_be(rule)
        ]
        if others or self.users is not None:
            why = f"{others[0]!r} is not one" if others else "a closed loop has no plan to end before"
            msg = f"scenario {self.name!r}: early_pass needs a schedule and rules on success or error rates alone; {why}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _rules_speak_of_load(self) -> "Scenario":
        try:
            require_judgeable(self.thresholds)
            if self.users is None:
                require_possible(self.rules, self.schedule.arrivals, self.length)
        except ThresholdError as error:
            msg = f"scenario {self.name!r}: {error.message}; {error.hint}"
            raise ValueError(msg) from error
        if not self.rules:
            msg = (
                f"scenario {self.name!r}: all of its thresholds name the baseline, which a first run does not have; add one "
                "with a limit of its own, such as success_rate >= 95%"
            )
            raise ValueError(msg)
        return self

    @property
    def rules(self) -> tuple[Threshold, ...]:
        """The thresholds with limits of their own."""
        return tuple(rule for rule in self.thresholds if isinstance(rule, Threshold))

    @property
    def baseline_rules(self) -> tuple[BaselineRule, ...]:
        """The thresholds that name the baseline; `harness.load.baseline` compares."""
        return tuple(rule for rule in self.thresholds if isinstance(rule, BaselineRule))

    @model_validator(mode="after")
    def _headers_can_be_sent(self) -> "Scenario":
        try:
            require_sendable(self.headers, self.header_variables)
        except ValueError as error:
            msg = f"scenario {self.name!r}: {error}"
            raise ValueError(msg) from None
        return self

    @property
    def aws_target(self) -> AwsTarget | None:
        """What of AWS it loads; ``None`` where it goes elsewhere."""
        return self.queue or self.topic or self.zones

    def runs(self, profile: Profile) -> bool:
        """Whether it is part of the gate: what changes something in AWS is left out where access is read-only."""
        changes = self.aws_target is not None or isinstance(self.workers, Elsewhere)
        return not changes or profile.aws.access == "read-write"

    def prepare(self, profile: Profile, allowed_hosts: Iterable[str]) -> Plan:
        """The plan, once load may be sent there: a URL's host is among the allowed ones; what is in AWS is there, nobody is in
        the way, and what earlier runs left is removed.

        Raises:
            ProfileError: load may not be sent there, or not so much; nothing has been sent.
            Fault: what was met in AWS instead.
        """
        if (target := self.aws_target) is None:
            hosts = list(allowed_hosts)
            key = next(key for key in ADDRESSES if getattr(self, key))
            require_allowed(self.address, hosts, f"gates.load.scenarios[{self.name}].{key}")
            return self.plan(allowed_hosts=hosts)
        from harness.aws.session import Aws

        plan = self.plan(profile=profile)
        target.preflight(Aws(profile), timeout=self.timeout)
        return plan

    def plan(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        profile: Profile | None = None,
        allowed_hosts: Iterable[str] = (),
    ) -> Plan:
        """What Locust is to do. `environment` holds the variables that headers are read from; default: the process's.

        `profile` says where AWS is, for what is sent there; `allowed_hosts` are those that a locustfile's code may reach
        beside the scenario's own.

        Raises:
            ProfileError: a header's variable is not set, or holds what no header may hold; the locustfile is not there;
                or more would be sent to AWS than the profile allows.
        """
        plan = self._plan(os.environ if environment is None else environment)
        if self.journeys:
            return replace(plan, kind="journeys", traffic=traffic(self.journeys, timeout=self.timeout))
        if self.locustfile:
            return replace(plan, kind="locustfile", traffic=self._own_users(Path.cwd(), allowed_hosts))
        if (target := self.aws_target) is None:
            return plan
        if profile is None:
            msg = f"scenario {self.name!r} goes to AWS: its plan needs the profile"
            raise TypeError(msg)
        target.require_room(plan, profile)
        return replace(
            plan, kind=target.kind, traffic=target.traffic(plan, profile), method=target.kind.upper()
        )

    def _own_users(self, folder: Path, allowed_hosts: Iterable[str]) -> dict[str, Any]:
        if not (folder / self.locustfile).is_file():
            raise ProfileError(
                f"gates.load.scenarios[{self.name}].locustfile: there is no file {self.locustfile} in {folder}",
                hint="write its path relative to the folder that the command runs in",
            )
        return {"file": self.locustfile, "folder": str(folder), "allowed_hosts": list(allowed_hosts)}

    def _plan(self, environment: Mapping[str, str]) -> Plan:
        from harness.load.statistics.sequential import RateRule
        from harness.load.validity import lag_bound

        return Plan(
            run="",
            scenario=self.name,
            url=self.address,
            result="",
            progress="",
            duration=self.length,
            timeout=self.patience,
            late_after=float(lag_bound(self.limit)),
            rate=self.rate,
            stages=self.schedule.stages if self.stages else (),
            users=self.users,
            think_time=self.think_time,
            warm_up=self.warm_up,
            method=self.method,
            expect_status=self.expect_status,
            headers={
                **self.headers,
                **from_variables(
                    self.header_variables, environment, f"gates.load.scenarios[{self.name}].header_variables"
                ),
            },
            header_variables=self.header_variables,
            body=self.body,
            nodes=self.processes,
            rules=tuple(rule.text for rule in self.rules if RateRule.may_be(rule)),
            confidence=self.confidence,
            early_pass=self.early_pass,
            stop_early=self.stop_early,
        )
