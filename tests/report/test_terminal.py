"""The summary: what stands in it, and that it fits."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from approval_parts import ALICE, BOB
from harness.model import Cause, CheckResult, Decision, ExpectedCheck, Outcome, Phase
from harness.profile.schema import ApprovalConfig
from harness.report.terminal import summary
from records import waiver

FILES = {"verdict": Path("reports/staging/pre-deploy/verdict.intoto.json")}


def printed(run: Any, width: int = 100, files: Mapping[str, Path] = FILES, **more: Any) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    summary(console, run.info, run.record, run.decided, files, **more)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def row(text: str, start: str) -> str:
    return " ".join(
        next(line for line in text.splitlines() if line.lstrip(" ✓✗?!·–").startswith(start)).split()
    )


def test_a_go(good: Any) -> None:
    text = printed(good)
    assert " GO   staging, pre-deploy" in text
    assert row(text, "integration") == "✓ integration pass 1 m 35 s of 15 m 2 passed"
    assert row(text, "coverage") == "✓ coverage 82.31 % >= 80% 1,312 samples unit.unit.coverage"
    assert row(text, "avg_response_time") == "✓ avg_response_time 183.4 ms < 2s 3,000 samples load api-health"
    assert "What stands in the way" not in text
    assert "reports/staging/pre-deploy/verdict.intoto.json" in text
    # Its keys were set on the command line, so it is another policy than the consumer's.
    assert "GO (exit 0)  Keys of the profile were set for this run: `gonogo verify` refuses" in text
    plain = printed(good._replace(info=replace(good.info, overrides={})))
    assert "Deploy behind `gonogo verify --profile staging --image api@sha256:" in " ".join(plain.split())


def test_a_go_that_waits_for_people_says_so(good: Any, bad: Any) -> None:
    approval = ApprovalConfig(required=1, approvers=[ALICE.config, BOB.config], wait=300)
    deployable = good._replace(info=replace(good.info, overrides={}))
    text = " ".join(printed(deployable, approval=approval).split())
    assert (
        "This GO waits for 1 approval by alice, bob (`gonogo approve --profile staging --as NAME --sign-with KEY`) "
        "and for 5 m to pass. Deploy behind `gonogo verify --profile staging"
    ) in text
    text = " ".join(printed(deployable, approval=ApprovalConfig(wait=90)).split())
    assert "This GO waits for 1 m 30 s to pass. Deploy behind" in text
    assert "This GO waits" not in printed(bad, approval=approval)


def test_everything_of_a_bad_run_is_told(bad: Any) -> None:
    text = printed(bad)
    assert " ERROR   staging, pre-deploy" in text
    assert row(text, "coverage") == "✗ coverage 79.996 % >= 80% 1,312 samples unit.unit.coverage"
    assert row(text, "load") == "· load blocked by unit, 1 not run"
    for told in (
        "error integration.rds.login[rds-staging]",
        "→ allow secretsmanager:GetSecretValue to the role of the gate",
        "│ … 292 more lines",
        "│ tests/unit/test_api.py:12  tests/unit/test_api.py::test_health  assert 404 == 200",
        "not run integration.rds.encrypted[rds-staging]",
        "no_credentials (not allowed) integration.ecs.active[api-service-staging]",
        "absent (allowed) integration.sqs.redrive[orders.fifo]",
        "waived security.bandit.findings",
        "by W-7 (ana, until 2026-03-31 09:30 UTC: only build scripts): 1 finding of severity HIGH",
        "Waivers to look at",
        "waiver W-2 (ana, until 2026-03-01 09:30 UTC: it is known) does not hold",
        "is broad: it covers every",
        "passed security.safety.retried",
        "passed after 2 attempts; first failed: timed out",
        "gates.load.scenarios = […]  (--set)",
        "ERROR (exit 12)",
    ):
        assert told.replace("  (", " (") in text.replace("  (", " (") or told in text, told


@pytest.mark.parametrize("width", [60, 80, 120, 240])
def test_it_fits(bad: Any, good: Any, width: int) -> None:
    for run in (bad, good):
        lines = printed(run, width).splitlines()
        assert max(map(len, lines)) <= min(width, 110)
    assert "412 ms" in printed(good, width)
    assert "79.996 %" in printed(bad, width)


@pytest.mark.parametrize("width", [60, 110])
def test_endless_text_and_thousands_of_checks_stay_bounded(good: Any, of_record: Any, width: int) -> None:
    def check(number: int, outcome: Outcome) -> CheckResult:
        cause = Cause.UNREACHABLE if outcome is Outcome.SKIPPED else None
        name = f"unit.{outcome}.{'n' * 300}{number}"
        return CheckResult(
            name,
            "unit",
            outcome,
            reason=f"{number} " + "[bold]because[/] " * 400,
            cause=cause,
            diagnosis=("d" * 9999,) * 99,
        )

    results = [
        check(number, outcome) for outcome in (Outcome.FAILED, Outcome.SKIPPED) for number in range(500)
    ]
    coverage = next(result for result in good.record.results if result.thresholds)
    many = replace(coverage, thresholds=coverage.thresholds * 500)
    others = [result for result in good.record.results if result is not coverage]
    text = printed(of_record(replace(good.record, results=(*others, many, *results))), width)
    lines = text.splitlines()
    assert len(lines) < 1000
    assert max(map(len, lines)) <= width
    assert "… and 463 more, in the reports" in text
    assert "… and 485 more checks, in the reports" in text
    assert "… and 480 more causes, in the reports" in text
    assert "[bold]because[/]" in text


def test_skips_with_one_cause_are_one_entry(good: Any, of_record: Any) -> None:
    skipped = [
        CheckResult(
            f"integration.ecs.active[{number}]",
            "integration",
            Outcome.SKIPPED,
            reason="nothing answers",
            cause=Cause.UNREACHABLE,
        )
        for number in range(40)
    ]
    record = replace(good.record, results=(*good.record.results, *skipped))
    text = printed(of_record(record))
    assert "unreachable (allowed) integration, 40 checks" in text
    assert text.count("nothing answers") == 1
    mandatory = ExpectedCheck(skipped[0].id, "integration")
    text = printed(of_record(replace(record, checks=(*record.checks, mandatory))))
    assert "unreachable (not allowed) integration, 40 checks" in text
    assert text.count("nothing answers") == 1


def test_allowed_skips_of_many_reasons_are_one_entry_that_names_the_checks(good: Any, of_record: Any) -> None:
    skipped = [
        CheckResult(
            f"integration.quotas.room{number}[a]",
            "integration",
            Outcome.SKIPPED,
            reason=f"why {number}",
            cause=Cause.UNREACHABLE,
        )
        for number in range(9)
    ]
    record = replace(good.record, results=(*good.record.results, *skipped))
    text = " ".join(printed(of_record(record)).split())
    assert "unreachable (allowed) integration, 9 checks" in text
    assert "quotas.room0, quotas.room1" in text
    assert "not proven here, for 9 reasons that are in the reports" in text
    assert "why 3" not in text


def test_what_is_special_about_a_run(good: Any) -> None:
    info = replace(good.info, phase=Phase.POST_DEPLOY, attempt=3, partial=True, stand_in=True, overrides={})
    text = printed(good._replace(info=info), files={})
    assert "attempt 3" in text
    assert "Partial: only some gates were asked to run." in text
    assert "An emulator stood in for AWS." in text
    assert "gonogo verify --profile staging --phase post-deploy" in " ".join(text.split())
    assert "Files" not in text


def test_a_run_that_has_not_finished(good: Any) -> None:
    info = replace(good.info, finished=None, expires=None)
    decided = replace(good.decided, decision=Decision.PENDING)
    text = printed(good._replace(info=info, decided=decided))
    assert "valid until" not in text
    assert "PENDING (exit 13)" in text


def test_a_file_elsewhere_is_told_whole(good: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    text = printed(good, 110, {"near": here / "a.json", "far": tmp_path / "b.json"})
    assert row(text, "near") == "near a.json"
    assert str(tmp_path / "b.json") in text.replace("\n", "").replace("        ", "")


def test_a_path_is_never_cut_in_two(good: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "reports/staging/pre-deploy/runs/20261123T062641Z-920c7a/findings.sarif"
    files = {"verdict": tmp_path / "a.json", "sarif": tmp_path / name}
    assert row(printed(good, 110, files), "sarif") == f"sarif {name}"
    assert f"\n  {name}" in printed(good, 80, files)


def test_a_go_with_a_waiver_says_so_at_the_top(good: Any, of_record: Any) -> None:
    broken = replace(
        next(each for each in good.record.results if each.gate == "unit"),
        outcome=Outcome.FAILED, reason="known", waiver="W-1", measurements=(), thresholds=(),
    )  # fmt: skip
    known = waiver("W-1", broken.id, created=good.info.started, expires=good.info.started + timedelta(days=1))
    policy = replace(good.record.policy, waivers=(known,))
    results = tuple(broken if each.id == broken.id else each for each in good.record.results)
    record = replace(good.record, results=results, policy=policy, at=good.info.started)
    text = " ".join(printed(of_record(record)).split())
    assert "The release may go." in text
    assert f"1 failure waived: {broken.gate}." in text
    assert "1 failed (1 waived)" in text


def test_colour_means_something(good: Any, bad: Any) -> None:
    def coloured(run: Any) -> str:
        console = Console(
            file=StringIO(), width=100, force_terminal=True, color_system="standard", _environ={}
        )
        summary(console, run.info, run.record, run.decided, {})
        assert isinstance(console.file, StringIO)
        return console.file.getvalue()

    assert "\x1b[31m" not in coloured(good)
    assert "\x1b[31mfail" in coloured(bad)


def test_a_trial_promises_nothing(good: Any, bad: Any) -> None:
    for run, code in ((good, 0), (bad, 1)):
        console = Console(file=StringIO(), width=110, color_system=None)
        summary(console, run.info, run.record, run.decided, {}, trial=True)
        assert isinstance(console.file, StringIO)
        text = console.file.getvalue()
        assert (
            f"\n{run.decided.decision} (exit {code})  This was a trial of some gates: there is no verdict"
            in text
        )
        assert "The release may" not in text
        assert "valid until" not in text
        assert "gonogo verify" not in text
