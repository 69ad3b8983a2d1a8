"""Traffic that was never sent: what generators would have recorded of it, alone or together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from harness.load.generator.recorder import Answer, Recorder, Tally
from harness.load.generator.snapshot import Rhythm, Snapshot
from harness.load.plan import Plan, nanoseconds
from harness.load.result import Kind, LoadResult

MS = 1_000_000


@dataclass(frozen=True)
class Request:
    """One arrival: when it was due, how late it started, how long it took (nanoseconds), and how it failed."""

    due: int
    lag: int
    took: int
    kind: Kind | None

    @property
    def answer(self) -> Answer:
        status = {None: 200, Kind.STATUS: 503}.get(self.kind, 0)
        return Answer(self.kind, status, detail=str(self.kind))


def requests(plan: Plan) -> st.SearchStrategy[list[Request]]:
    """The whole run of a plan: each of its arrivals, with any latency, lag and end."""
    kinds = st.sampled_from([None, None, None, Kind.STATUS, Kind.TIMEOUT, Kind.REFUSED])
    one = st.tuples(st.integers(0, 30 * MS), st.integers(MS // 10, nanoseconds(plan.timeout)), kinds)
    assert plan.arrivals is not None
    count = plan.arrivals
    return st.lists(one, min_size=count, max_size=count).map(
        lambda rows: [Request(round(plan.schedule.due(index) * 1e9), *row) for index, row in enumerate(rows)]
    )


def recorded(plan: Plan, share: Sequence[Request], until: int | None = None) -> Recorder:
    """A generator's recorder at the time `until`, or at the end."""
    recorder = Recorder(plan)
    recorder.open(0)
    for request in share:
        started = request.due + request.lag
        ended = started + (nanoseconds(plan.timeout) if request.kind is Kind.TIMEOUT else request.took)
        if until is None or started <= until:
            recorder.start(request.due, started)
        if until is None or ended <= until:
            recorder.finish(request.due, started, ended, request.answer)
    return recorder


def shares(plan: Plan, traffic: Sequence[Request]) -> list[Sequence[Request]]:
    """What each of the plan's nodes sends of it."""
    return [traffic[node :: plan.nodes] for node in range(plan.nodes)]


def results(plan: Plan, traffic: Sequence[Request]) -> list[LoadResult]:
    """Each node's result."""
    return [
        recorded(plan, share).result(cpu=0.1 * (1 + node)) for node, share in enumerate(shares(plan, traffic))
    ]


def told(plan: Plan, traffic: Sequence[Request]) -> list[list[Snapshot]]:
    """What each node tells, in its order."""
    return [_told(plan, node, share) for node, share in enumerate(shares(plan, traffic))]


def _told(plan: Plan, node: int, share: Sequence[Request]) -> list[Snapshot]:
    rhythm = Rhythm.of(plan)
    ticks = rhythm.warm + round(plan.duration / rhythm.tick)
    snapshots = []
    for number in range(1, ticks + 1):
        recorder = recorded(plan, share, round((number - rhythm.warm) * rhythm.tick * 1e9))
        snapshots.append(
            Snapshot(node, number, recorder.tally(), recorder.late, 0.2, recorder.latency_buckets())
        )
    over = recorded(plan, share)
    result = replace(over.result(cpu=0.2), run=plan.run)
    last = Snapshot(
        node, ticks + 1, over.tally(), over.late, 0.2, over.latency_buckets(), due=len(share), result=result
    )
    return [*snapshots, last]


def tally(
    sent: int, failed: int = 0, *, open_: int = 0, timed_out: int = 0, dropped: int = 0, ours: int = 0
) -> Tally:
    """Counts; `failed` of them did not succeed, time-outs among them, and `open_` have no end yet."""
    ended = sent - open_
    return Tally(sent, ended - timed_out, timed_out, ended - failed, dropped, ours)
