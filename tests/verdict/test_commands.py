"""verify, guard and explain as a deploy step uses them: a profile folder, a verdict file, an exit code."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main as gonogo
from harness.cli.asked import load, read_images, say
from harness.errors import UsageError
from harness.gates import plan
from harness.model import (
    Cause,
    CheckResult,
    Decision,
    GateRun,
    Outcome,
    Phase,
    Record,
    SessionEnd,
    Subject,
)
from harness.policy import decide
from harness.profile.digest import policy_digest, policy_document
from harness.run import ledger
from harness.verdict.info import RunInfo, image_check, policy_uri, resource_uri, rules
from harness.verdict.reading import encode
from harness.verdict.statement import build, placeholder
from harness.verdict.store import folder_of, publish, run_folder

DIGEST = "sha256:" + "a" * 64
COMMIT = "c" * 40
PROFILE = """
description = "Another team's staging"

[app]
images = { api = "api" }

[aws]
account = "123456789012"

[phases]
pre-deploy = [["unit"]]

[gates.unit]
sources = ["apps"]
"""
Answer = Callable[..., tuple[int, str, str]]


@dataclass
class Release:
    """A folder with a profile, in which runs are published."""

    root: Path

    def publish(self, *failing: str, cause: Cause | None = None, ended: bool = True) -> Path:
        """A run of this moment in which all checks passed but those named."""
        profile = load("mine", str(self.root / "profiles"))
        gates, checks = plan(profile, Phase.PRE_DEPLOY)
        now = datetime.now(UTC).replace(microsecond=0)
        info = RunInfo(
            run_id=f"r{len(list(self.root.rglob('ledger.jsonl')))}",
            profile="mine",
            phase=Phase.PRE_DEPLOY,
            resource_uri=resource_uri(profile),
            subjects=(Subject("source", {"gitCommit": COMMIT}), Subject("api", {"sha256": "a" * 64})),
            started=now - timedelta(minutes=1),
            policy_digest=policy_digest(policy_document(profile, gates, checks)),
            policy_uri=policy_uri(profile),
            version="0.1.0",
            images={"api": "v1"},
        )
        expected = (*checks, image_check("api"))
        record = Record(
            rules(profile),
            gates,
            expected,
            tuple(GateRun(gate.name, SessionEnd.COMPLETED) for gate in gates),
            tuple(_result(check.id, check.gate, check.id in failing, cause) for check in expected),
            at=info.started,
        )
        folder = folder_of(self.root / "reports", "mine", Phase.PRE_DEPLOY)
        publish(folder, encode(placeholder(info)), info.run_id, start=True)
        own = run_folder(folder, info.run_id)
        self._write_ledger(own / ledger.NAME, record, info.started)
        if ended:
            over = info.ended(now, profile.policy.max_age)
            publish(folder, encode(build(over, record, decide(record))), info.run_id)
        return own

    def _write_ledger(self, path: Path, record: Record, started: datetime) -> None:
        from harness.codec import dump

        ledger.append(
            path,
            "run",
            policy=dump(record.policy),
            gates=[dump(gate) for gate in record.gates],
            checks=[dump(check) for check in record.checks],
            partial=False,
            started=started.isoformat(),
        )
        for result in record.results:
            ledger.append(path, "check", result=dump(result))
        for run in record.runs:
            ledger.append(path, "gate", run=dump(run))


def _result(check: str, gate: str, failing: bool, cause: Cause | None) -> CheckResult:
    if not failing:
        return CheckResult(check, gate, Outcome.PASSED)
    outcome = Outcome.SKIPPED if cause else Outcome.FAILED
    return CheckResult(check, gate, outcome, reason="it is so", hint="look into it", cause=cause)


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "mine.toml").write_text(PROFILE)
    monkeypatch.chdir(tmp_path)
    return Release(tmp_path)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Answer:
    def answer(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            gonogo(list(arguments))
        out, err = capsys.readouterr()
        code = leaving.value.code
        assert isinstance(code, int)
        return code, out, err

    return answer


def verify(ask: Answer, *more: str, image: str = f"api@{DIGEST}") -> tuple[int, str, str]:
    return ask("verify", "--profile", "mine", "--image", image, *more)


def test_verify_accepts(release: Release, ask: Answer) -> None:
    release.publish()
    code, out, err = verify(ask)
    assert (code, err) == (0, "")
    assert out.startswith("GO: mine pre-deploy, run r0, until 20")
    assert f"  api {DIGEST}" in out


def test_verify_accepts_as_json(release: Release, ask: Answer) -> None:
    release.publish()
    code, out, _ = verify(ask, "--json", "--source", COMMIT)
    found = json.loads(out)
    assert (code, found["ok"], found["code"], found["exit_code"]) == (0, True, "go", 0)
    assert found["subjects"]["source"] == {"gitCommit": COMMIT}
    assert found["allowed"] == []
    assert len(found["sha256"]) == 64


def test_verify_tells_what_the_go_allows(release: Release, ask: Answer) -> None:
    (release.root / "profiles" / "mine.toml").write_text(PROFILE + '\n[policy.skips]\nabsent = "allow"\n')
    release.publish("unit.tests.all_pass", "unit.coverage.reaches_the_bar", cause=Cause.ABSENT)
    code, out, _ = verify(ask)
    assert code == 0
    assert "  allowed: unit all 2 checks skipped (absent)" in out


@pytest.mark.parametrize(
    ("failing", "cause", "exit_code", "refusal"),
    [
        ("unit.tests.all_pass", None, 10, "no_go"),
        ("unit.tests.all_pass", Cause.UNREACHABLE, 11, "inconclusive"),
    ],
)
def test_verify_refuses_what_is_not_go(
    release: Release, ask: Answer, failing: str, cause: Cause | None, exit_code: int, refusal: str
) -> None:
    release.publish(failing, cause=cause)
    code, out, err = verify(ask)
    assert (code, out) == (exit_code, "")
    assert err.startswith(f"REFUSED ({refusal}): the verdict is ")
    assert "→" in err
    code, out, err = verify(ask, "--json")
    found = json.loads(out)
    assert (code, err) == (exit_code, "")
    assert (found["ok"], found["code"], found["run_id"]) == (False, refusal, "r0")


def test_verify_refuses_a_run_that_is_not_over(release: Release, ask: Answer) -> None:
    release.publish()
    release.publish(ended=False)
    code, _, err = verify(ask)
    assert code == 13
    assert "run r1 has not finished" in err


def test_verify_refuses_a_missing_file_by_name(release: Release, ask: Answer) -> None:
    code, out, _ = verify(ask, "--json", "--verdict", "elsewhere.json")
    found = json.loads(out)
    assert code == 14
    assert (found["code"], found["decision"], found["reason"]) == (
        "missing",
        None,
        "elsewhere.json: there is no verdict",
    )


def test_verify_reads_the_file_named(release: Release, ask: Answer) -> None:
    own = release.publish()
    assert verify(ask, "--verdict", str(own / "verdict.intoto.json"), "--require-evidence")[0] == 0


def test_a_policy_loosened_in_the_profile_after_the_run_is_refused(release: Release, ask: Answer) -> None:
    release.publish()
    (release.root / "profiles" / "mine.toml").write_text(PROFILE + 'coverage = ">= 1%"\n')
    code, _, err = verify(ask)
    assert code == 14
    assert "REFUSED (policy)" in err


def test_the_environment_cannot_loosen_the_one_who_checks(
    release: Release, ask: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.publish()
    monkeypatch.setenv("GONOGO_GATES__UNIT__COVERAGE", ">= 1%")
    assert verify(ask)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--profile", "mine"], "nothing was asked for"),
        (["--profile", "mine", "--image", "api=v1.2.3"], "not by a name that can move"),
        (["--profile", "mine", "--image", f"@{DIGEST}"], "write --image NAME@sha256:"),
        (["--profile", "mine", "--image", "api@sha256:12"], "is not a digest"),
        (["--profile", "mine", "--source", COMMIT, "--phase", "later"], "not a phase"),
        (["--profile", "nowhere", "--source", COMMIT], "nowhere"),
    ],
)
def test_wrong_usage(release: Release, ask: Answer, arguments: list[str], says: str) -> None:
    code, out, err = ask("verify", *arguments)
    assert (code, out) == (64, "")
    assert says in err
    code, out, _ = ask("verify", *arguments, "--json")
    assert code == 64
    assert json.loads(out)["code"] == "usage"


def test_an_image_may_be_written_as_the_gate_takes_it_and_only_once() -> None:
    assert read_images([f"api={DIGEST}", f"api@{DIGEST}"]) == {"api": DIGEST}
    with pytest.raises(UsageError, match="given twice"):
        read_images([f"api@{DIGEST}", f"api@sha256:{'b' * 64}"])


def guard(
    release: Release, *command: str, image: str = f"api@{DIGEST}"
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", "guard", "-p", "mine", "--image", image, "--", *command],
        cwd=release.root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_guard_becomes_the_command_on_go_only(release: Release) -> None:
    """Its exit code and its output; and no shell reads its arguments."""
    release.publish()
    code = "import sys; print(sys.argv[1:]); sys.exit(7)"
    done = guard(release, sys.executable, "-c", code, "$HOME; echo", "--flag")
    assert done.returncode == 7
    assert done.stdout == "['$HOME; echo', '--flag']\n"
    assert done.stderr.startswith("GO: mine pre-deploy, run r0")


def test_guard_gives_ignored_signals_back(release: Release) -> None:
    release.publish()
    done = guard(release, "grep", "SigIgn", "/proc/self/status")
    ignored = int(done.stdout.split()[1], 16)
    assert not ignored & (1 << (13 - 1)), "SIGPIPE is still ignored"


def test_guard_starts_nothing_when_refused(release: Release) -> None:
    release.publish()
    done = guard(release, "touch", "deployed", image=f"api@sha256:{'b' * 64}")
    assert done.returncode == 14
    assert "REFUSED (subject)" in done.stderr
    assert not (release.root / "deployed").exists()


def test_guard_says_when_the_command_cannot_be_run(release: Release) -> None:
    release.publish()
    done = guard(release, "./no-such-program")
    assert done.returncode == 64
    assert "./no-such-program: cannot be run: No such file" in done.stderr


def test_guard_becomes_it_in_this_very_process(
    release: Release, ask: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same without leaving the test: what execvp is given, and that a refusal never gets there."""
    became: list[tuple[str, list[str]]] = []

    def become(program: str, arguments: list[str]) -> None:
        became.append((program, arguments))
        raise OSError(2, "No such file or directory")

    monkeypatch.setattr(os, "execvp", become)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert ask("guard", "-p", "mine", "--source", COMMIT, "--", "deploy", "it")[0] == 14
    release.publish()
    assert ask("guard", "-p", "mine", "--source", COMMIT, "--", "deploy", "it")[0] == 64
    assert became == [("deploy", ["deploy", "it"])]


