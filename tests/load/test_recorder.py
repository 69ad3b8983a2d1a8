import json
from dataclasses import asdict
from typing import Any

from harness import codec
from harness.load.generator.recorder import Answer, Recorder
from harness.load.result import Kind, LoadResult, contradictions
from harness.masking import register

MS = 1_000_000


def record(recorder: Recorder, *, at: int, took: int, lag: int = 0, answer: Answer | None = None) -> None:
    recorder.start(at * MS, (at + lag) * MS)
    recorder.finish(at * MS, (at + lag) * MS, (at + lag + took) * MS, answer or Answer(None, 200))


def test_intended_and_actual_start(make_plan: Any) -> None:
    recorder = Recorder(make_plan())
    recorder.open(0)
    record(recorder, at=0, took=10)
    record(recorder, at=20, took=10, lag=50)
    result = recorder.result(cpu=0.25)
    assert (result.latency.total, result.service_time.total) == (70 * MS, 20 * MS)
    assert (result.late, result.lag.most) == (1, 50 * MS)
    assert (result.sent, result.completed, result.succeeded, result.planned) == (2, 2, 2, 50)
    assert contradictions(result) == ()
    assert codec.load(LoadResult, json.loads(json.dumps(asdict(result)))) == result


def test_a_time_out_counts_with_its_value_and_other_failures_do_not(make_plan: Any) -> None:
    recorder = Recorder(make_plan(timeout=2.0))
    recorder.open(0)
    record(recorder, at=0, took=10)
    record(recorder, at=10, took=2100, answer=Answer(Kind.TIMEOUT, detail="late"))
    record(recorder, at=20, took=1, answer=Answer(Kind.REFUSED, detail="refused"))
    record(recorder, at=30, took=1, answer=Answer(Kind.STATUS, 503, "status 503"))
    result = recorder.result(cpu=0)
    assert (result.latency.count, result.latency.total) == (2, 2010 * MS)
    assert (result.sent, result.completed, result.timed_out, result.succeeded) == (4, 3, 1, 1)
    assert result.failures == {Kind.TIMEOUT: 1, Kind.REFUSED: 1, Kind.STATUS: 1}
    assert result.statuses == {"200": 1, "503": 1}
    assert contradictions(result) == ()


def test_five_slowest_and_first_failing(make_plan: Any) -> None:
    recorder = Recorder(make_plan())
    recorder.open(1000 * MS)
    for index, took in enumerate([5, 9, 1, 7, 3, 8, 2, 9]):
        record(recorder, at=1000 + index, took=took, answer=Answer(Kind.STATUS, 500, f"no {index}"))
    result = recorder.result(cpu=0)
    assert [seen.latency // MS for seen in result.slowest] == [9, 9, 8, 7, 5]
    assert [seen.detail for seen in result.first_failures] == [f"no {index}" for index in range(5)]
    assert result.slowest[0].at == 0.001


def test_a_last_request_behind_the_schedule_takes_longer(make_plan: Any) -> None:
    recorder = Recorder(make_plan(duration=1.0))
    recorder.open(0)
    record(recorder, at=980, took=10, lag=500)
    assert recorder.result(cpu=0).elapsed == 1480 * MS


def test_secrets_are_masked_in_what_is_shown(make_plan: Any) -> None:
    register("s3cretvalue")
    recorder = Recorder(make_plan())
    record(recorder, at=0, took=1, answer=Answer(Kind.STATUS, 500, "you sent s3cretvalue"))
    assert "s3cretvalue" not in json.dumps(asdict(recorder.result(cpu=0)))


def test_of_equally_slow_ones_the_first_are_kept(make_plan: Any) -> None:
    recorder = Recorder(make_plan())
    recorder.open(0)
    for index, took in enumerate([5, 5, 5, 5, 5, 5, 6]):
        record(recorder, at=index, took=took, answer=Answer(None, 200, detail=f"no {index}"))
    assert [seen.detail for seen in recorder.result(cpu=0).slowest] == [
        "no 6",
        "no 0",
        "no 1",
        "no 2",
        "no 3",
    ]


def test_a_retried_request_is_counted_once(make_plan: Any) -> None:
    recorder = Recorder(make_plan())
    recorder.open(0)
    record(recorder, at=0, took=1, answer=Answer(None, 200, retried=True))
    result = recorder.result(cpu=0)
    assert (result.sent, result.succeeded, result.retried) == (1, 1, 1)


def test_an_early_start_is_no_lag(make_plan: Any) -> None:
    recorder = Recorder(make_plan())
    recorder.open(0)
    record(recorder, at=10, took=7, lag=-3)
    result = recorder.result(cpu=0)
    assert (result.latency.total, result.service_time.total, result.late) == (7 * MS, 7 * MS, 0)
    assert contradictions(result) == ()
