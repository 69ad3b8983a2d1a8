"""The ledger: one line of JSON for everything that happens in a run, appended as it happens.

Gate sessions (and their xdist workers) and the supervisor write the same file: each event is one ``write`` under
a lock, so lines never mix. A decision is derived from the ledger alone, by the run and again by ``gonogo explain``.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from harness import codec
from harness.errors import ToolError
from harness.frozen import dataclass, field
from harness.model import CheckResult, ExpectedCheck, ExpectedGate, GateRun, Policy, Record
from harness.shapes import ValidationError

NAME = "ledger.jsonl"
T = TypeVar("T")


def append(path: Path, event: str, **content: Any) -> None:  # noqa: ANN401 - JSON values
    """Write one event with the time it happened at."""
    line = json.dumps(
        {"event": event, "at": datetime.now(UTC).isoformat(timespec="milliseconds"), **content},
        ensure_ascii=False,
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        data = line.encode() + b"\n"
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


@dataclass
class Reader:
    """Reads a ledger that is still being written, event by event, without reading anything twice."""

    path: Path
    _position: int = 0

    def new(self) -> Iterator[Mapping[str, Any]]:
        """The events written since the last call. A last line that is not finished yet waits for the next call.

        Raises:
            ToolError: a finished line is not an event; the ledger was damaged.
        """
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            file.seek(self._position)
            data = file.read()
        end = data.rfind(b"\n") + 1
        self._position += end
        for line in data[:end].splitlines():
            try:
                event = json.loads(line)
                event["event"], event["at"]
            except (ValueError, TypeError, KeyError) as error:
                raise ToolError(
                    f"{self.path}: a line is not an event of a run: {line[:80]!r}",
                    hint="the ledger was changed by something else; run the gates again",
                ) from error
            yield event


@dataclass
class Book:
    """A ledger read into what a decision is derived from."""

    policy: Policy | None = None
    gates: tuple[ExpectedGate, ...] = ()
    checks: tuple[ExpectedCheck, ...] = ()
    partial: bool = False
    started: datetime | None = None
    runs: list[GateRun] = field(default_factory=list)
    results: list[CheckResult] = field(default_factory=list)
    announced: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per gate: what its session collected, deselected and left out."""
    finished: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Per gate: that its session came to its end, with pytest's exit status."""
    broken: dict[str, list[str]] = field(default_factory=dict)
    """Per gate: what kept its session from collecting or preparing."""

    def take(self, event: Mapping[str, Any]) -> None:
        """Add one event.

        Raises:
            ToolError: it is not of the shape its name promises.
        """
        try:
            self._take(event)
        except (ValidationError, KeyError, ValueError, TypeError) as error:
            raise ToolError(
                f"the ledger holds a malformed {event.get('event')} event: {str(error)[:300]}",
                hint="it was written by another version or changed by hand; run the gates again",
            ) from error

    def _take(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "run":
                self.policy = codec.load(Policy, event["policy"])
                self.gates = tuple(codec.load(ExpectedGate, gate) for gate in event["gates"])
                self.checks = tuple(codec.load(ExpectedCheck, check) for check in event["checks"])
                self.partial = bool(event["partial"])
                self.started = datetime.fromisoformat(event["started"]).astimezone(UTC)
            case "collected":
                self.announced[event["gate"]] = event
            case "broken":
                self.broken.setdefault(event["gate"], []).append(event["reason"])
            case "check":
                self.results.append(codec.load(CheckResult, event["result"]))
            case "session_finished":
                self.finished[event["gate"]] = event
            case "gate":
                self.runs.append(codec.load(GateRun, event["run"]))

    def record(self) -> Record:
        """What there is to decide on.

        Raises:
            ToolError: the run never wrote what it expects.
        """
        if self.policy is None:
            raise ToolError(
                "the ledger does not say what was expected", hint="the run ended before it began; run again"
            )
        return Record(
            self.policy,
            self.gates,
            self.checks,
            tuple(self.runs),
            tuple(self.results),
            partial=self.partial,
            at=self.started,
        )


def read(folder: Path) -> Book:
    """Read the whole ledger of a run's folder.

    Raises:
        ToolError: there is none, or it is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        raise ToolError(
            f"{path} does not exist", hint="name the folder of a run: reports/<profile>/<phase>/runs/<id>"
        )
    book = Book()
    for event in Reader(path).new():
        book.take(event)
    return book


def read_record(folder: Path) -> Record:
    """The record of a finished run, as its decision was derived from it."""
    return read(folder).record()
