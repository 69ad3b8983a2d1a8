"""What a load run came to, as Locust's process wrote it; read back strictly, or not at all."""

import json
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from harness.errors import ToolError
from harness.frozen import dataclass, field
from harness.load.latency import Latency
from harness.load.windows import MOST, Windows

SCHEMA = 3


class Kind(StrEnum):
    """How a request failed."""

    STATUS = "status"
    """An answer, with another status than the expected one; a redirect is one."""
    TIMEOUT = "timeout"
    REFUSED = "refused"
    DNS = "dns"
    TLS = "tls"
    CLOSED = "closed"
    """The connection ended before the answer was whole."""
    PROTOCOL = "protocol"
    """What came back is not HTTP."""
    CONTENT = "content"
    """An answer with the right status that does not hold what it must."""
    SLOW = "slow"
    """A step's answer that was right, and later than its `max_time`."""
    TASK = "task"
    """A task of the user's own locustfile raised."""
    OTHER = "other"
    GENERATOR = "generator"
    """This machine could not send it (open files, ports, memory): says nothing about the service."""


@dataclass(frozen=True)
class Seen:
    """One request worth showing: when it started, in seconds from the start of the counted stretch, and its end."""

    at: float
    latency: int
    status: int
    kind: Kind | None = None
    detail: str = ""


@dataclass(frozen=True)
class StepResult:
    """One step of a journey: its requests, and the times of those that succeeded."""

    sent: int
    failed: int
    latency: Latency


@dataclass(frozen=True)
class Judged:
    """What the decision on one rate knew when the load ended. See `harness.load.statistics.sequential.Look`.

    `early` is on what ground the load was ended before its horizon (``curtailment``, ``evidence``, ``early pass``);
    empty where it was not ended by this rule. `low` and `high` bound the metric's true value.
    """

    rule: str
    state: str
    early: str
    reason: str
    requests: int
    failures: int
    estimate: float | None
    low: float
    high: float
    confidence: float
    effective: float
    evidence: float


@dataclass(frozen=True)
class LoadResult:
    """What a load run came to. Times are whole nanoseconds, except where a name says otherwise.

    `planned` is N = rate × duration, ``None`` in a closed loop. `sent` is what was started in the counted stretch;
    every one of these is in `completed` (answered or failed) or `timed_out`, or was lost. `dropped` found no free
    slot and `late` started later than the bound that the plan gives; `retried` were sent again because an idle
    connection had been closed by the server. `duration` is the counted stretch as planned, `elapsed` as it was: longer
    where the last request started behind it, shorter where it ended early. `cpu` is the share of one core that the generator used.

    `latency` is measured from the intended start (in a closed loop: the actual one), `service_time` from the actual
    one; both hold the successful requests and the time-outs at their time-out value. `lag` is actual minus intended.
    `windows` tell the same run by time: they add up to these figures. `steps` are the requests of journeys, by name.

    `nodes` is how many processes shared the load; `cpu` is then the busiest one's. `due` is how many of the planned
    arrivals had come due when the load ended: fewer than `planned` where it ended early, which `judged` then explains.
    """

    schema: int
    run: str
    scenario: str
    complete: bool
    model: str
    started: str
    planned: int | None
    sent: int
    completed: int
    timed_out: int
    succeeded: int
    dropped: int
    late: int
    retried: int
    warm_up: int
    duration: int
    elapsed: int
    cpu: float
    latency: Latency
    service_time: Latency
    lag: Latency
    failures: Mapping[Kind, int]
    statuses: Mapping[str, int]
    slowest: tuple[Seen, ...]
    first_failures: tuple[Seen, ...]
    windows: Windows
    steps: Mapping[str, StepResult] = field(default_factory=dict)
    nodes: int = 1
    due: int | None = None
    judged: tuple[Judged, ...] = ()

    @property
    def ended_early(self) -> str:
        """When a rule ended the load, as in ``ended after 1.5 s of 60 s``; empty where none did."""
        if not any(judged.early for judged in self.judged):
            return ""
        return f"ended after {round(self.elapsed / 1e9, 1):g} s of {self.duration / 1e9:g} s"


def write(path: Path, result: LoadResult) -> None:
    """Write a result whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w") as file:
        from dataclasses import asdict

        lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in asdict(result).items())
        file.write("{\n" + ",\n".join(lines) + "\n}\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read(path: Path, *, run: str | None = None) -> LoadResult:
    """Read the result of the load run `run`; of whichever it is, where the file itself is known to be the right one.

    Raises:
        ToolError: it is missing, truncated, of another run, or does not add up.
    """
    from harness.codec import load
    from harness.shapes import ValidationError

    hint = f"look at Locust's own output beside it: {path.parent}"
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ToolError(f"Locust left no result ({path.name})", hint=hint) from error
    except (OSError, ValueError) as error:
        raise ToolError(f"Locust's result {path.name} cannot be read: {error}", hint=hint) from error
    from dataclasses import fields

    known = {key.name for key in fields(LoadResult)}
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or data.keys() != known:
        raise ToolError(f"Locust's result {path.name} is not of the known form", hint=hint)
    try:
        result = load(LoadResult, data)
    except ValidationError as error:
        first = error.wrong[0]
        where = ".".join(map(str, first.path))
        raise ToolError(
            f"Locust's result {path.name} is not of the known form: {where}: {first.text}", hint=hint
        ) from error
    if run is not None and result.run != run:
        raise ToolError(f"Locust's result {path.name} is of another run", hint=hint)
    if wrong := contradictions(result):
        raise ToolError(f"Locust's result {path.name} does not add up: {'; '.join(wrong)}", hint=hint)
    return result


def contradictions(result: LoadResult) -> tuple[str, ...]:
    """What a result that was recorded right cannot say. Lost requests are no contradiction: they make it invalid."""
    failed = sum(count for kind, count in result.failures.items() if kind is not Kind.TIMEOUT)
    rules = {
        "it is not complete": not result.complete,
        "a count is negative": min(result.sent, result.completed, result.timed_out, result.succeeded) < 0,
        "time-outs are counted twice": result.failures.get(Kind.TIMEOUT, 0) != result.timed_out,
        "successes and failures are not what completed": result.succeeded + failed != result.completed,
        "the latencies are not those of successes and time-outs": any(
            not series.count == result.succeeded + result.timed_out == sum(series.buckets.values())
            for series in (result.latency, result.service_time)
        ),
        "the windows do not add up to the run": _windows_differ(result, failed),
        "it took no time": result.sent > 0 and result.elapsed <= 0,
    }
    return tuple(text for text, broken in rules.items() if broken)


def _windows_differ(result: LoadResult, failed: int) -> bool:
    """Whether the windows are not those of the whole run, to the last request."""
    windows = result.windows
    rows, due = windows.rows, None if result.planned is None else result.sent + result.dropped
    if windows.width <= 0 or not 0 < len(rows) <= MOST or not all(row.sound() for row in rows):
        return True
    total = windows.total()
    told = (total.planned, total.dropped, total.sent, total.succeeded, total.failed, total.timed_out)
    return (
        told != (due, result.dropped, result.sent, result.succeeded, failed, result.timed_out)
        or (total.latency, total.service_time) != (result.latency.buckets, result.service_time.buckets)
        or any((row.planned is None) != (result.planned is None) for row in rows)
    )
