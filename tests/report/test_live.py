"""The live table and its plain lines, driven by a clock that the test turns."""

import json
import threading
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.model import (
    CheckResult,
    Decision,
    ExpectedGate,
    GateOutcome,
    GateRun,
    GateVerdict,
    Outcome,
    Reason,
    SessionEnd,
)
from harness.report.live import LiveView, plain_output

GATES = (
    ExpectedGate("unit", 0, budget=300.0),
    ExpectedGate("lint", 0),
    ExpectedGate("integration", 1, budget=900.0),
)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def terminal(width: int = 100, *, live: bool = True) -> Console:
    return Console(
        file=StringIO(),
        width=width,
        force_terminal=live,
        color_system=None,
        legacy_windows=False,
        _environ={},
    )


def text(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def drawn(view: LiveView, width: int) -> list[str]:
    console = terminal(width, live=False)
    console.print(view.render())
    return text(console).splitlines()


def failed(
    name: str = "unit.tests", reason: str = "2 tests failed", outcome: Outcome = Outcome.FAILED
) -> CheckResult:
    return CheckResult(f"unit.{name}", "unit", outcome, reason=reason)


@pytest.mark.parametrize(
    ("environ", "plain"),
    [
        ({}, False), ({"CI": "true"}, True), ({"CI": "1"}, True), ({"CI": "false"}, False), ({"CI": ""}, False),
        ({"NO_COLOR": "1"}, True), ({"NO_COLOR": ""}, False),
    ],
)  # fmt: skip
def test_plain_where_a_table_would_not_serve(environ: dict[str, str], plain: bool) -> None:
    assert plain_output(terminal(), environ) is plain
    assert plain_output(Console(file=StringIO()), environ) is True
    dumb = Console(file=StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert plain_output(dumb, environ) is True


def test_plain_lines_tell_starts_problems_and_ends() -> None:
    console, clock = terminal(live=False), Clock()
    with LiveView(console, GATES, title="staging, pre-deploy", clock=clock) as view:
        view.gate_started("unit")
        view.check(CheckResult("unit.a.b", "unit", Outcome.PASSED))
        clock.now += 3.25
        view.check(failed(reason="2 tests\nfailed [red]\x1b[31m"))
        clock.now += 70
        view.note("waiting for\nnothing")
        view.gate_finished(GateRun("unit", SessionEnd.COMPLETED, duration=72.0))
        view.gate_finished(GateRun("integration", SessionEnd.BLOCKED, root="unit"))
    assert text(console).splitlines() == [
        "    0.0 s  staging, pre-deploy",
        "    0.0 s  unit         started      budget 5 m",
        "    3.2 s  unit         failed       unit.tests: 2 tests failed [red]",
        " 1 m 13 s  waiting for nothing",
        " 1 m 13 s  unit         failed       1 passed, 1 failed, 1 m 12 s of 5 m",
        " 1 m 13 s  integration  blocked      because of unit",
    ]


def test_plain_lines_never_flood() -> None:
    console = terminal(live=False)
    with LiveView(console, GATES) as view:
        view.gate_started("unit")
        for number in range(1000):
            view.check(failed(f"m.c{number}", reason=f"{number} " + "x" * 5000))
    lines = text(console).splitlines()
    assert len(lines) < 30
    assert lines[-1].endswith("… further checks that did not pass are in the reports")
    assert max(map(len, lines)) < 400


def test_one_reason_of_many_checks_is_told_once() -> None:
    console = terminal(live=False)
    with LiveView(console, GATES) as view:
        view.gate_started("unit")
        for number in range(9):
            view.check(failed(f"m.c{number}", reason="the queue does not exist"))
    assert text(console).count("the queue does not exist") == 1


@pytest.mark.parametrize("width", [60, 80, 100, 112, 160])
def test_table_fits_and_shows_every_gate(width: int) -> None:
    clock = Clock()
    view = LiveView(terminal(width), GATES, title="staging, pre-deploy " + "long " * 40, clock=clock)
    view.gate_started("unit")
    view.check(failed("m.c" * 200, reason="why " * 300))
    for _ in range(3):
        view.check(failed("skipping", outcome=Outcome.ERROR))
    view._rows["unit"].counts[Outcome.PASSED] = 1_234_567_890
    view.gate_started("a-gate-nobody-announced-with-a-very-long-name")
    clock.now += 290
    lines = drawn(view, width)
    assert max(map(len, lines)) <= width
    body = "\n".join(lines)
    for name in ("unit", "lint", "integration", "a-gate-"):
        assert name in body
    assert "1 failed" in body
    assert "waiting" in body
    assert ("4 m 50 s / 5 m" in body) == (width >= 112)
    assert lines[1].startswith(" 0 ")
    assert lines[2].startswith("   ")
    assert lines[3].startswith(" 1 ")


def test_table_height_is_bounded() -> None:
    view = LiveView(terminal(60), GATES)
    view.gate_started("unit")
    for number in range(500):
        view.check(failed(f"m.c{number}", reason=f"why {number}"))
    assert len(drawn(view, 60)) == 1 + len(GATES) + 3 + 1


def test_a_table_leaves_only_what_was_noted_and_stays_after_an_error() -> None:
    console = terminal()
    with LiveView(console, GATES, title="t", plain=False) as view:
        view.gate_started("unit")
        view.note("the stand-in is up")
    assert "the stand-in is up" in text(console)
    assert text(console).rstrip("\n").endswith("\x1b[2K")
    console = terminal()
    with pytest.raises(KeyboardInterrupt), LiveView(console, GATES, title="t", plain=False):
        raise KeyboardInterrupt
    assert "integration" in text(console).rsplit("\x1b[2K", 1)[-1]


def test_many_threads_may_tell() -> None:
    view = LiveView(terminal(), GATES, plain=False)

    def tell() -> None:
        for number in range(200):
            view.check(failed(f"m.c{number}"))
            view.note("noted")

    with view:
        threads = [threading.Thread(target=tell) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert view._rows["unit"].counts[Outcome.FAILED] == 800


def verdict(outcome: GateOutcome, *reasons: str) -> GateVerdict:
    told = tuple(Reason("code", text, Decision.NO_GO) for text in reasons)
    return GateVerdict("unit", outcome, Decision.NO_GO, 0, {}, reasons=told)


@pytest.mark.parametrize(
    ("end", "outcomes", "told"),
    [
        (GateRun("unit", SessionEnd.COMPLETED), [Outcome.PASSED], "passed"),
        (GateRun("unit", SessionEnd.COMPLETED), [Outcome.PASSED, Outcome.SKIPPED], "passed"),
        (GateRun("unit", SessionEnd.COMPLETED), [Outcome.PASSED, Outcome.INCONCLUSIVE], "inconclusive"),
        (GateRun("unit", SessionEnd.COMPLETED), [Outcome.ERROR, Outcome.FAILED], "error"),
        (GateRun("unit", SessionEnd.COMPLETED), [], "no checks"),
        (GateRun("unit", SessionEnd.BUDGET, "ran 301 s"), [Outcome.PASSED], "budget: ran 301 s"),
        (GateRun("unit", SessionEnd.CRASHED), [Outcome.PASSED], "error"),
        (GateRun("unit", SessionEnd.NOT_STARTED, "not asked for"), [], "not run"),
        (GateRun("unit", SessionEnd.DEPENDENCY, root="integration"), [], "because of integration"),
        (verdict(GateOutcome.NOT_RUN, "the gate did not run"), [], "the gate did not run"),
        (verdict(GateOutcome.PASS), [Outcome.PASSED], "pass"),
    ],
)
def test_how_a_gate_ended(end: Any, outcomes: list[Outcome], told: str) -> None:
    console = terminal(160, live=False)
    view = LiveView(console, GATES)
    view.gate_started("unit")
    for outcome in outcomes:
        view._rows["unit"].counts[outcome] += 1
    view.gate_finished(end)
    assert told in text(console).splitlines()[-1]
    assert told.partition(":")[0] in "\n".join(drawn(view, 160)) or told == "pass"


def test_a_terminal_without_unicode() -> None:
    raw = BytesIO()
    console = Console(file=TextIOWrapper(raw, encoding="ascii"), width=120, force_terminal=True, _environ={})
    view = LiveView(console, GATES, plain=False, clock=Clock())
    view.gate_started("unit")
    view.check(failed(reason="naïve – ✗"))
    console.print(view.render())
    console.file.flush()
    assert b"*" in raw.getvalue()
    assert b"na?ve ? ?" in raw.getvalue()


LOADED = (*GATES, ExpectedGate("load", 2, budget=600.0))


def telling(folder: Path, scenario: str, **values: Any) -> None:
    line = {
        "second": 1.0, "left": 59.0, "warming_up": False, "planned": 12_000, "sent": 200, "completed": 190,
        "timed_out": 0, "succeeded": 190, "dropped": 0, "success": 1.0, "p95": 48_000_000,
        "evidence": [{"rule": "success_rate >= 95%", "e": 0.02, "enough": 1000.0}], **values,
    }  # fmt: skip
    path = folder / "load" / "scenarios" / scenario / "progress.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


@pytest.mark.parametrize("width", [60, 80, 112, 160])
def test_the_table_shows_how_far_a_load_run_is(tmp_path: Path, width: int) -> None:
    view = LiveView(terminal(width), LOADED, folder=tmp_path)
    telling(tmp_path, "api-rate")
    assert "api-rate" not in "\n".join(drawn(view, width))
    view.gate_started("load")
    lines = drawn(view, width)
    assert max(map(len, lines)) <= width
    assert lines[4].startswith(" 2 ")
    assert lines[5].startswith("      api-rate  200/12,000 · success 100 % · p95 48 ms")
    assert ("evidence against success_rate >= 95%: 0.02 of 1,000" in lines[5]) == (width == 160)
    view.check(CheckResult("load.a[api-rate]", "load", Outcome.PASSED, resource="api-rate"))
    assert "200/12,000" not in "\n".join(drawn(view, width))


def test_lines_tell_how_far_a_load_run_is(tmp_path: Path) -> None:
    console = terminal(live=False)
    with LiveView(console, LOADED, folder=tmp_path, clock=Clock()) as view:
        view.look()
        for second in range(1, 13):
            telling(tmp_path, "api-rate", second=float(second), sent=200 * second)
            view.look()
        view.check(CheckResult("load.a[api-rate]", "load", Outcome.PASSED, resource="api-rate"))
        telling(tmp_path, "api-rate", second=60.0)
        view.look()
    told = [line for line in text(console).splitlines() if "running" in line]
    rest = "· 59 s left · evidence against success_rate >= 95%: 0.02 of 1,000"
    assert [" ".join(line.partition("running")[2].split()) for line in told] == [
        f"api-rate 200/12,000 · success 100 % · p95 48 ms {rest}",
        f"api-rate 2,200/12,000 · 200/s · success 100 % · p95 48 ms {rest}",
    ]


def test_a_load_run_is_followed_from_its_start_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.report.live._LOOK", 0.01)
    others = set(threading.enumerate())
    said = threading.Event()
    console = terminal(live=False)
    before = console.print

    def hear(*what: Any, **how: Any) -> None:
        before(*what, **how)
        if "api-rate" in text(console):
            said.set()

    monkeypatch.setattr(console, "print", hear)
    with LiveView(console, LOADED, folder=tmp_path) as view:
        view.gate_started("load")
        telling(tmp_path, "api-rate")
        assert said.wait(20)
        view.gate_finished(GateRun("load", SessionEnd.COMPLETED, duration=72.0))
        assert not [
            thread for thread in set(threading.enumerate()) - others if thread.name == "load progress"
        ]
        telling(tmp_path, "another")
    assert "another" not in text(console)
    with LiveView(console, LOADED, folder=tmp_path) as view:
        view.gate_started("load")
    assert not [thread for thread in set(threading.enumerate()) - others if thread.name == "load progress"]
