"""The Markdown summary: what it states, and that foreign text cannot change it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.model import Cause, CheckResult, Outcome
from harness.report import markdown


def rendered(run: Any, folder: Path) -> str:
    return markdown.render(folder, *run).read_text()


def test_a_go(good: Any, tmp_path: Path) -> None:
    text = rendered(good, tmp_path)
    assert text.startswith("# GO · staging · pre-deploy\n\nThe release may go.\n")
    assert "| <code>integration</code> | **pass** | GO | 2 passed | 1 m 35 s of 15 m |" in text
    assert "| <code>coverage &gt;= 80%</code> | 82.31 % | 1,312 | holds |" in text
    assert "What stands in the way" not in text
    assert "- <code>gates.load.scenarios</code> = <code>\\[…\\]</code> (--set)" in text


def test_a_bad_run(bad: Any, tmp_path: Path) -> None:
    text = rendered(bad, tmp_path)
    for line in (
        "- **failed** <code>unit.unit.coverage</code> — coverage is 79.996 %, the rule is coverage &gt;= 80%",
        "  <br>→ run them by hand: python -m pytest tests/unit",
        "tests/unit/test_web.py:7 tests/unit/test_web.py::test_title failed KeyError: 'title' | <b>`x`</b>",
        "| <code>integration.sqs.redrive\\[orders.fifo\\]</code> | absent | allowed | the queue is not deployed yet |",
        "- <code>security.bandit.findings</code> — by W-7 (ana, until 2026-03-31 09:30 UTC: only build scripts): 1 finding of severity HIGH",
        "## Waivers to look at",
        "- waiver W-2 (ana, until 2026-03-01 09:30 UTC: it is known) does not hold → correct what it waived, and remove it",
        "- waiver W-3 (ana, until 2026-03-31 09:30 UTC: it is known) covered nothing in this run → remove it, or correct what it names",
        "- <code>security.safety.retried</code> — passed after 2 attempts; first failed: timed out",
        "| <code>load</code> | **blocked** by unit | NO_GO | 1 not run |  |",
        "<details><summary>Evidence: 2 files</summary>",
        "… 260 more lines",
    ):
        assert line in text.splitlines() or line in text, line
    assert "<code>sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08</code>" in text


@pytest.mark.parametrize(
    ("foreign", "harmless"),
    [
        ("a|b", "a\\|b"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("`code` *b* [l](u) ~s~ #1", "\\`code\\` \\*b\\* \\[l\\](u) \\~s\\~ \\#1"),
        ("@octocat &amp;", "&#64;octocat &amp;amp;"),
        ("_b_ success_rate", "\\_b\\_ success_rate"),
        ("two\nlines\\", "two lines\\\\"),
    ],
)
def test_foreign_text_is_text(foreign: str, harmless: str) -> None:
    assert markdown.text(foreign) == harmless


def test_a_fence_is_longer_than_any_inside() -> None:
    assert markdown.block(["a ```` b", "c"]) == ["`````text", "a ```` b", "c", "`````"]
    assert markdown.block(["a"])[0] == "```text"


def test_a_long_list_says_what_it_left_out(good: Any, of_record: Any, tmp_path: Path) -> None:
    failed = [CheckResult(f"unit.a.c{n}", "unit", Outcome.FAILED, reason=f"no {n}") for n in range(70)]
    skipped = [
        CheckResult(f"load.a.c{n}", "load", Outcome.SKIPPED, reason="no", cause=Cause.ABSENT)
        for n in range(230)
    ]
    skipped += [
        CheckResult(f"load.b.c{n}", "load", Outcome.SKIPPED, reason=f"no {n}", cause=Cause.ABSENT)
        for n in range(229)
    ]
    run = of_record(replace(good.record, results=(*good.record.results, *failed, *skipped)))
    text = rendered(run, tmp_path)
    assert "- … and 20 more, in the review page" in text
    assert " and 225 more | absent |" in text
    assert "… and 30 more" in text
    assert len(text.encode()) < 1_000_000


def test_a_partial_unfinished_run_on_a_stand_in(good: Any, tmp_path: Path) -> None:
    info = replace(
        good.info,
        finished=None,
        expires=None,
        partial=True,
        stand_in=True,
        attempt=2,
        started_by="",
        overrides={},
    )
    text = rendered(good._replace(info=info), tmp_path)
    assert "attempt 2" in text
    assert (
        "not finished · **partial: only some gates were asked to run** · an emulator stood in for AWS" in text
    )
    assert "Configuration set" not in text


def test_one_reason_of_many_checks_is_told_once(good: Any, of_record: Any, tmp_path: Path) -> None:
    why = "half deployed: SQS queue work does not exist"
    failed = [CheckResult(f"unit.a.c{n}", "unit", Outcome.FAILED, reason=why) for n in range(9)]
    run = of_record(replace(good.record, results=(*good.record.results, *failed)))
    text = rendered(run, tmp_path)
    told = text[text.index("What stands in the way") :].partition("## ")[0]
    assert told.count(why) == 1
    assert "The same reason, 8 further checks: <code>unit.a.c1</code>" in told
