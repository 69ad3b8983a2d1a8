"""What one load run is to do. Handed to Locust's process through its environment, so that secrets stay off the disk.

Standard library only: Locust's process imports it too.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from math import ceil, floor
from typing import Literal
from urllib.parse import parse_qsl, quote, urlsplit

from harness.errors import ProfileError, ToolError
from harness.masking import register

VARIABLE = "GONOGO_LOAD_PLAN"
"""The environment variable that holds the plan, as JSON."""
MAX_IN_FLIGHT = 20_000
"""The most requests that may be open at the same time: `rate` × `timeout`, or `users`."""
_NANO = 1_000_000_000
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
    """One stream of requests. Times are in seconds; `rate` in arrivals a second, or else `users` in a closed loop.

    `run` marks the result as this run's own; `late_after` is the schedule lag from which an arrival counts as late.
    `result` and `progress` are the files that Locust's process writes.
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
    users: int | None = None
    think_time: float = 0.0
    warm_up: float = 0.0
    method: str = "GET"
    expect_status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str = field(default="", repr=False)

    @property
    def arrivals(self) -> int | None:
        """How many requests the schedule holds (N = rate × duration); ``None`` in a closed loop."""
        return None if self.rate is None else count(self.rate, self.duration)

    @property
    def warm_up_arrivals(self) -> int:
        """How many requests the schedule sends before those that count."""
        return 0 if self.rate is None else count(self.rate, self.warm_up)

    @property
    def slots(self) -> int:
        """How many requests may be open at the same time; a schedule's bound can only be met by broken time-outs."""
        if self.rate is None:
            return self.users or 0
        return ceil(self.rate * self.timeout * 11 / 10) + 10

    def to_json(self) -> str:
        """As `from_json` takes it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read what `to_json` wrote.

        Raises:
            ToolError: it is not a plan.
        """
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise ToolError(
                f"{VARIABLE} holds no plan: {error}",
                hint="the locustfile is run by the load gate, not by hand",
            ) from error


def count(rate: float, seconds: float) -> int:
    """The whole requests that a rate makes in some seconds; a hair of float error does not lose one."""
    return floor(rate * seconds + 1e-6)


def nanoseconds(seconds: float) -> int:
    """Seconds as the generator counts them."""
    return round(seconds * _NANO)


def default_port(scheme: str) -> int:
    """The port that a URL of this scheme means when it names none."""
    return 443 if scheme == "https" else 80


def target(url: str, key: str = "url") -> Target:
    """Read a URL that load may be sent to; `key` is where it stands in the profile.

    Raises:
        ProfileError: not http or https, without a host, with credentials, or not a URL at all.
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
                f"{key}: {_bare(url)!r} has the scheme {other!r}; load is sent by http and https only",
                hint=hint,
            )
    if not parts.hostname:
        raise ProfileError(f"{key}: {_bare(url)!r} names no host", hint=hint)
    if parts.username is not None:
        raise ProfileError(
            f"{key}: a URL with credentials in it is refused",
            hint="send them as a header: headers.Authorization",
        )
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
    return Target(scheme, parts.hostname.rstrip("."), port or default_port(scheme), path + query)


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


def _bare(url: str) -> str:
    """A URL as it may be shown: without its query, and without credentials."""
    head = url.partition("?")[0]
    scheme, separator, rest = head.rpartition("//")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
