"""The flakiest checks of a history of runs: which proofs pass only when tried again, or now and then fail. Pure."""

from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction

from harness.frozen import dataclass
from harness.judgement import is_flaky
from harness.model import CheckResult, Outcome
from harness.verdict.statement import Verdict

_RAN = (Outcome.PASSED, Outcome.FAILED)


@dataclass(frozen=True)
class Flaky:
    """One check over the runs in which it passed or failed; what could not be had there says nothing of it.

    `flaky` are runs in which it passed only when tried again, `failed` those in which it failed, waived or not. `last_seen`
    is when the newest run started in which it was flaky (UTC).
    """

    check: str
    runs: int
    flaky: int
    failed: int
    last_seen: datetime

    @property
    def rate(self) -> Fraction:
        """The share of its runs in which it was flaky."""
        return Fraction(self.flaky, self.runs)


def flakiest(verdicts: Iterable[Verdict]) -> tuple[Flaky, ...]:
    """The checks that were flaky at least once, the highest rate first, then the most flaky runs, then by name.

    A run that is given twice counts once.
    """
    runs = {verdict.info.run_id: verdict for verdict in verdicts}
    seen: dict[str, list[tuple[datetime, CheckResult]]] = {}
    for verdict in runs.values():
        for result in verdict.record.results:
            if result.outcome in _RAN:
                seen.setdefault(result.id, []).append((verdict.info.started, result))
    found = [_sum(check, results) for check, results in seen.items() if any(is_flaky(r) for _, r in results)]
    return tuple(sorted(found, key=lambda each: (-each.rate, -each.flaky, each.check)))


def _sum(check: str, results: list[tuple[datetime, CheckResult]]) -> Flaky:
    flaky = [started for started, result in results if is_flaky(result)]
    failed = sum(result.outcome is Outcome.FAILED for _, result in results)
    return Flaky(check, len(results), len(flaky), failed, max(flaky))
