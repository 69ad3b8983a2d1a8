"""The results of several generators that shared one run, as one result. Standard library only.

Counts and sums are exact; percentiles of more than one part come from the buckets.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from harness.frozen import replace
from harness.load.latency import PERCENTILES, Latency
from harness.load.result import LoadResult, StepResult
from harness.load.windows import add_up, merge, percentile

_SHOWN = 5
K = TypeVar("K")


def merged(parts: Sequence[LoadResult]) -> LoadResult:
    """One result of all `parts`, which must be of the same plan.

    Raises:
        ValueError: there are none, or they are of different runs.
    """
    if len({(part.run, part.scenario, part.model, part.planned, part.duration) for part in parts}) != 1:
        raise ValueError("results of different runs cannot be merged")
    first = parts[0]
    if len(parts) == 1:
        return first
    return replace(
        first,
        complete=all(part.complete for part in parts),
        started=min(part.started for part in parts),
        sent=sum(part.sent for part in parts),
        completed=sum(part.completed for part in parts),
        timed_out=sum(part.timed_out for part in parts),
        succeeded=sum(part.succeeded for part in parts),
        dropped=sum(part.dropped for part in parts),
        late=sum(part.late for part in parts),
        retried=sum(part.retried for part in parts),
        warm_up=sum(part.warm_up for part in parts),
        elapsed=max(part.elapsed for part in parts),
        cpu=max(part.cpu for part in parts),
        latency=_latency([part.latency for part in parts]),
        service_time=_latency([part.service_time for part in parts]),
        lag=_latency([part.lag for part in parts]),
        failures=_counts(part.failures for part in parts),
        statuses=dict(sorted(_counts(part.statuses for part in parts).items())),
        slowest=tuple(
            sorted((seen for part in parts for seen in part.slowest), key=lambda seen: -seen.latency)[:_SHOWN]
        ),
        first_failures=tuple(
            sorted((seen for part in parts for seen in part.first_failures), key=lambda seen: seen.at)[
                :_SHOWN
            ]
        ),
        windows=merge([part.windows for part in parts]),
        steps=_steps(parts),
        nodes=sum(part.nodes for part in parts),
        due=None if first.due is None else sum(part.due or 0 for part in parts),
    )


def _latency(series: Sequence[Latency]) -> Latency:
    buckets = add_up(one.buckets for one in series)
    filled = [one for one in series if one.count]
    if len(filled) == 1:
        return filled[0]
    most = max((one.most for one in filled if one.most is not None), default=None)
    found = {name: percentile(buckets, int(name[1:])) for name in map("p{}".format, PERCENTILES)}
    return Latency(
        count=sum(one.count for one in series),
        total=sum(one.total for one in series),
        least=min((one.least for one in filled if one.least is not None), default=None),
        most=most,
        exact=False,
        percentiles={name: min(value, most) for name, value in found.items() if value is not None and most},
        buckets=buckets,
    )


def _counts(counts: Iterable[Mapping[K, int]]) -> dict[K, int]:
    total: Counter[K] = Counter()
    for part in counts:
        total.update(part)
    return dict(total)


def _steps(parts: Sequence[LoadResult]) -> dict[str, StepResult]:
    names = dict.fromkeys(name for part in parts for name in part.steps)
    found = {}
    for name in names:
        steps = [part.steps[name] for part in parts if name in part.steps]
        found[name] = StepResult(
            sum(step.sent for step in steps),
            sum(step.failed for step in steps),
            _latency([step.latency for step in steps]),
        )
    return found
