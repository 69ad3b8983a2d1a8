"""The supervisor: layer by layer, each gate a session of its own, side by side within a layer.

It decides nothing. It starts and ends sessions, holds them to their budgets, and writes to the ledger how each
one ended; `harness.policy` makes of that what it means.
"""

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from harness import codec
from harness.frozen import dataclass, replace
from harness.gates import ALWAYS
from harness.gates.context import GateContext
from harness.model import (
    CheckResult,
    Decided,
    ExpectedGate,
    GateOutcome,
    GateRun,
    GateVerdict,
    Outcome,
    SessionEnd,
    Subject,
)
from harness.policy import SEVERITY, decide
from harness.process import GRACE, Bound, end_tree
from harness.run import ledger, session

_POLL = 0.05
"""Seconds between looks at the sessions: their memory and the ledger tell nobody when they grow."""
_BLOCKING = (GateOutcome.FAIL, GateOutcome.ERROR)


class View(Protocol):
    """What watches a run for a person; every call is cheap and none may fail the run."""

    def gate_started(self, gate: str) -> None:
        """A gate's session began."""

    def check(self, result: CheckResult) -> None:
        """A check reported."""

    def gate_finished(self, verdict: GateVerdict) -> None:
        """A gate is over, or will not be started."""


@dataclass
class _Running:
    gate: ExpectedGate
    child: "subprocess.Popen[bytes]"
    mark: str
    bound: Bound
    started: float


