"""Where the nodes' snapshots come together: what is refused, when the load ends, and what it came to."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ToolError
from harness.load.generator.collector import Collector
from harness.load.generator.recorder import Tally
from harness.load.generator.snapshot import Rhythm, Snapshot
from harness.load.plan import Plan
from harness.load.result import Kind, LoadResult
from harness.load.validity import invalid_reasons
from traffic_parts import MS, Request, recorded, requests, tally, told

PLAN = Plan(
    run="r1",
    scenario="api",
    url="http://127.0.0.1:9/",
    result="",
    progress="",
    duration=60.0,
    timeout=2.0,
    late_after=0.025,
    rate=200.0,
    nodes=2,
    rules=("success_rate >= 95%",),
)
SHORT = replace(PLAN, duration=1.0, rate=120.0, nodes=3)
PER_WINDOW = 50
"""Requests of all nodes in one window of `PLAN`."""


def play(plan: Plan, snapshots: list[Snapshot]) -> Collector:
    collector = Collector(plan)
    collector.begin(0.0)
    for snapshot in snapshots:
        collector.add(snapshot, 1.0)
    return collector


def windows(count: int, *, failing: float = 0.0, **values: Any) -> list[Snapshot]:
    """Both nodes' snapshots of so many windows, in which this share of the requests fails."""
    sent = PER_WINDOW // 2
    return [
        Snapshot(node, number, tally(sent * number, round(failing * sent * number)), **values)
        for number in range(1, count + 1)
        for node in (0, 1)
    ]


def ends_after(snapshots: list[Snapshot], plan: Plan = PLAN) -> int | None:
    """The window after which the load is ended, if any."""
    collector = Collector(plan)
    for index, snapshot in enumerate(snapshots):
        collector.add(snapshot, 0.0)
        if collector.ended_early:
            return index // plan.nodes + 1
    return None


# What is refused


def one(
    number: int, counts: Tally | None = None, node: int = 0, result: LoadResult | None = None
) -> Snapshot:
    return Snapshot(node, number, counts or tally(10 * number), result=result)


@pytest.mark.parametrize(
    ("snapshots", "said"),
    [
        ([one(1), one(3)], "worker 1 of 2 sent report 3 instead of 2"),
        ([one(2)], "worker 1 of 2 sent report 2 instead of 1"),
        ([one(1), one(1)], "worker 1 of 2 sent report 1 instead of 2"),
        ([one(1), one(2), one(1)], "worker 1 of 2 sent report 1 instead of 3"),
        ([one(1), one(1, node=1), one(3, node=1)], "worker 2 of 2 sent report 3 instead of 2"),
        ([one(1, node=2)], "worker 3 of 2 sent a report, but there is no such worker"),
        ([one(1, node=-1)], "worker 0 of 2 sent a report, but there is no such worker"),
        ([one(1), one(2, tally(9))], "counts that went down"),
        ([one(1, tally(10, 3)), one(2, tally(10, 2))], "counts that went down"),
        ([one(1, tally(10, dropped=2)), one(2, tally(20, dropped=1))], "counts that went down"),
        ([one(1, tally(10, 5, ours=2)), one(2, tally(20, 5, ours=1))], "counts that went down"),
        ([one(1, Tally(10, 11, 0, 10, 0, 0))], "counts that contradict each other"),
        ([one(1, Tally(10, 9, 0, 10, 0, 0))], "counts that contradict each other"),
        ([one(1, Tally(10, 9, 2, 9, 0, 0))], "counts that contradict each other"),
        ([one(1, Tally(10, 10, 0, 10, 0, 1))], "counts that contradict each other"),
        ([one(1, Tally(10, 9, 0, 9, -1, 0))], "counts that contradict each other"),
    ],
)
def test_what_cannot_be_counted(snapshots: list[Snapshot], said: str) -> None:
    with pytest.raises(ToolError, match=said):
        play(PLAN, snapshots)


def last(number: int = 1, **changes: Any) -> Snapshot:
    over = recorded(PLAN, [Request(0, 0, 5 * MS, None)])
    return Snapshot(0, number, over.tally(), result=replace(over.result(cpu=0.1), **changes))


