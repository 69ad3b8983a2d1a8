"""Trying a check again: what may be, how its attempts are kept apart, and what comes of them together.

Only a failure or an error is tried again. A skip or an empty proof is not, and where a later try ends in one, the failure
before it stays: a retry never turns what was seen into what could not be seen.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.aws.faults import Denied, Misconfigured
from harness.frozen import replace
from harness.model import Attempt, CheckResult, Evidence, Outcome
from harness.waivers import is_secret

MOST = 5
"""The most retries that a marker may ask for, as in a profile."""
_FAILURES = (Outcome.FAILED, Outcome.ERROR)
_LASTING = (Denied, Misconfigured)
"""What is the same the next time."""


def may_be_tried_again(result: CheckResult, error: BaseException | None) -> bool:
    """Whether another try could show something else: denied access, wrong credentials and leaked secrets stay."""
    leaks = any(finding.counts and is_secret(finding) for finding in result.findings)
    return result.outcome in _FAILURES and not isinstance(error, _LASTING) and not leaks


def keep_apart(result: CheckResult, folder: Path, own: Path, number: int) -> CheckResult:
    """The result of a try that is followed by another, with its evidence where the next one cannot overwrite it.

    Args:
        result: what the try came to.
        folder: the run's.
        own: where evidence of this check is written; a tool's files lie elsewhere, and are copied.
        number: which try it was, from 1.
    """
    target = own / f"attempt-{number}"
    return replace(
        result, evidence=tuple(_kept(each, folder, own, target, number) for each in result.evidence)
    )


def _kept(evidence: Evidence, folder: Path, own: Path, target: Path, number: int) -> Evidence:
    source, place = folder / evidence.path, target / evidence.name
    while place.exists():
        place = place.with_name(f"again-{place.name}")
    target.mkdir(parents=True, exist_ok=True)
    if source.is_relative_to(own):
        source.replace(place)
    else:
        shutil.copyfile(source, place)
    path = place.relative_to(folder).as_posix()
    return replace(evidence, name=f"attempt {number}: {evidence.name}", path=path)


def together(tries: Sequence[CheckResult]) -> CheckResult:
    """One result of several tries: the pass that came last, or else the gravest failure, with every attempt."""
    *earlier, last = tries
    if not earlier:
        return last
    failures = [each for each in tries if each.outcome in _FAILURES]
    kept = last if last.outcome is Outcome.PASSED else max(reversed(failures), key=_gravity)
    others = tuple(evidence for each in tries if each is not kept for evidence in each.evidence)
    return replace(
        kept,
        attempts=tuple(Attempt(each.outcome, each.reason, each.duration) for each in tries),
        flaky=kept.outcome is Outcome.PASSED,
        evidence=(*kept.evidence, *others),
        started=tries[0].started,
        duration=round(sum(each.duration for each in tries), 4),
    )


def _gravity(result: CheckResult) -> int:
    return _FAILURES.index(result.outcome)