def test_explain_a_go(release: Release, ask: Answer) -> None:
    release.publish()
    code, out, _ = ask("explain", "--profile", "mine")
    assert code == 0
    assert out.startswith("GO: mine pre-deploy, run r0, attempt 1")
    assert "started by unknown (unproven)" in out
    assert "Computed again from the ledger: the same." in out
    assert "What would change it" not in out


def test_explain_a_no_go_says_why_and_what_would_change_it(release: Release, ask: Answer) -> None:
    own = release.publish("unit.tests.all_pass")
    code, out, _ = ask("explain", "--run", str(own))
    assert code == 0
    assert "  NO_GO  unit.tests.all_pass (failed): it is so\n    → look into it" in out
    assert "What would change it\n  if unit passed: GO" in out
    code, out, _ = ask("explain", "--run", str(own), "--json")
    found = json.loads(out)
    assert found["would_change_it"] == [{"if_passed": ["unit"], "decision": "GO", "then_run": []}]
    assert found["recomputed"] == {"from": "ledger", "decision": "NO_GO", "agrees": True}


def test_explain_says_loudly_when_the_ledger_gives_something_else(release: Release, ask: Answer) -> None:
    own = release.publish()
    text = (own / ledger.NAME).read_text()
    changed = text.replace('"passed"', '"failed"', 1).replace('"reason": ""', '"reason": "x"', 1)
    assert changed != text
    (own / ledger.NAME).write_text(changed)
    code, out, _ = ask("explain", "--profile", "mine")
    assert code == 14
    assert "THE VERDICT DOES NOT FOLLOW: it says GO, the ledger gives NO_GO" in out