@pytest.mark.parametrize(
    ("snapshots", "said"),
    [
        ([last(), last(2)], "report 2 after its last one"),
        ([last(), one(2)], "report 2 after its last one"),
        ([last(run="r2")], "the result of another run"),
        ([last(sent=2)], "a result that is not what it counted"),
        ([last(succeeded=0)], "a result that is not what it counted"),
    ],
)
def test_what_cannot_be_the_last(snapshots: list[Snapshot], said: str) -> None:
    with pytest.raises(ToolError, match=said):
        play(PLAN, snapshots)


def test_no_result_before_all_have_theirs() -> None:
    collector = play(PLAN, [last()])
    assert not collector.complete
    with pytest.raises(ToolError, match="1 of 2 workers left no result"):
        collector.result()


def test_results_of_different_plans_are_not_one() -> None:
    other = replace(last(planned=7), node=1)
    with pytest.raises(ToolError, match="do not belong together"):
        play(PLAN, [last(), other]).result()


# Who has gone


def test_silence() -> None:
    collector = Collector(PLAN)
    assert collector.silent(1000.0) == (), "nobody has been told to start"
    collector.begin(100.0)
    tick = Rhythm.of(PLAN).tick
    assert collector.silent(100.0 + PLAN.silence + tick) == ()
    assert collector.silent(100.1 + PLAN.silence + tick) == (0, 1)
    collector.add(one(1), 104.0)
    assert collector.silent(108.0) == (1,)
    assert collector.silent(111.0) == (0, 1)
    collector.add(replace(last(2), tally=one(2).tally, result=None), 112.0)
    collector.add(Snapshot(1, 1, last().tally, result=last().result), 112.0)
    assert collector.silent(120.0) == (0,), "who has handed in a result may be silent"


# The rhythm