class Supervisor:
    """Runs the gates of one run.

    Args:
        context: the run, told to no gate yet.
        gates: the gates expected, with their layers.
        selected: the gates asked for; the others are left `SessionEnd.NOT_STARTED`.
        keep_going: run later layers even when an earlier one failed.
        environ: what sessions inherit.
    """

    def __init__(
        self,
        context: GateContext,
        gates: Sequence[ExpectedGate],
        view: View,
        *,
        selected: frozenset[str],
        keep_going: bool,
        environ: Mapping[str, str],
    ) -> None:
        self._context = context
        self._gates = gates
        self._view = view
        self._selected = selected
        self._keep_going = keep_going
        self._environ = environ
        self._reader = ledger.Reader(context.ledger)
        self.book = ledger.Book()
        self._interrupted = False

    def run(self) -> Decided:
        """Run every layer; returns what comes of it."""
        with self._interruptible():
            for layer in sorted({gate.layer for gate in self._gates}):
                self._run_layer([gate for gate in self._gates if gate.layer == layer])
        return self.decided()

    def decided(self) -> Decided:
        """The decision as far as the ledger has it."""
        self._read()
        return decide(self.book.record())

    def _run_layer(self, layer: Sequence[ExpectedGate]) -> None:
        self._read()
        verdicts = (
            {verdict.gate: verdict for verdict in decide(self.book.record()).gates} if layer[0].layer else {}
        )
        running: list[_Running] = []
        for gate in layer:
            if (kept := self._kept_from_starting(gate, verdicts)) is not None:
                self._finish(kept)
            else:
                running.append(self._start(gate))
        while running:
            # The ledger, memory and several processes at once: no one event tells of all three.
            time.sleep(_POLL)
            self._read()
            for each in list(running):
                if (run := self._look_at(each)) is not None:
                    running.remove(each)
                    self._finish(run)

    def _kept_from_starting(self, gate: ExpectedGate, verdicts: Mapping[str, GateVerdict]) -> GateRun | None:
        """Why a gate of this layer is not started, if there is a reason."""
        if self._interrupted:
            return GateRun(
                gate.name, SessionEnd.INTERRUPTED, "the run was told to stop before this gate began"
            )
        if gate.name not in self._selected:
            return GateRun(gate.name, SessionEnd.NOT_STARTED, "it was left out by --gate")
        earlier = [verdict for verdict in verdicts.values() if verdict.layer < gate.layer]
        failed = [verdict for verdict in earlier if verdict.outcome in _BLOCKING]
        if failed and not self._keep_going:
            root = max(failed, key=lambda verdict: SEVERITY[verdict.decision])
            return GateRun(gate.name, SessionEnd.BLOCKED, root=root.gate)
        for name in gate.depends:
            verdict = verdicts.get(name)
            if verdict is not None and verdict.outcome is GateOutcome.SKIPPED:
                return GateRun(gate.name, SessionEnd.DEPENDENCY, root=name)
        return None

    def _start(self, gate: ExpectedGate) -> _Running:
        context = replace(self._context, gate=gate.name, subjects=self._subjects())
        child, mark = session.start(context, self._environ)
        ledger.append(context.ledger, "gate_started", gate=gate.name, pid=child.pid)
        self._view.gate_started(gate.name)
        config = self._context.profile.gates[gate.name]
        bound = Bound(child.pid, budget=config.budget, memory=config.memory, mark=mark)
        return _Running(gate, child, mark, bound, time.monotonic())

    def _look_at(self, running: _Running) -> GateRun | None:
        """How a session ended, if it did; one that broke a bound is ended here with all it started."""
        exit_code = running.child.poll()
        if exit_code is None:
            bound = "interrupted" if self._interrupted else running.bound.broken()
            if bound is None:
                return None
            grace = 0.0 if bound == "memory" else GRACE
            end_tree(running.child.pid, grace=grace, mark=running.mark)
            running.child.wait()
            return self._gate_run(running, SessionEnd(bound), self._bound_detail(running, bound))
        end_tree(running.child.pid, mark=running.mark)
        self._read()
        return self._gate_run(running, *self._how_it_ended(running.gate.name, exit_code))

    def _bound_detail(self, running: _Running, bound: str) -> str:
        config = self._context.profile.gates[running.gate.name]
        match bound:
            case "budget":
                return f"still running after {config.budget:g} s"
            case "memory":
                return f"held {running.bound.peak / 1e6:.0f} MB of {config.memory / 1e6:.0f} MB"
            case _:
                return "the run was told to stop"

    def _how_it_ended(self, gate: str, exit_code: int) -> tuple[SessionEnd, str]:
        """A session is complete only if it said so itself and its exit code agrees; 5 is "no checks"."""
        if broken := self.book.broken.get(gate):
            return SessionEnd.CRASHED, "; ".join(broken)
        finished = self.book.finished.get(gate)
        if finished is None or exit_code not in (0, 1, 5):
            said = "its session did not finish" if finished is None else "its session did not finish well"
            return SessionEnd.CRASHED, f"{said} (exit code {exit_code})"
        return SessionEnd.COMPLETED, ""

    def _gate_run(self, running: _Running, end: SessionEnd, detail: str) -> GateRun:
        announced = self.book.announced.get(running.gate.name, {})
        return GateRun(
            running.gate.name,
            end,
            detail,
            collected=tuple(announced.get("checks", ())),
            deselected=tuple(announced.get("deselected", ())),
            exit_code=running.child.returncode,
            duration=round(time.monotonic() - running.started, 3),
            memory=running.bound.peak,
        )

    def _finish(self, run: GateRun) -> None:
        ledger.append(self._context.ledger, "gate", run=codec.dump(run))
        self._read()
        verdict = next(verdict for verdict in decide(self.book.record()).gates if verdict.gate == run.gate)
        self._view.gate_finished(verdict)

    def _read(self) -> None:
        for event in self._reader.new():
            before = len(self.book.results)
            self.book.take(event)
            for result in self.book.results[before:]:
                self._view.check(result)

    def _subjects(self) -> tuple[Subject, ...]:
        return subjects(self._context.subjects, self.book.results)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the gates, and then the run in order, with a verdict that says so."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._interrupted = True

        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, stop) for number in signals}
        try:
            yield
        finally:
            for number, old in before.items():
                signal.signal(number, old)


def subjects(known: Sequence[Subject], results: Sequence[CheckResult]) -> tuple[Subject, ...]:
    """What is released, as the `subject` gate's checks found it, over what was known before them."""
    found = {subject.name: subject for subject in known}
    for result in results:
        if result.gate == ALWAYS and result.outcome in (Outcome.PASSED, Outcome.INCONCLUSIVE):
            found.update({subject.name: subject for subject in result.subjects})
    return tuple(found[name] for name in sorted(found))
