"""Whether a load run can say anything about the service at all. Pure; comes before any threshold is judged.

An invalid run is inconclusive, never a pass: its figures speak of the generator.
"""

from fractions import Fraction

from harness.load.result import Kind, LoadResult
from harness.load.statistics.sequential import State

MIN_LAG_BOUND = Fraction(5, 1000)
"""Seconds of schedule lag that are always allowed. Measured at 40/s on two cores: p99 1.5 ms idle, 4.8 ms with eight busy
processes beside it."""
LAG_SHARE = Fraction(2, 100)
"""The share of the shortest latency limit that schedule lag may reach."""
MIN_RATE = Fraction(98, 100)
"""The share of the planned rate that must be achieved."""
MAX_CPU = 0.9
"""The share of its core above which the generator queues its own requests."""
HINT = (
    "nothing is known about the service: run on a machine with idle cores, share the load (processes = 2, or workers "
    'elsewhere: workers = "external"), or lower the scenario\'s rate or users'
)


def lag_bound(limit: Fraction | None) -> Fraction:
    """How late, in seconds, 99 % of the requests may start: max(5 ms, 2 % of the limit)."""
    return max(MIN_LAG_BOUND, LAG_SHARE * (limit or 0))


def invalid_reasons(result: LoadResult, *, limit: Fraction | None = None) -> tuple[str, ...]:
    """Why a run proves nothing; empty where it is valid. `limit` is the shortest latency limit, in seconds."""
    if not result.sent:
        return ("no request was sent",)
    reasons = []
    if lost := result.sent - result.completed - result.timed_out:
        reasons.append(
            f"{result.sent} requests were sent, {result.completed} completed and {result.timed_out} timed out: "
            f"{lost} were lost"
        )
    if ours := result.failures.get(Kind.GENERATOR, 0):
        said = next((seen.detail for seen in result.first_failures if seen.kind is Kind.GENERATOR), "")
        why = (
            said
            or "for want of open files, ports or memory on this machine, or of room that AWS may be asked in"
        )
        reasons.append(f"{ours} requests could not be sent by the generator: {why}")
    if result.planned is not None:
        reasons.extend(_off_schedule(result, result.planned, lag_bound(limit)))
    if result.cpu > MAX_CPU:
        reasons.append(f"the generator used {result.cpu:.0%} of its core, more than {MAX_CPU:.0%}")
    return tuple(reasons)


def _off_schedule(result: LoadResult, planned: int, bound: Fraction) -> list[str]:
    reasons = []
    # Planned and achieved rate have the planned duration in common; a run that took longer achieved less.
    # What ended early is held to the arrivals that had come due by then.
    due = planned if result.due is None else result.due
    lasted = Fraction(1) if result.ended_early else Fraction(result.duration, result.elapsed)
    achieved = Fraction(result.sent, due) * lasted if due else Fraction(0)
    if achieved < MIN_RATE:
        dropped = f", {result.dropped} found no free slot" if result.dropped else ""
        reasons.append(
            f"{float(achieved):.1%} of the planned rate was achieved, less than {float(MIN_RATE):.0%} "
            f"({result.sent} of {due} requests in {result.elapsed / 1e9:.2f} s{dropped})"
        )
    lag = result.lag.percentiles.get("p99", 0)
    # A rate that failed early has failed with every late request taken for a success (`harness.load.generator.collector`).
    failed_early = any(judged.early and judged.state == State.FAIL.value for judged in result.judged)
    if Fraction(lag, 1_000_000_000) > bound and not failed_early:
        reasons.append(
            f"the generator was behind its schedule: p99 of the lag is {lag / 1e6:.1f} ms, more than "
            f"{float(bound) * 1e3:.0f} ms ({result.late} requests started later; the generator used {result.cpu:.0%} of its core)"
        )
    return reasons
