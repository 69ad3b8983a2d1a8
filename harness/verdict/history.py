"""The GO verdicts of the folder store, for what compares a run with an earlier one."""

from collections.abc import Iterator
from pathlib import Path

from harness.errors import VerdictError
from harness.model import Decision
from harness.policy import decide
from harness.verdict.statement import Verdict, parse
from harness.verdict.store import FILE, runs


def go_runs(folder: Path) -> list[tuple[Path, Verdict]]:
    """The runs of a profile and phase that were GO, with their folders, the last to finish first.

    A verdict that cannot be read, is another run's, or does not follow from its own record is not one of them.
    """
    found = list(_go_runs(folder))
    return sorted(found, key=lambda run: run[1].info.finished or run[1].info.started, reverse=True)


def _go_runs(folder: Path) -> Iterator[tuple[Path, Verdict]]:
    for run in runs(folder):
        try:
            verdict = parse((run / FILE).read_bytes())
        except (OSError, VerdictError):
            continue
        follows = decide(verdict.record).decision is verdict.decision
        if follows and verdict.decision is Decision.GO and verdict.info.run_id == run.name:
            yield run, verdict
