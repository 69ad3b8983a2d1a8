"""Does the load gate's early decision ever stop a run that would have passed, and how much does it save?

Run it from the checkout with ``python benchmarks/load_decision.py``; it prints tables, or JSON with ``--json``, and exits 1
where a bound is broken. Each simulated run goes to its horizon (as shipped, 60 s at 200 requests a second,
``success_rate >= 95%``), so that what it would have come to is known; the rule looks at the end of every window. Beside it
stands the peer: an abort as soon as the point estimate breaks the rule, which is what k6's ``abortOnFail`` does, with a delay
as long as ours.

The services: independent requests; and a two-state Markov chain from request to request (Gilbert's channel), stationary, that
fails all requests (or half of them) in its bad state, which lasts ``burst`` requests on average.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from harness.load.statistics.dependence import MIN_WINDOWS  # noqa: E402
from harness.load.statistics.sequential import RateDecision, RateRule, State, window_length  # noqa: E402
from harness.threshold import parse  # noqa: E402

PROBABILITIES = (0.0, 0.5, 0.80, 0.85, 0.90, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.999)
"""Success probabilities. The first two are outages: all of the service, half of it."""


@dataclass(frozen=True)
class Plan:
    """What is planned, and the rule. The bounds on savings and speed are for these values."""

    rate: int = 200
    duration: float = 60.0
    rule: str = "success_rate >= 95%"

    @property
    def planned(self) -> int:
        """Requests in all; a whole number for each window."""
        return int(self.rate * self.duration)


@dataclass(frozen=True)
class Service:
    """How failures come. `burst`: mean requests in the bad state; 0 for independent requests."""

    name: str
    burst: float = 0.0
    failing: float = 1.0
    """The share of requests that fail in the bad state."""
    bounded: bool = True
    """Is "no wrong abort" promised for it?"""


SERVICES = (
    Service("independent"),
    Service("bursts of 5", 5),
    Service("bursts of 20", 20),
    Service("bursts of 100", 100),
    Service("half bursts of 20", 20, 0.5),
    Service("bursts of 400", 400),
    Service("half bursts of 100", 100, 0.5, bounded=False),
)
SAVINGS = (("independent", 0.0, 0.90), ("independent", 0.80, 0.80), ("independent", 0.85, 0.80),
           ("independent", 0.90, 0.80), ("bursts of 5", 0.80, 0.70), ("bursts of 20", 0.80, 0.70),
           ("bursts of 100", 0.80, 0.70), ("half bursts of 20", 0.80, 0.70))  # fmt: skip
"""Service, success probability, the least mean share of the planned requests to be saved."""
FAST = ((0.50, 2.0), (0.80, 4.0))
"""Success probability of independent requests, and seconds of load within which every run must have failed."""


@dataclass(frozen=True)
class Run:
    """One simulated run. `stopped` and `peer`: requests sent before it was aborted, ``None`` where it was not."""

    passed: bool
    stopped: int | None
    peer: int | None


@dataclass
class Cell:
    """All runs of a service at a success probability."""

    service: str
    success: float
    bounded: bool
    runs: int = 0
    would_pass: int = 0
    stopped: int = 0
    wrong: int = 0
    saved: float = 0.0
    slowest: float = 0.0
    """Seconds of load after which the last run was aborted, the whole run where one was not."""
    peer_wrong: int = 0
    peer_saved: float = 0.0

    def add(self, run: Run, plan: Plan) -> None:
        """Count one more; the savings become means."""
        self.runs += 1
        self.would_pass += run.passed
        self.stopped += run.stopped is not None
        self.wrong += run.passed and run.stopped is not None
        self.peer_wrong += run.passed and run.peer is not None
        self.slowest = max(self.slowest, (run.stopped or plan.planned) / plan.rate)
        for name, sent in (("saved", run.stopped), ("peer_saved", run.peer)):
            share = 1 - (plan.planned if sent is None else sent) / plan.planned
            setattr(self, name, getattr(self, name) + (share - getattr(self, name)) / self.runs)


def outcomes(service: Service, success: float, planned: int, random: Random) -> Iterator[bool]:
    """The requests of a run in order; True for a failure."""
    failure = 1 - success
    if not service.burst or failure >= service.failing:
        for _ in range(planned):
            yield random.random() < failure
        return
    share = failure / service.failing
    leave, enter = 1 / service.burst, share / (1 - share) / service.burst
    bad = random.random() < share
    for _ in range(planned):
        yield bad and (service.failing == 1 or random.random() < service.failing)
        bad = random.random() >= leave if bad else random.random() < enter


def simulate(service: Service, success: float, plan: Plan, rule: RateRule, seed: str) -> Run:
    """One run to its horizon, with the moments at which the gate and the peer would have ended it."""
    planned = plan.planned
    windows = round(plan.duration / window_length(plan.duration, planned))
    run = outcomes(service, success, planned, Random(seed))
    decision = RateDecision(rule, planned)
    failures, stopped, peer = 0, None, None
    sent = 0
    for number in range(1, windows + 1):
        size = planned * number // windows - sent
        failures += sum(next(run) for _ in range(size))
        sent += size
        if stopped is None:
            decision.feed(sent, failures)
            if decision.look().state is State.FAIL and sent < planned:
                stopped = sent
        if peer is None and MIN_WINDOWS <= number < windows and failures > rule.most(sent):
            peer = sent
    return Run(failures <= rule.most(planned), stopped, peer)


def cell(service: Service, success: float, runs: int, seed: int, plan: Plan = Plan()) -> Cell:
    """All runs of one service at one success probability."""
    rule = RateRule.of(parse(plan.rule))
    assert rule is not None
    found = Cell(service.name, success, service.bounded)
    for number in range(runs):
        found.add(simulate(service, success, plan, rule, f"{seed}/{service.name}/{success}/{number}"), plan)
    return found


def broken(cells: list[Cell], plan: Plan = Plan()) -> list[str]:
    """Every bound that was not kept; under another plan the only one is that no run is stopped wrongly."""
    named = {(found.service, found.success): found for found in cells}
    problems = [
        f"{found.service} at {found.success}: {found.wrong} of {found.would_pass} runs aborted that would have passed"
        for found in cells
        if found.bounded and found.wrong
    ]
    if plan != Plan():
        return problems
    for service, success, least in SAVINGS:
        if (saved := named[service, success].saved) < least:
            problems.append(f"{service} at {success}: {saved:.1%} saved, less than {least:.0%}")
    for success, limit in FAST:
        if (slowest := named["independent", success].slowest) >= limit:
            problems.append(f"independent at {success}: failed after {slowest} s, not before {limit} s")
    return problems


def table(cells: list[Cell]) -> None:
    """As Markdown, one line a service and success probability."""
    print("| service | success | runs | would pass | stopped wrongly | saved | last one stopped after |"
          " point estimate: wrongly | saved |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for found in cells:
        last = f"{found.slowest:.2f} s" if found.stopped == found.runs else "–"
        print(
            f"| {found.service} | {found.success:.1%} | {found.runs} | {found.would_pass} | {found.wrong} "
            f"| {found.saved:.1%} | {last} | {found.peer_wrong} | {found.peer_saved:.1%} |"
        )
    totals: dict[bool, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for found in cells:
        for index, value in enumerate((found.runs, found.would_pass, found.wrong, found.peer_wrong)):
            totals[found.bounded][index] += value
    for bounded, (runs, passing, wrong, peer) in sorted(totals.items(), reverse=True):
        print(
            f"\n{'bounded' if bounded else 'beyond the bound'}: {runs} runs, {passing} would pass; wrongly stopped: "
            f"{wrong} by the gate, {peer} by the point estimate"
        )


def main() -> int:
    """Simulate, print, and fail where a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="of each service at each success probability")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rate", type=int, default=Plan.rate, help="requests a second")
    parser.add_argument("--duration", type=float, default=Plan.duration, help="seconds")
    parser.add_argument("--rule", default=Plan.rule, help="e.g. 'error_rate <= 1%%'")
    options = parser.parse_args()
    plan = Plan(options.rate, options.duration, options.rule)
    work = [(service, success) for service in SERVICES for success in PROBABILITIES]
    work = [(service, success) for service, success in work if success == 0 or success >= 1 - service.failing]
    work = [(service, success) for service, success in work if success or service.name == "independent"]
    with ProcessPoolExecutor(options.processes) as pool:
        parts = [pool.submit(cell, *item, options.runs, options.seed, plan) for item in work]
        cells = [part.result() for part in parts]
    problems = broken(cells, plan)
    if options.json:
        print(json.dumps({"cells": [asdict(found) for found in cells], "broken": problems}, indent=1))
    else:
        table(cells)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