def test_explain_without_a_ledger_uses_the_verdicts_own_record(release: Release, ask: Answer) -> None:
    own = release.publish()
    (own / ledger.NAME).unlink()
    assert "Computed again from the verdict: the same." in ask("explain", "-p", "mine")[1]


def test_explain_a_run_that_is_not_over(release: Release, ask: Answer) -> None:
    release.publish("unit.tests.all_pass", ended=False)
    code, out, _ = ask("explain", "-p", "mine")
    assert code == 0
    assert out.startswith("PENDING: mine")
    assert "The run is not over, or it died; the ledger so far says NO_GO" in out


def test_explain_tells_overrides_and_wholes(release: Release, ask: Answer, case: Any) -> None:
    case.record = replace(case.record, partial=True)
    case.info = replace(case.info, partial=True)
    case.decided = decide(case.record)
    case.write()
    code, out, _ = ask("explain", "--run", str(case.folder))
    assert code == 0
    assert "  overridden: app.path = ../app (--set)" in out
    assert "INCONCLUSIVE  the run (partial)" in out
    found = json.loads(ask("explain", "--run", str(case.folder), "--json")[1])
    assert found["would_change_it"] == [
        {"if_passed": [], "decision": "GO", "then_run": [], "whole_run": True}
    ]


def test_explain_wants_one_thing_to_explain(release: Release, ask: Answer) -> None:
    assert ask("explain")[0] == 64
    assert ask("explain", "-p", "mine", "--run", ".")[0] == 64
    assert ask("explain", "-p", "mine")[0] == 14
    (release.root / "verdict.intoto.json").mkdir()
    code, _, err = ask("explain", "--run", str(release.root))
    assert code == 14
    assert "not a plain file" in err


def test_what_a_file_says_cannot_command_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\nb\x1b[2J")
    assert capsys.readouterr().out == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[2J\n"


def test_colour_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    reading, writing = pty.openpty()
    with os.fdopen(writing, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        say("GO", "green")
        terminal.flush()
        seen = os.read(reading, 200)
    os.close(reading)
    assert b"\x1b[32mGO" in seen


def test_decisions_have_a_colour_or_are_yellow() -> None:
    from harness.cli.explain import _COLOURS

    assert set(_COLOURS) <= {str(decision) for decision in Decision}
