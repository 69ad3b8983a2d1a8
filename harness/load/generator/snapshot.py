"""What a node tells while it runs: everything so far, numbered, so that nothing is added twice or lost unseen."""

from collections.abc import Mapping
from math import ceil

from harness.frozen import dataclass, field
from harness.load.generator.recorder import Tally
from harness.load.plan import Plan
from harness.load.result import LoadResult
from harness.load.statistics.sequential import window_length

_SHORTEST = 0.1
_LONGEST = 1.0
_CLOSED = 240


@dataclass(frozen=True)
class Snapshot:
    """The state of one node at its tick `number`, from 1; cumulative.

    `late` requests so far started later than the plan's bound, `cpu` is the share of a core used since the counted
    stretch began, `latency` the buckets so far. The last snapshot of a node carries its whole `result` and how many
    arrivals had come `due`; no other does.
    """

    node: int
    number: int
    tally: Tally
    late: int = 0
    cpu: float = 0.0
    latency: Mapping[str, int] = field(default_factory=dict)
    due: int | None = None
    result: LoadResult | None = None


@dataclass(frozen=True)
class Rhythm:
    """How often nodes tell (`tick`, in seconds), and how many ticks are one window of the decision.

    The counted stretch begins with tick `warm`; those before it say that the node is alive.
    """

    tick: float
    per_window: int
    warm: int = 0

    @classmethod
    def of(cls, plan: Plan) -> "Rhythm":
        """Windows as the decision wants them, but none shorter than 0.1 s; a tick is at most a second."""
        planned = plan.arrivals
        window = window_length(plan.duration, planned) if planned else plan.duration / _CLOSED
        window = max(window, _SHORTEST)
        parts = max(1, -int(-window // _LONGEST))
        tick = window / parts
        return cls(tick, parts, ceil(round(plan.warm_up / tick, 6)))

    def window(self, number: int) -> int:
        """Which window of the decision, from 1, ends with this tick; 0 where none does."""
        counted = number - self.warm
        return counted // self.per_window if counted > 0 and counted % self.per_window == 0 else 0
