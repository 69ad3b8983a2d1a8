"""How a load run ended, in words for the record. Pure."""

from fractions import Fraction

from harness.load.result import Judged, LoadResult
from harness.load.statistics.sequential import Ground, State
from harness.model import Unit
from harness.threshold import show

ENDED = "ended"
"""The name of the fact that holds `ending`."""
_EARLY = {
    Ground.CURTAILMENT.value: "by curtailment: more failures than the whole run may have under {rules}",
    Ground.EVIDENCE.value: "on the evidence against {rules}",
    Ground.EARLY_PASS.value: "as an early pass, which assumes that the rest of the run would have been like this "
    "(stationarity)",
}


def ending(result: LoadResult) -> str:
    """At its horizon, or how early, on what ground, and what that saved.

    ``after 1.5 s of 60 s, on the evidence against success_rate >= 95%; 11,700 of 12,000 planned requests (97.5 %) were
    not sent``.
    """
    if not result.ended_early:
        return f"at its horizon, after {_seconds(result.elapsed)}"
    grounds: dict[str, list[str]] = {}
    for judged in result.judged:
        if judged.early:
            grounds.setdefault(judged.early, []).append(judged.rule)
    why = ", ".join(_EARLY[ground].format(rules=" and ".join(rules)) for ground, rules in grounds.items())
    return f"after {_seconds(result.elapsed)} of {_seconds(result.duration)}, {why}{_saved(result)}"


def decision(result: LoadResult, judged: Judged) -> str:
    """What a rate rule came to, as one would say it."""
    match judged.state, judged.early:
        case State.PASS.value, Ground.EARLY_PASS.value:
            return "passed early (assumes stationarity)"
        case State.PASS.value, _:
            # Nothing passes before its horizon unless that was asked for: another rule ended this run.
            return "not decided: ended before its horizon" if result.ended_early else "passed"
        case State.FAIL.value, early:
            return "failed early" if early else "failed"
        case _:
            return "inconclusive"


def _saved(result: LoadResult) -> str:
    if not result.planned or result.due is None:
        return ""
    left = result.planned - result.due
    share = show(Fraction(left, result.planned), Unit.RATIO)
    return f"; {left:,} of {result.planned:,} planned requests ({share}) were not sent"


def _seconds(nanoseconds: int) -> str:
    return f"{round(nanoseconds / 1e9, 1):g} s"
