"""How far a load run is: the newest of the lines that its generator writes each second, for whoever watches it.

Only the end of a file is read, and nothing that is missing, half written or of another form is an error: to watch must
not disturb what is watched, and what a run came to is told by its result alone.
"""

import json
import os
from collections.abc import Container, Sequence
from dataclasses import fields
from pathlib import Path

from harness.frozen import dataclass

NAME = "progress.jsonl"
_TAIL = 8192
"""Bytes at the end of a file: at least the lines of the last seconds."""
_SPAN = 3.0
"""Seconds over which the rate of now is taken."""


@dataclass(frozen=True)
class Evidence:
    """How strongly the run speaks against a rule: `e` of the `enough` that ends it."""

    rule: str
    e: float
    enough: float


@dataclass(frozen=True)
class Line:
    """One line. `second` is the time since the load began, its warm-up included, `left` what is planned still, both in
    seconds; the counts are those of the counted stretch, `p95` is in nanoseconds from the intended start.
    """

    second: float
    left: float
    warming_up: bool
    planned: int | None
    sent: int
    completed: int
    timed_out: int
    succeeded: int
    dropped: int
    p95: int | None
    evidence: tuple[Evidence, ...]

    @property
    def ended(self) -> int:
        """Requests that have an end."""
        return self.completed + self.timed_out


@dataclass(frozen=True)
class Waiting:
    """Before the load: so many of the `expected` workers have come, `waiting` seconds after the first was waited for.

    `start` is the command that starts one elsewhere; empty for processes of this machine, which come by themselves.
    """

    waiting: float
    come: int
    expected: int
    start: str


@dataclass(frozen=True)
class Progress:
    """How far a scenario is; `rate` is what it sends a second now, ``None`` as long as too little is known."""

    scenario: str
    line: Line | Waiting
    rate: float | None = None


class Watch:
    """The scenarios of a load gate, each in its own folder below `folder`, which need not be there yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: tuple[Path, int, int] | None = None
        self._progress: Progress | None = None

    def newest(self, over: Container[str] = ()) -> Progress | None:
        """The scenario that said something last, those that are `over` apart; ``None`` as long as there is none."""
        try:
            told = [
                (path.stat(), path) for path in self._folder.glob(f"*/{NAME}") if path.parent.name not in over
            ]
            if not told:
                return None
            found, path = max(told, key=lambda each: each[0].st_mtime_ns)
            seen = (path, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._seen, self._progress = seen, _progress(path.parent.name, _lines(path))
        except OSError:
            return None
        return self._progress


def watch(run: Path) -> Watch:
    """The load scenarios of the run in this folder."""
    return Watch(run / "load" / "scenarios")


def _lines(path: Path) -> list[Line | Waiting]:
    """The whole lines at the end of a file, in order."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1].splitlines()
    # The first one may lack its beginning.
    rows = whole if size <= _TAIL else whole[1:]
    return [line for line in map(_line, rows) if line]


def _line(data: bytes) -> Line | Waiting | None:
    from harness.codec import load
    from harness.shapes import ValidationError

    try:
        found = json.loads(data)
        form: type[Line | Waiting] = Waiting if "waiting" in found else Line
        return load(form, {field.name: found[field.name] for field in fields(form)})
    except (ValueError, KeyError, TypeError, ValidationError):
        return None


def _progress(scenario: str, lines: Sequence[Line | Waiting]) -> Progress | None:
    if not lines:
        return None
    last = lines[-1]
    if isinstance(last, Waiting):
        return Progress(scenario, last)
    counted = [line for line in lines if isinstance(line, Line) and not line.warming_up]
    known = [line for line in counted if last.second - line.second <= _SPAN]
    if not known or last.second <= known[0].second:
        return Progress(scenario, last)
    return Progress(scenario, last, (last.sent - known[0].sent) / (last.second - known[0].second))
