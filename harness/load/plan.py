"""What one load run is to do. Handed to Locust's process through its environment, so that secrets stay off the disk.

Standard library only: Locust's process imports it too.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from ipaddress import ip_address
from math import ceil
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlsplit

from harness.errors import ProfileError, ToolError
from harness.frozen import dataclass, field
from harness.load.schedule import Schedule, Stage, constant
from harness.masking import register

VARIABLE = "GONOGO_LOAD_PLAN"
"""The environment variable that holds the plan, as JSON."""
MAX_IN_FLIGHT = 20_000
"""The most requests that may be open at the same time: `rate` × `timeout`, or `users`."""
_NANO = 1_000_000_000
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_SECRET = ("authorization", "cookie", "token", "key", "secret", "password", "signature", "credential")


@dataclass(frozen=True)
class Target:
    """Where the requests of a URL go. `path` is the request target, percent-encoded, with its query."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What belongs into the ``Host`` header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == default_port(self.scheme) else f"{host}:{self.port}"


@dataclass(frozen=True)
class Plan:
    """One stream of requests. Times are in seconds.

    Either a schedule (open model: `rate` arrivals a second for `duration`, or `stages`), or `users` in a closed loop.
    What one arrival does is `kind` with its `traffic` (`harness.load.generator.traffic`); the fields from `url` on are
    those of the kind ``http``. `run` marks the result as this run's own; `late_after` is the schedule lag from which an
    arrival counts as late. `result` and `progress` are the files that Locust's process writes. `nodes` processes share
    the load; `start` is the command that starts one elsewhere, all may take `wait` to come, and one that says nothing for `silence`
    is lost. `rules` are thresholds; the run ends early where one of them is broken for certain, on the terms of `confidence`
    and `early_pass` (`harness.load.statistics.sequential`), unless `stop_early` forbids it.
    """

    run: str
    scenario: str
    url: str
    result: str
    progress: str
    duration: float
    timeout: float
    late_after: float
    rate: float | None = None
    stages: tuple[Stage, ...] = ()
    users: int | None = None
    think_time: float = 0.0
    warm_up: float = 0.0
    method: str = "GET"
    expect_status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    header_variables: Mapping[str, str] = field(default_factory=dict)
    body: str = field(default="", repr=False)
    kind: str = "http"
    traffic: Mapping[str, Any] = field(default_factory=dict, repr=False)
    nodes: int = 1
    start: str = ""
    wait: float = 60.0
    silence: float = 5.0
    rules: tuple[str, ...] = ()
    confidence: float | None = None
    early_pass: bool = False
    stop_early: bool = True

    @property
    def open(self) -> bool:
        """Whether requests come on a schedule."""
        return self.rate is not None or bool(self.stages)

    @cached_property
    def schedule(self) -> Schedule:
        """The counted arrivals; empty in a closed loop."""
        if self.stages:
            return Schedule(self.stages)
        return Schedule([]) if self.rate is None else constant(self.rate, self.duration)

    @cached_property
    def warm_up_schedule(self) -> Schedule:
        """The arrivals before those that count, at the rate that these begin with."""
        stages = self.schedule.stages
        rate = (stages[0].rate or stages[0].to / 2) if stages else 0.0
        return constant(rate, self.warm_up)

    @property
    def arrivals(self) -> int | None:
        """How many requests the schedule holds (N = rate × duration); ``None`` in a closed loop."""
        return self.schedule.arrivals if self.open else None

    @property
    def slots(self) -> int:
        """How many requests may be open at the same time; a schedule's bound can only be met by broken time-outs."""
        if not self.open:
            return self.users or 0
        return ceil(self.schedule.peak * self.timeout * 11 / 10) + 10

    def to_json(self) -> str:
        """As `from_json` takes it."""
        from dataclasses import asdict

        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read what `to_json` wrote.

        Raises:
            ToolError: it is not a plan.
        """
        try:
            data = json.loads(text)
            stages = tuple(Stage(**stage) for stage in data.pop("stages"))
            return cls(**{**data, "rules": tuple(data["rules"])}, stages=stages)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ToolError(
                f"{VARIABLE} holds no plan: {error}",
                hint="the locustfile is run by the load gate, not by hand",
            ) from error


def nanoseconds(seconds: float) -> int:
    """Seconds as the generator counts them."""
    return round(seconds * _NANO)


def default_port(scheme: str) -> int:
    """The port that a URL of this scheme means when it names none."""
    return 443 if scheme == "https" else 80


def target(url: str, key: str = "url") -> Target:
    """Read a URL that load may be sent to; `key` is where it stands in the profile.

    Raises:
        ProfileError: not http or https, without a host that can have an address, with credentials, or not a URL at all.
    """
    hint = f"write {key} as https://host[:port]/path"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ProfileError(f"{key}: {_bare(url)!r} is not a URL ({error})", hint=hint) from error
    if "${" in url.partition("?")[0]:
        raise ProfileError(
            f"{key}: {_bare(url)!r} holds a variable that has no value",
            hint="set it, or give it a default: ${NAME:-…}",
        )
    scheme: Literal["http", "https"]
    match parts.scheme:
        case "http":
            scheme = "http"
        case "https":
            scheme = "https"
        case other:
            raise ProfileError(
                f"{key}: {_bare(url)!r} has {f'the scheme {other!r}' if other else 'no scheme'}; load is sent by http and https only",
                hint=hint,
            )
    if not parts.hostname:
        raise ProfileError(f"{key}: {_bare(url)!r} names no host", hint=hint)
    if parts.username is not None:
        raise ProfileError(
            f"{key}: a URL with credentials in it is refused",
            hint="send them as a header, from a variable: header_variables.Authorization",
        )
    host = parts.hostname.removesuffix(".")
    if wrong := _no_host(host):
        raise ProfileError(f"{key}: {_bare(url)!r}: {host!r} {wrong}", hint=hint)
    if port == 0:
        raise ProfileError(f"{key}: {_bare(url)!r}: nothing can listen on port 0", hint=hint)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
    return Target(scheme, host, port or default_port(scheme), path + query)


def require_allowed(url: str, allowed: Iterable[str], key: str) -> Target:
    """The target of `url`, where load may be sent to it: its host, or ``host:port``, is one of `allowed`.

    Raises:
        ProfileError: it may not; nothing has been sent.
    """
    where = target(url, key)
    hosts = [host.lower().rstrip(".") for host in allowed]
    if where.host not in hosts and f"{where.host}:{where.port}" not in hosts:
        known = ", ".join(hosts) if hosts else "empty: load may be sent nowhere"
        raise ProfileError(
            f"{key}: load may not be sent to host {where.host!r}; gates.load.allowed_hosts is {known}",
            hint=f"add {where.host!r} to gates.load.allowed_hosts if this environment may be loaded, or correct {key}",
        )
    return where


def register_secrets(url: str, headers: Mapping[str, str]) -> None:
    """Make the values of headers and query parameters that are named like secrets unspeakable in this process."""
    for name, value in [*headers.items(), *parse_qsl(urlsplit(url).query)]:
        if any(word in name.lower() for word in _SECRET):
            register(value)
            register(value.rpartition(" ")[2])


def _no_host(host: str) -> str:
    """Why nothing can have this name, in lower case; empty where something can."""
    if ":" in host:
        try:
            ip_address(host)
        except ValueError:
            return "is no IPv6 address"
        return ""
    if not host.isascii():
        try:
            return f"must be written as DNS has it, {host.encode('idna').decode()!r}"
        except UnicodeError:
            return "is no name of a host"
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        return "is no name of a host: letters, digits and hyphens, parts of at most 63 with dots between"
    return ""


def _bare(url: str) -> str:
    """A URL as it may be shown: without its query, and without credentials."""
    head = url.partition("?")[0]
    scheme, separator, rest = head.rpartition("//")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