@pytest.mark.parametrize(
    ("changes", "ticks", "warm"),
    [
        ({}, 240, 0),
        ({"warm_up": 10.0}, 240, 40),
        ({"warm_up": 10.1}, 240, 41),
        ({"duration": 600.0, "warm_up": 30.0}, 720, 36),
        ({"duration": 1.0}, 10, 0),
        ({"rate": None, "users": 5, "warm_up": 6.0}, 240, 24),
    ],
)
def test_rhythm(changes: dict[str, Any], ticks: int, warm: int) -> None:
    plan = replace(PLAN, **changes)
    rhythm = Rhythm.of(plan)
    assert rhythm.tick <= 1
    assert round(plan.duration / rhythm.tick) == ticks
    assert rhythm.warm == warm
    counted = [rhythm.window(number) for number in range(1, warm + ticks + 1)]
    assert counted[:warm] == [0] * warm, "no window ends before the counted stretch"
    assert [window for window in counted if window] == list(range(1, ticks // rhythm.per_window + 1))


def test_a_long_warm_up_is_told_of_and_not_judged() -> None:
    plan = replace(PLAN, warm_up=1.0)
    before = [Snapshot(node, number, tally(0)) for number in range(1, 5) for node in (0, 1)]
    after = [replace(snapshot, number=snapshot.number + 4) for snapshot in windows(30, failing=0.5)]
    assert ends_after(before + after, plan) == 4 + (ends_after(windows(30, failing=0.5)) or 0)


# When it ends


def test_a_window_counts_when_all_have_told_of_it() -> None:
    ahead = [snapshot for snapshot in windows(30, failing=1.0) if snapshot.node == 0]
    behind = [snapshot for snapshot in windows(30, failing=1.0) if snapshot.node == 1]
    collector = play(PLAN, ahead)
    assert not collector.ended_early
    together = ends_after(windows(30, failing=1.0))
    for index, snapshot in enumerate(behind, start=1):
        collector.add(snapshot, 1.0)
        assert collector.ended_early == (together is not None and index >= together)


@pytest.mark.parametrize(("failing", "most"), [(1.0, 13), (0.5, 7), (0.2, 14)])
def test_a_broken_service_is_soon_known(failing: float, most: int) -> None:
    """A window is a quarter of a second; an outage might end as suddenly as it came, until no run could absorb it."""
    after = ends_after(windows(240, failing=failing))
    assert after is not None
    assert 6 <= after <= most


@pytest.mark.parametrize("failing", [0.0, 0.04])
def test_a_good_service_is_not_ended(failing: float) -> None:
    assert ends_after(windows(239, failing=failing)) is None


def test_not_where_it_is_forbidden() -> None:
    assert ends_after(windows(239, failing=1.0), replace(PLAN, stop_early=False)) is None


def test_not_without_a_rule_on_a_rate() -> None:
    assert ends_after(windows(239, failing=1.0), replace(PLAN, rules=("p95 < 1s",))) is None


@pytest.mark.parametrize(
    "values",
    [{"cpu": 0.91}, {"late": 10**6}],
    ids=["busy", "late"],
)
def test_not_by_the_generators_own_trouble(values: dict[str, Any]) -> None:
    assert ends_after(windows(239, failing=0.9, **values)) is None


def with_counts(count: int, **values: int) -> list[Snapshot]:
    """Everything fails, in so many windows, and so much else is counted in each."""
    return [
        Snapshot(
            node,
            number,
            tally(25 * number, 25 * number, **{name: value * number for name, value in values.items()}),
        )
        for number in range(1, count + 1)
        for node in (0, 1)
    ]


def test_not_by_requests_that_could_not_be_sent() -> None:
    assert ends_after(with_counts(30)) is not None
    assert ends_after(with_counts(30, dropped=1)) is None
    assert ends_after(with_counts(30, ours=1)) is None


def test_a_hiccup_at_the_start_does_not_put_a_failure_off_for_long() -> None:
    """0.1 s of it at 200 a second: 15 requests start more than 25 ms late, and 1 % of what was sent is 1,500 away."""
    punctual, hiccup = windows(60, failing=0.5), windows(60, failing=0.5)
    after = ends_after([replace(snapshot, late=15) if snapshot.node else snapshot for snapshot in hiccup])
    assert after is not None
    assert after <= (ends_after(punctual) or 0) + 3


def ended_result(late: int, failing: float) -> LoadResult:
    """A run of `PLAN` that is ended early, with so many late requests."""
    traffic = [
        Request(
            index * 5 * MS,
            26 * MS if index < late else 0,
            5 * MS,
            Kind.STATUS if index % round(1 / failing) == 0 else None,
        )
        for index in range(PLAN.arrivals or 0)
    ]
    collector = Collector(PLAN)
    for number in range(1, 241):
        for node in (0, 1):
            share = traffic[node::2]
            recorder = recorded(PLAN, share[: 25 * number])
            collector.add(Snapshot(node, number, recorder.tally(), recorder.late), 0.0)
        if collector.ended_early:
            for node in (0, 1):
                over = recorded(PLAN, traffic[node::2][: 25 * number])
                over.cut(number * 250 * MS)
                collector.add(
                    Snapshot(node, number + 1, over.tally(), due=25 * number, result=over.result(cpu=0.1)),
                    0.0,
                )
            return collector.result()
    raise AssertionError("it did not end early")


@pytest.mark.parametrize("late", [0, 15])
def test_a_run_that_failed_early_is_valid(late: int) -> None:
    result = ended_result(late, 0.5)
    assert result.judged[0].early == "evidence"
    assert result.judged[0].state == "fail"
    assert result.ended_early
    assert result.late == late
    assert result.sent == result.due
    assert invalid_reasons(result) == ()
    if late:
        (reason,) = invalid_reasons(replace(result, judged=(), planned=result.sent, duration=result.elapsed))
        assert "behind its schedule" in reason, "at its end such a run would prove nothing"


def slow_successes(count: int, failing: int, delay: int) -> list[Snapshot]:
    """`failing` of 25 requests a window fail at once, the others succeed `delay` windows later."""
    found = []
    for number in range(1, count + 1):
        failed, succeeded = failing * number, (25 - failing) * max(0, number - delay)
        counts = Tally(25 * number, failed + succeeded, 0, succeeded, 0, 0)
        found += [Snapshot(node, number, counts) for node in (0, 1)]
    return found


def test_failing_fast_and_succeeding_slowly_is_not_failing() -> None:
    """What has ended is all failures for three seconds, of a service that keeps its rule: 4 % fail."""
    assert ends_after(slow_successes(239, failing=1, delay=12)) is None
    assert ends_after(slow_successes(239, failing=1, delay=40)) is None
    assert ends_after(slow_successes(239, failing=12, delay=12)) is not None


def test_time_outs_of_earlier_windows() -> None:
    """They come all at once, more than the requests of their window; they count when there are as many again."""
    plan = replace(PLAN, nodes=1, rate=None, users=50, rules=("success_rate == 100%",))
    snapshots = [
        Snapshot(0, number, Tally(sent, 0, timed_out, 0, 0, 0))
        for number, (sent, timed_out) in enumerate([(100, 0), (110, 0), (110, 90), (160, 110)], start=1)
    ]
    assert ends_after(snapshots, plan) == 4


# An early pass


def early_pass(**values: Any) -> int | None:
    return ends_after(windows(239, **values), replace(PLAN, early_pass=True))


def test_an_early_pass_is_asked_for() -> None:
    assert ends_after(windows(239)) is None
    after = early_pass()
    assert after is not None
    assert after < 100
    assert early_pass(late=1) is not None
    assert early_pass(late=10**6) is None, "the schedule was not kept"
    assert early_pass(cpu=0.95) is None


def test_no_early_pass_on_open_requests() -> None:
    """A tenth never answers, which is known only at the time-out; what has ended are successes."""
    hanging = [
        Snapshot(node, number, tally(25 * number, open_=(25 * number) // 10))
        for number in range(1, 200)
        for node in (0, 1)
    ]
    assert ends_after(hanging, replace(PLAN, early_pass=True)) is None


def test_all_rules_pass_early_or_none() -> None:
    rules = ("success_rate >= 95%", "error_rate < 5.01%", "success_rate == 100%")
    plan = replace(PLAN, early_pass=True, rules=rules[:2])
    assert ends_after(windows(239), plan) is not None
    assert ends_after(windows(239, failing=0.04), replace(plan, rules=rules)) is not None, (
        "the last one fails"
    )


# Whatever is heard first


@st.composite
def interleaved(draw: st.DrawFn, parts: list[list[Snapshot]]) -> list[Snapshot]:
    """Each node's snapshots in their order, the nodes' in any."""
    order = draw(st.permutations([node for node, part in enumerate(parts) for _ in part]))
    queues = [iter(part) for part in parts]
    return [next(queues[node]) for node in order]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from([0.5, 0.95]))
def test_any_interleaving_comes_to_the_same(data: st.DataObject, limit: float) -> None:
    plan = replace(SHORT, rules=(f"success_rate >= {limit:.0%}",))
    parts = told(plan, data.draw(requests(plan)))
    in_order = [snapshot for column in zip(*parts, strict=True) for snapshot in column]
    first = play(plan, in_order)
    second = play(plan, data.draw(interleaved(parts)))
    assert first.complete
    assert second.complete
    assert first.result() == second.result()
    assert first.ended_early == second.ended_early
    assert first.tally == second.tally


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_several_nodes_judge_as_one(data: st.DataObject) -> None:
    one_node, three_nodes = replace(SHORT, nodes=1), SHORT
    traffic = data.draw(requests(one_node))
    found = []
    for plan in (one_node, three_nodes):
        parts = told(plan, traffic)
        found.append(
            play(plan, [snapshot for column in zip(*parts, strict=True) for snapshot in column]).result()
        )
    assert found[0].judged == found[1].judged
    assert found[0].windows == found[1].windows
    assert found[0].due == found[1].due == 120
    for name, truth in found[0].latency.percentiles.items():
        assert truth <= found[1].latency.percentiles[name] <= truth * 1.005


# Progress


def test_progress() -> None:
    plan = replace(PLAN, warm_up=1.0)
    collector = play(plan, [Snapshot(0, 1, tally(40, 10, timed_out=4, open_=5), latency={"4000": 31})])
    line = collector.progress(0.5)
    assert line["warming_up"] is True
    assert (line["second"], line["left"], line["planned"]) == (0.5, 60.5, 12_000)
    assert (line["sent"], line["completed"], line["timed_out"], line["succeeded"]) == (40, 31, 4, 25)
    assert line["success"] == round(25 / 35, 6)
    assert line["p95"] == pytest.approx(1.004**4000, rel=0.001)
    assert line["evidence"] == [{"rule": "success_rate >= 95%", "e": 0.0, "enough": pytest.approx(1000)}]
    assert collector.progress(90.0)["left"] == 0
    assert collector.progress(90.0)["warming_up"] is False


def test_progress_before_anything_is_known() -> None:
    line = Collector(PLAN).progress(0.0)
    assert (line["sent"], line["success"], line["p95"]) == (0, None, None)


def test_evidence_is_a_number_json_has() -> None:
    found = play(PLAN, windows(60, failing=1.0)).progress(15.0)["evidence"]
    assert found[0]["e"] == 1e300
