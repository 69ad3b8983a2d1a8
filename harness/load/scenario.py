"""One scenario of a profile's ``[gates.load]``: a stream of requests, and the rules that its figures must keep."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.errors import ProfileError, ThresholdError
from harness.load.metrics import latency_limit, require_judgeable
from harness.load.plan import MAX_IN_FLIGHT, Plan
from harness.load.schedule import constant
from harness.load.validity import lag_bound
from harness.profile.schema import PLACE, Duration, Rate, Rule, Section
from harness.threshold import parse

_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Scenario(Section):
    """``[[gates.load.scenarios]]``: one stream of requests and the rules its figures must keep.

    Either `rate` (arrivals on a schedule) or `users` (a closed loop with `think_time`), not both.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    url: Annotated[str, PLACE]
    method: Literal["GET", "POST", "PUT", "DELETE", "HEAD"] = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    header_variables: dict[str, str] = Field(default_factory=dict)
    """Header -> the environment variable that holds its value: for tokens, which do not belong into a profile."""
    body: str = Field(default="", max_length=16_384)
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

    @model_validator(mode="after")
    def _sends_something(self) -> "Scenario":
        for key, seconds in (("duration", self.duration), ("timeout", self.timeout)):
            if seconds <= 0:
                msg = f"scenario {self.name!r}: a {key} of 0 measures nothing"
                raise ValueError(msg)
        if self.rate is None or self.rate <= 0:
            return self
        planned = constant(self.rate, self.duration).arrivals
        if planned < self.min_requests:
            msg = (
                f"scenario {self.name!r}: rate × duration is {planned} requests, fewer than min_requests "
                f"({self.min_requests})"
            )
            raise ValueError(msg)
        if self.rate * self.timeout > MAX_IN_FLIGHT:
            msg = (
                f"scenario {self.name!r}: rate × timeout lets {self.rate * self.timeout:.0f} requests be open at "
                f"once; at most {MAX_IN_FLIGHT} may be: lower the timeout or the rate"
            )
            raise ValueError(msg)
        if self.think_time:
            msg = f"scenario {self.name!r}: think_time goes with users; a schedule does not wait"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _rules_speak_of_load(self) -> "Scenario":
        try:
            require_judgeable(self.thresholds)
        except ThresholdError as error:
            msg = f"scenario {self.name!r}: {error.message}; {error.hint}"
            raise ValueError(msg) from error
        return self

    @model_validator(mode="after")
    def _headers_can_be_sent(self) -> "Scenario":
        for name in [*self.headers, *self.header_variables]:
            if not _FIELD_NAME.fullmatch(name):
                msg = f"scenario {self.name!r}: {name!r} is no name of a header"
                raise ValueError(msg)
        for name, value in self.headers.items():
            if not _FIELD_VALUE.fullmatch(value):
                msg = f"scenario {self.name!r}: the value of header {name} holds what no header may hold"
                raise ValueError(msg)
        return self

    def plan(self, environment: Mapping[str, str] | None = None) -> Plan:
        """What Locust is to do. `environment` holds the variables that headers are read from; default: the process's.

        Raises:
            ProfileError: a header's variable is not set, or holds what no header may hold.
        """
        return Plan(
            run="",
            scenario=self.name,
            url=self.url,
            result="",
            progress="",
            duration=self.duration,
            timeout=self.timeout,
            late_after=float(lag_bound(latency_limit(self.thresholds))),
            rate=self.rate,
            users=self.users,
            think_time=self.think_time,
            warm_up=self.warm_up,
            method=self.method,
            expect_status=self.expect_status,
            headers={
                **self.headers,
                **self._secret_headers(os.environ if environment is None else environment),
            },
            body=self.body,
        )

    def _secret_headers(self, environment: Mapping[str, str]) -> dict[str, str]:
        found = {}
        for name, variable in self.header_variables.items():
            value = environment.get(variable, "")
            if not value or not _FIELD_VALUE.fullmatch(value):
                raise ProfileError(
                    f"gates.load.scenarios[{self.name}].header_variables.{name}: {variable} "
                    + ("is not set" if not value else "holds what no header may hold"),
                    hint=f"set {variable} to the header's whole value where the gate runs",
                )
            found[name] = value
        return found
