"""The run while it runs: a live table of gates on a terminal, one line for each event worth reading elsewhere."""

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.frozen import dataclass, field
from harness.load.progress import Watch, watch
from harness.model import CheckResult, ExpectedGate, GateRun, GateVerdict, Outcome, SessionEnd
from harness.report.marks import draw, sign, style, tolerant
from harness.report.progress import Teller, told
from harness.report.text import counts, one_line, seconds

_WIDE = 112
"""From this width on there is room for the bar and the current check."""
_TOLD = 25
"""Lines a gate may fill with checks that did not pass, where lines stay for ever."""
_RECENT = 3
_BAR = 12
_LINE = 300
_LOOK = 1.0
"""Seconds between looks at a load run's progress, where lines tell it."""
_LOAD = "load"
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


def plain_output(console: Console, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether lines serve better than a live table: no terminal, a dumb one, ``NO_COLOR``, or a CI."""
    ci = environ.get("CI", "").lower() not in ("", "0", "false")
    return ci or bool(environ.get("NO_COLOR")) or not console.is_terminal or console.is_dumb_terminal


@dataclass
class _Row:
    """One gate as it stands."""

    name: str
    layer: int
    budget: float
    state: str = "waiting"
    started: float | None = None
    took: float | None = None
    remark: str = ""
    last: str = ""
    told: int = 0
    reasons: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    over: set[str] = field(default_factory=set)
    """The resources that a check has reported of."""

    def elapsed(self, now: float) -> float:
        if self.took is not None:
            return self.took
        return now - self.started if self.started is not None else 0.0


class LiveView:
    """What the supervisor tells while gates run; any thread may tell it. A context manager: it draws in between.

    `plain` forces lines (True) or the table (False); by default the terminal decides. With the run's `folder`, it tells
    how far a load run is.
    """

    def __init__(
        self,
        console: Console,
        gates: Sequence[ExpectedGate],
        *,
        title: str = "",
        plain: bool | None = None,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = tolerant(console)
        self._title = one_line(title)
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()
        self._rows = {gate.name: _Row(gate.name, gate.layer, gate.budget) for gate in gates}
        self._recent: deque[tuple[str, str]] = deque(maxlen=_RECENT)
        self._plain = plain_output(console) if plain is None else plain
        self._live: Live | None = None
        self._watch: Watch | None = watch(folder) if folder else None
        self._teller = Teller()
        self._quiet = threading.Event()
        self._follower: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._start = self._clock()
        if self._plain:
            self._line("", "", self._title)
        else:
            self._live = Live(
                get_renderable=self.render, console=self._console, refresh_per_second=8, transient=True
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_following()
        if self._live is not None:
            # After an error the table stays, as the last thing known; otherwise the summary takes its place.
            self._live.transient = kind is None
            self._live.stop()
            self._live = None

    def gate_started(self, gate: str) -> None:
        """A gate's session begins now."""
        with self._lock:
            row = self._row(gate)
            row.state, row.started = "running", self._clock()
        self._line(gate, "started", f"budget {seconds(row.budget)}" if row.budget else "")
        if gate == _LOAD and self._watch and self._plain:
            self._quiet.clear()
            self._follower = threading.Thread(target=self._follow, name="load progress", daemon=True)
            self._follower.start()

    def check(self, result: CheckResult) -> None:
        """A check reported."""
        name = one_line(result.id.removeprefix(f"{result.gate}."), _LINE)
        with self._lock:
            row = self._row(result.gate)
            row.counts[result.outcome] += 1
            row.last = name
            row.over.add(result.resource)
            # Skips of one gate share their cause: the line that ends the gate counts them and tells it once.
            if result.outcome in (Outcome.PASSED, Outcome.SKIPPED):
                return
            if result.reason in row.reasons:  # one missing resource fails all its checks, and is told once
                return
            row.reasons.add(result.reason)
            self._recent.append((str(result.outcome), one_line(f"{result.id}  {result.reason}", _LINE)))
            row.told += 1
            told = row.told
        if told <= _TOLD:
            self._line(result.gate, str(result.outcome), f"{name}: {result.reason}")
        elif told == _TOLD + 1:
            self._line(result.gate, "", "… further checks that did not pass are in the reports")

    def gate_finished(self, end: GateVerdict | GateRun) -> None:
        """A gate is over, or was never started; a verdict says what it came to, a run only how it ended."""
        if end.gate == _LOAD:
            self._stop_following()
        with self._lock:
            row = self._row(end.gate)
            row.took = end.duration or row.elapsed(self._clock())
            row.state = _came_to(end, row.counts)
            row.remark = _remark(end)
            figures = counts(row.counts)
            took = seconds(row.took) + (f" of {seconds(row.budget)}" if row.budget else "")
            never = row.started is None
        told = row.remark if never else ", ".join(part for part in (figures, took, row.remark) if part)
        self._line(end.gate, row.state, told)

    def note(self, text: str) -> None:
        """Say something that is no check: an environment that starts, a wait."""
        if self._plain:
            self._line("", "", text)
        else:
            self._console.print(Text(one_line(text, _LINE), style="dim"))

    def look(self) -> None:
        """Say how far the load run is, where that is worth a line now."""
        with self._lock:
            progress = self._watch.newest(self._row(_LOAD).over) if self._watch else None
            text = self._teller.line(progress) if progress else ""
        if text:
            self._line(_LOAD, "running", draw(self._console, text))

    def _follow(self) -> None:
        while not self._quiet.wait(_LOOK):
            self.look()

    def _stop_following(self) -> None:
        self._quiet.set()
        if self._follower is not None:
            self._follower.join()
            self._follower = None

    def _row(self, gate: str) -> _Row:
        layer = max((row.layer for row in self._rows.values()), default=0)
        return self._rows.setdefault(gate, _Row(gate, layer, 0.0))

    def _line(self, gate: str, state: str, text: str) -> None:
        """One event as a line; nothing where the table shows it."""
        if not self._plain:
            return
        line = Text(f"{seconds(self._clock() - self._start):>9}  ", style="dim")
        if gate:
            line.append(f"{one_line(gate, 40):<12} ", style="")
            line.append(f"{state:<12} ", style=style(state))
        line.append(one_line(text, _LINE))
        line.rstrip()
        self._console.print(line, soft_wrap=True)

    def render(self) -> RenderableType:
        """The table as it stands now."""
        with self._lock:
            now = self._clock()
            wide = self._console.width >= _WIDE
            parts: list[RenderableType] = [self._heading(now)]
            layer = None
            for row in self._rows.values():
                table = Table.grid(padding=(0, 2, 0, 0))
                for width in self._widths(wide=wide):
                    table.add_column(width=width, no_wrap=True, overflow="ellipsis")
                table.add_row(*self._cells(row, now, wide=wide, first=row.layer != layer))
                layer = row.layer
                parts += [table, *self._progress(row)]
            return Group(*parts, *self._footer(wide=wide))

    def _progress(self, row: _Row) -> list[Text]:
        """How far a load run is, as a second line of its gate."""
        if row.name != _LOAD or row.state != "running" or self._watch is None:
            return []
        progress = self._watch.newest(row.over)
        if progress is None:
            return []
        text = draw(self._console, told(progress))
        return [Text(f"      {text}", style="dim", no_wrap=True, overflow="ellipsis")]

    def _widths(self, *, wide: bool) -> list[int]:
        """The columns' widths, fixed so that nothing moves while figures grow; the last takes what is left."""
        name = min(
            20 if self._console.width >= 80 else 12,
            max((len(row.name) for row in self._rows.values()), default=0),
        )
        widths = [4, max(8, name), 12, *((_BAR, 15, 32) if wide else (8,))]
        room = self._console.width - sum(widths) - 2 * (len(widths) + 1)
        return [*widths, max(room, 1)]

    def _heading(self, now: float) -> Table:
        grid = Table.grid(expand=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_column(justify="right", no_wrap=True)
        grid.add_row(Text(self._title, style="bold"), Text(seconds(now - self._start), style="dim"))
        return grid

    def _cells(self, row: _Row, now: float, *, wide: bool, first: bool) -> list[Text]:
        running = row.state == "running"
        spinner = "*" if self._console.options.ascii_only else _SPINNER[int(now * 8) % len(_SPINNER)]
        mark = spinner if running else sign(self._console, row.state)
        lead = Text(f"{row.layer if first else '':>2} ", style="dim")
        lead.append(mark, style="bold" if running else style(row.state))
        quiet = "dim" if row.state in ("waiting", "blocked") else ""
        elapsed = row.elapsed(now)
        time_text = seconds(elapsed) if row.started is not None or row.took else ""
        if wide and row.budget and time_text:
            time_text += f" / {seconds(row.budget)}"
        late = bool(row.budget) and elapsed > 0.8 * row.budget
        cells = [lead, Text(one_line(row.name), style=quiet), Text(row.state, style=style(row.state))]
        if wide:
            cells.append(self._bar(row, elapsed, late=late))
        cells.append(Text(time_text, style="yellow" if late else "dim", justify="right"))
        cells.append(_figures(row))
        if wide:
            cells.append(Text(row.last if running else row.remark, style="dim"))
        return cells

    def _bar(self, row: _Row, elapsed: float, *, late: bool) -> Text:
        """How much of its budget a gate has used."""
        if not row.budget or row.started is None:
            return Text()
        filled = min(_BAR, int(elapsed / row.budget * _BAR))
        bar = Text(draw(self._console, "█" * filled), style="yellow" if late else "dim")
        bar.append(draw(self._console, "░" * (_BAR - filled)), style="dim")
        return bar

    def _footer(self, *, wide: bool) -> list[Text]:
        """What last went wrong, and on a narrow terminal the check that reported last."""
        lines = []
        for outcome, text in self._recent:
            line = Text(
                f" {sign(self._console, outcome)} ", style=style(outcome), no_wrap=True, overflow="ellipsis"
            )
            line.append(text, style="")
            lines.append(line)
        running = [row for row in self._rows.values() if row.state == "running" and row.last]
        if running and not wide:
            lines.append(Text(f"   {running[-1].last}", style="dim", no_wrap=True, overflow="ellipsis"))
        return lines


def _figures(row: _Row) -> Text:
    """Counts with their colours; a zero says nothing and is left out."""
    parts = []
    for outcome in (Outcome.FAILED, Outcome.ERROR, Outcome.INCONCLUSIVE, Outcome.SKIPPED, Outcome.PASSED):
        if count := row.counts[outcome]:
            word = "broken" if outcome is Outcome.ERROR else str(outcome)
            parts.append(Text(f"{count:,} {word}", style="" if outcome is Outcome.PASSED else style(outcome)))
    return Text("  ").join(parts)


def _came_to(end: GateVerdict | GateRun, figures: Mapping[str, int]) -> str:
    """A gate's outcome as one word; from a bare run only what its checks and its end already prove."""
    if isinstance(end, GateVerdict):
        return str(end.outcome).replace("_", " ")
    match end.end:
        case SessionEnd.BLOCKED:
            return "blocked"
        case SessionEnd.DEPENDENCY:
            return "skipped"
        case SessionEnd.NOT_STARTED:
            return "not run"
        case SessionEnd.COMPLETED:
            order = (Outcome.ERROR, Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.PASSED, Outcome.SKIPPED)
            found = next((outcome for outcome in order if figures.get(outcome)), None)
            return str(found) if found else "no checks"
        case _:
            return "error"


def _remark(end: GateVerdict | GateRun) -> str:
    """What the outcome alone does not say."""
    if isinstance(end, GateVerdict):
        return one_line(end.reasons[0].text, _LINE) if end.reasons else ""
    if end.root:
        return f"because of {one_line(end.root)}"
    ended = "" if end.end in (SessionEnd.COMPLETED, SessionEnd.NOT_STARTED) else str(end.end)
    return ": ".join(part for part in (ended, one_line(end.detail, _LINE)) if part)
