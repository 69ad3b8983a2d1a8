"""What is read of a load run's progress while it is written, and what is made of it for people."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.load.generator.collector import Collector
from harness.load.plan import Plan
from harness.load.progress import Line, Progress, Waiting, watch
from harness.report.progress import Teller, told

DOUBT = "evidence against success_rate >= 95%"
EVIDENCE = {"rule": "success_rate >= 95%", "e": 0.0213, "enough": 1000.0}


def line(second: float, **values: Any) -> dict[str, Any]:
    sent = round(second * 200)
    given = {
        "second": second, "left": 60.0 - second, "warming_up": False, "planned": 12_000, "sent": sent,
        "completed": sent, "timed_out": 0, "succeeded": sent, "dropped": 0, "success": 1.0,
        "p95": 48_123_456, "evidence": [EVIDENCE],
    }  # fmt: skip
    return {**given, **values}


def written(run: Path, *lines: dict[str, Any] | str, scenario: str = "api-rate") -> Path:
    path = run / "load" / "scenarios" / scenario / "progress.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (each if isinstance(each, str) else json.dumps(each) + "\n" for each in lines)
    path.write_text("".join(rows))
    return path


def newest(run: Path, *lines: dict[str, Any] | str) -> Progress:
    written(run, *lines)
    found = watch(run).newest()
    assert found is not None
    return found


def newest_line(run: Path, *lines: dict[str, Any] | str) -> Line:
    found = newest(run, *lines).line
    assert isinstance(found, Line)
    return found


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    looking = watch(tmp_path)
    assert looking.newest() is None
    written(tmp_path)
    assert looking.newest() is None
    written(tmp_path, line(1.0))
    assert looking.newest() is not None


def test_lines_are_those_that_the_generator_writes(tmp_path: Path) -> None:
    plan = Plan("r", "api", "http://x/", "", "", 60.0, 1.0, 0.04, rate=200.0, rules=("success_rate >= 95%",))
    found = newest_line(tmp_path, dict(Collector(plan).progress(1.0)))
    assert (found.second, found.left, found.planned) == (1.0, 59.0, 12_000)
    assert [each.rule for each in found.evidence] == ["success_rate >= 95%"]


def test_a_half_written_line_is_left_for_later(tmp_path: Path) -> None:
    whole = json.dumps(line(2.0)) + "\n"
    for end in range(1, len(whole) - 1, 7):
        assert newest_line(tmp_path, line(1.0), whole[:end]).second == 1.0
    assert newest_line(tmp_path, line(1.0), whole).second == 2.0


@pytest.mark.parametrize(
    "broken", ["[]\n", "{}\n", "\x00\n", "nonsense\n", json.dumps({**line(3.0), "sent": "x"}) + "\n"]
)
def test_lines_of_another_form_are_passed_over(tmp_path: Path, broken: str) -> None:
    assert newest_line(tmp_path, line(1.0), line(2.0), broken).second == 2.0


def test_keys_that_come_later_do_not_matter(tmp_path: Path) -> None:
    assert newest_line(tmp_path, line(1.0, more=1)).sent == 200


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, *(line(float(second)) for second in range(1, 3600)))
    assert path.stat().st_size > 500_000
    data = path.read_bytes()
    path.write_bytes(b"\xff" * (len(data) - 20_000) + data[-20_000:])
    found = watch(tmp_path).newest()
    assert found is not None
    assert isinstance(found.line, Line)
    assert (found.line.second, found.rate) == (3599.0, 200.0)


def test_the_rate_is_that_of_the_last_seconds(tmp_path: Path) -> None:
    assert newest(tmp_path, line(1.0)).rate is None
    slow = [
        line(1.0, sent=10),
        line(2.0, sent=20),
        line(3.0, sent=30),
        line(4.0, sent=330),
        line(5.0, sent=630),
    ]
    assert newest(tmp_path, *slow[:2]).rate == 10.0
    assert newest(tmp_path, *slow).rate == pytest.approx(610 / 3)
    assert newest(tmp_path, line(1.0, warming_up=True, sent=0), line(2.0)).rate is None


def test_the_scenario_that_said_something_last(tmp_path: Path) -> None:
    first = written(tmp_path, line(60.0), scenario="first")
    second = written(tmp_path, line(1.0), scenario="second")
    os.utime(first, ns=(1, 1))
    looking = watch(tmp_path)
    assert getattr(looking.newest(), "scenario", "") == "second"
    os.utime(second, ns=(0, 0))
    assert getattr(looking.newest(), "scenario", "") == "first"
    assert getattr(looking.newest({"first"}), "scenario", "") == "second"
    assert looking.newest({"first", "second"}) is None


def progress(second: float, rate: float | None = 200.0, **values: Any) -> Progress:
    from harness.codec import load

    given = {key: value for key, value in line(second, **values).items() if key != "success"}
    return Progress("api-rate", load(Line, given), rate)


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (
            progress(19.0, sent=3800, completed=3799, succeeded=3776, timed_out=1),
            f"api-rate  3,800/12,000 · 200/s · success 99.368 % · p95 48.1 ms · 1 timed out · 41 s left · {DOUBT}: 0.021 of 1,000",
        ),
        (progress(0.5, None, warming_up=True, sent=0), "api-rate  warming up, nothing is counted yet · 1 m left"),
        (
            progress(60.0, 2.54, planned=None, evidence=[{**EVIDENCE, "e": 0.0}], dropped=3, p95=1_750_000_000),
            "api-rate  12,000 sent · 2.5/s · success 100 % · p95 1.75 s · 3 dropped · waiting for the last answers",
        ),
        (
            progress(1.0, None, sent=3, completed=0, succeeded=0, p95=None, evidence=[{**EVIDENCE, "e": 1e300}]),
            "api-rate  3/12,000 · 59 s left · success_rate >= 95% cannot be kept any more",
        ),
        (
            progress(1.0, None, evidence=[EVIDENCE, {"rule": "error_rate < 1%", "e": 412.3, "enough": 1000.0}]),
            "api-rate  200/12,000 · success 100 % · p95 48.1 ms · 59 s left · evidence against error_rate < 1%: 412 of 1,000",
        ),
    ],
)  # fmt: skip
def test_in_words(seen: Progress, text: str) -> None:
    assert told(seen) == text


def spoken(seconds: int, **values: Any) -> list[int]:
    teller = Teller()
    return [
        second
        for second in range(1, seconds + 1)
        if teller.line(progress(float(second), left=float(seconds - second), **values))
    ]


def test_lines_are_few() -> None:
    assert spoken(60) == [1, 11, 21, 31, 41, 51]
    assert len(spoken(3600)) == 20


def test_what_is_new_is_said_at_once_and_once() -> None:
    teller = Teller()
    assert teller.line(progress(1.0, warming_up=True))
    assert not teller.line(progress(2.0, warming_up=True))
    assert "200/s" in teller.line(progress(3.0))
    assert not teller.line(progress(4.0))
    assert "success 99.9 %" in teller.line(progress(5.0, succeeded=999))
    assert not teller.line(progress(6.0, succeeded=999))
    assert "7 dropped" in teller.line(progress(7.0, succeeded=999, dropped=7))
    doubt = {**EVIDENCE, "e": 100.0}
    assert "100 of 1,000" in teller.line(progress(8.0, succeeded=999, dropped=7, evidence=[doubt]))
    assert not teller.line(progress(9.0, succeeded=999, dropped=7, evidence=[doubt]))
    assert teller.line(Progress("another", progress(9.0).line, None))


def waiting(come: int, **values: Any) -> dict[str, Any]:
    given = {"waiting": 3.0, "come": come, "expected": 2, "start": "gonogo load-worker 10.0.0.5:5557"}
    return {**given, **values}


def test_the_command_that_starts_a_worker_is_told_while_workers_are_waited_for(tmp_path: Path) -> None:
    teller = Teller()
    text = "api-rate  waits for workers, 0 of 2 are ready · start each with: gonogo load-worker 10.0.0.5:5557"
    found = newest(tmp_path, waiting(0))
    assert (found.line, told(found)) == (Waiting(3.0, 0, 2, "gonogo load-worker 10.0.0.5:5557"), text)
    assert [teller.line(newest(tmp_path, waiting(come))) for come in (0, 0)] == [text, ""]
    assert "1 of 2 are ready" in teller.line(newest(tmp_path, waiting(1)))
    assert "200/12,000" in teller.line(newest(tmp_path, waiting(1), line(1.0)))
    assert newest(tmp_path, waiting(1), line(1.0), line(2.0)).rate == 200.0


def test_processes_of_this_machine_come_by_themselves(tmp_path: Path) -> None:
    found = newest(tmp_path, waiting(1, start=""))
    assert told(found) == "api-rate  its processes start, 1 of 2 are ready"
    assert not Teller().line(found)
