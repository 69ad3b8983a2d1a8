"""The self-test: its table, its rows, and that it fails where a protection is gone."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

import harness.selftest
from harness.cli import main
from harness.errors import GonogoError, ToolError, UsageError
from harness.gates import tables
from harness.load.plan import VARIABLE, Plan
from harness.load.result import read
from harness.load.validity import invalid_reasons
from harness.model import Phase
from harness.profile import Profile
from harness.profile.loader import load_profile
from harness.selftest import (
    approval_faults,
    load_faults,
    run_faults,
    sample,
    store_faults,
    toml,
    tools,
    verdict_faults,
)
from harness.selftest.copies import finish
from harness.selftest.fault import GO, Came, Fault, Row
from harness.selftest.lab import Lab
from harness.selftest.runner import in_words, packed, run_all
from harness.selftest.table import CONTROL, FAULTS, HEALTHY, select
from harness.selftest.tools import MODE


@pytest.fixture(scope="module")
def local() -> Profile:
    return load_profile("local", tables(), folder=Path("profiles"), environ={})


@pytest.fixture(scope="module")
def shared(local: Profile, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """For faults of the verdict, which are put into copies of one run."""
    return Lab(local, tmp_path_factory.mktemp("shared"), environ=_coverage())


@pytest.fixture
def lab(local: Profile, tmp_path: Path) -> Lab:
    return Lab(local, tmp_path, environ=_coverage())


def _coverage() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}


def _unprotected(lab: Lab, patch: str) -> Lab:
    """Copies whose runs have one protection taken out."""
    folder = lab.base.with_name(f"{lab.base.name}-patch")
    folder.mkdir()
    (folder / "usercustomize.py").write_text("")
    (folder / "sitecustomize.py").write_text(
        textwrap.dedent(
            """
            import importlib.abc
            import importlib.machinery
            import sys

            class Patch(importlib.abc.MetaPathFinder):
                def find_spec(self, name, path, target=None):
                    if name != MODULE:
                        return None
                    sys.meta_path.remove(self)
                    spec = importlib.util.find_spec(name)
                    load = spec.loader.exec_module
                    def patched(module):
                        load(module)
                        exec(CODE, module.__dict__)
                    spec.loader.exec_module = patched
                    return spec

            import importlib.util
            """
        )
        + patch
        + "\nsys.meta_path.insert(0, Patch())\n"
    )
    return replace(lab, environ={**lab.environ, "PYTHONPATH": str(folder)})


# The table


def test_there_are_enough_faults_and_each_gate_has_some() -> None:
    faults = [fault for fault in FAULTS.values() if not fault.control]
    assert len(faults) >= 60
    assert {fault.gate for fault in faults if fault.arrange} == set(HEALTHY)
    assert len({fault.title for fault in faults}) > len(faults) * 0.8


def test_every_fault_is_injected_in_one_way_and_must_not_be_go() -> None:
    for fault in FAULTS.values():
        assert bool(fault.inject) != bool(fault.arrange and fault.gate), fault.name
        assert fault is CONTROL or GO not in fault.expect
        assert fault.expect


def test_no_two_faults_have_a_name() -> None:
    files = Path(harness.selftest.__file__).parent.glob("*_faults.py")
    parts = [import_module(f"harness.selftest.{file.stem}") for file in files]
    assert len(FAULTS) == 1 + sum(len(part.FAULTS) for part in parts)


def test_naming_one_brings_the_control() -> None:
    assert [fault.name for fault in select(["load-nan"])] == ["control", "load-nan"]
    assert select([]) == list(FAULTS.values())
    with pytest.raises(UsageError, match="no fault 'load-nann'") as error:
        select(["load-nann"])
    assert "did you mean 'load-nan'" in error.value.hint


def test_faults_of_one_gate_never_share_a_copy() -> None:
    jobs = packed(FAULTS.values())
    assert sorted(fault.name for job in jobs for fault in job) == sorted(FAULTS)
    for job in jobs:
        assert len({fault.gate for fault in job}) == len(job)
        assert len(job) == 1 or not any(fault.alone or fault.inject for fault in job)


# One row


ACCEPTED = Came(GO)


def _fault(*expect: str, said: str = "", came: Came | Exception = ACCEPTED) -> Fault:
    def inject(_: Lab) -> Came:
        if isinstance(came, Exception):
            raise came
        return came

    return Fault("f", "a fault", "somewhere", expect or ("ERROR",), said, inject=inject)


@pytest.mark.parametrize(
    ("fault", "came", "caught"),
    [
        (_fault("ERROR"), Came("error", "ERROR"), True),
        (_fault("ERROR"), Came(GO, "ERROR"), False),
        (_fault("ERROR"), Came("no_go", "NO_GO"), False),
        (_fault("ERROR", said="NaN"), Came("error", "ERROR", "it says NaN"), True),
        (_fault("ERROR", said="NaN"), Came("error", "ERROR", "another reason"), False),
        (_fault("policy"), Came("policy", "GO"), True),
        (_fault("policy"), Came("expired", "GO"), False),
        (_fault(GO), Came(GO, "GO"), True),
        (_fault(GO), Came("error", "ERROR"), False),
    ],
)
def test_caught_is_refused_for_the_right_reason(fault: Fault, came: Came, caught: bool) -> None:
    assert fault.caught(came) is caught
    assert in_words(fault, came)


def test_what_is_not_caught_says_what_was_missing() -> None:
    fault = _fault("ERROR", said="NaN")
    assert "nobody said 'NaN'" in in_words(fault, Came("error", "ERROR", "x\nit failed otherwise\n"))
    assert "it failed otherwise" in in_words(fault, Came("error", "ERROR", "x\nit failed otherwise\n"))
    assert in_words(fault, Came(GO, "GO")).startswith("GO, accepted by verify")


def test_a_run_that_breaks_is_told_by_the_end_of_its_traceback() -> None:
    told = "Traceback (most recent call last):\n  File x, line 1\nImportError: no module\n  → see there\n"
    assert "(ImportError: no module)" in in_words(_fault("ERROR"), Came("missing", told=told))
    assert "(→ odd)" in in_words(
        _fault("ERROR"), Came("missing", told="Traceback (most recent call last):\n → odd")
    )


@pytest.mark.parametrize("error", [GonogoError("no git", hint=""), OSError("no space"), ValueError("odd")])
def test_what_cannot_be_injected_is_not_caught(lab: Lab, error: Exception) -> None:
    (row,) = run_all(lab, [_fault(came=error)])
    assert not row.caught
    assert not row.skipped
    assert row.came.startswith("could not be injected: ")


def test_a_fault_that_does_not_concern_the_profile_is_told_and_not_counted(lab: Lab) -> None:
    told: list[Row] = []
    (row,) = run_all(lab, [replace(_fault(), needs=lambda _: "it has none")], tell=told.append)
    assert (row.skipped, row.caught) == ("it has none", False)
    assert told == [row]


def test_a_profile_without_load_has_no_faults_of_load() -> None:
    prod = load_profile("prod", tables(), folder=Path("profiles"), environ={})
    assert "runs no gate 'load'" in FAULTS["load-nan"].needs(prod)
    assert not FAULTS["advisories-old"].needs(prod)
    assert not FAULTS["aws-access-denied"].needs(prod)


def test_profiles_are_written_as_toml() -> None:
    import tomllib

    values: dict[str, Any] = {"a": {"b": ['x\n"y"', 1, 2.5, True]}, "c d": [{"e": {}}]}
    assert tomllib.loads(toml.dump(values)) == values
    with pytest.raises(TypeError, match="nothing that TOML has"):
        toml.dump({"a": None})


# For real


def test_faults_of_the_verdict_its_records_and_its_store_are_caught(shared: Lab) -> None:
    faults = (*verdict_faults.FAULTS, *approval_faults.FAULTS, *store_faults.FAULTS)
    rows = run_all(shared, faults)
    assert len(rows) >= 45
    assert {row.fault.name: row.came for row in rows if not row.caught} == {}


def _nothing(*_: object, **__: object) -> None:
    pass


@pytest.mark.parametrize(
    ("names", "protection", "without"),
    [
        (("approval-own",), "harness.verdict.approval.Starters.__contains__", lambda *_: False),
        (("override-own",), "harness.verdict.approval.overrode", lambda *_: False),
        (("approval-borrowed-name", "approval-replayed", "approval-stranger"), "harness.verdict.records.hold", _nothing),
        (("approval-early",), "harness.verdict.approval._hold_timer", _nothing),
        (("override-of-others",), "harness.verdict.override.digests", lambda _: {"source": {"gitCommit": "0" * 40}}),
        (("override-endless",), "harness.verdict.override.ends", lambda override, _: override.expires),
        (("store-put-back",), "harness.verdict.origin._Newest._hold_last", _nothing),
        (("store-superseded",), "harness.verdict.origin._Newest._require", _nothing),
        (("verdict-unsigned", "verdict-stranger"), "harness.verdict.verify._signatures", lambda *_: ("selftest",)),
    ],
)  # fmt: skip
def test_without_its_protection_a_verdict_that_was_tampered_with_is_not_caught(
    shared: Lab, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], protection: str, without: object
) -> None:
    shared.again()
    shared.again(approved=True)
    monkeypatch.setattr(protection, without)
    rows = run_all(shared, [FAULTS[name] for name in names])
    assert [row.fault.name for row in rows if row.caught] == []


@pytest.mark.slow  # `gonogo selftest` itself is part of CI
def test_one_fault_of_each_gate_is_caught_beside_the_others(lab: Lab) -> None:
    names = [
        "load-nan",
        "session-exits",
        "coverage-truncated",
        "ruff-silent",
        "bandit-silent",
        "aws-access-denied",
    ]
    rows = run_all(lab, [CONTROL, *(FAULTS[name] for name in names)])
    assert {row.fault.name: row.came for row in rows if not row.caught} == {}


@pytest.mark.slow  # `gonogo selftest` itself is part of CI
def test_faults_of_a_whole_run_are_caught(lab: Lab) -> None:
    rows = run_all(lab, [fault for fault in (*run_faults.FAULTS, *load_faults.FAULTS) if fault.inject])
    assert len(rows) >= 10
    assert {row.fault.name: row.came for row in rows if not row.caught} == {}


@pytest.mark.parametrize(
    "name", ["staging", *(pytest.param(name, marks=pytest.mark.slow) for name in ("local", "dev", "prod"))]
)
def test_every_fault_can_be_put_into_a_copy_of_every_profile(name: str, tmp_path: Path) -> None:
    profile = load_profile(name, tables(), folder=Path("profiles"), environ={})
    lab = Lab(profile, tmp_path)
    for fault in FAULTS.values():
        if fault.arrange is None or fault.needs(profile):
            continue
        copy = lab.copy(fault.gate)
        HEALTHY[fault.gate](copy)
        fault.arrange(copy)
        copy.write_profile()
        copy.close()
        assert copy.asked().phases[Phase.PRE_DEPLOY] == ((fault.gate,),), fault.name


def test_the_stand_ins_lie_as_they_are_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan("r", "api", "http://127.0.0.1:9/", str(tmp_path / "result.json"), "", 1.0, 1.0, 0.1, rate=20)
    monkeypatch.setenv(VARIABLE, plan.to_json())
    for mode in ("", "silent", "empty", "truncated", "nan", "other-run", "lost", "incomplete", "behind"):
        (tmp_path / "result.json").unlink(missing_ok=True)
        monkeypatch.setenv(MODE, f"bandit=silent locust={mode}")
        assert tools.locust([]) == 0
        assert (tmp_path / "result.json").exists() == (mode != "silent")
        if mode in ("", "empty", "lost", "behind"):
            found = read(tmp_path / "result.json", run="r")
            assert bool(invalid_reasons(found)) == bool(mode)
        elif mode != "silent":
            with pytest.raises(ToolError):
                read(tmp_path / "result.json", run="r")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("")
    (tmp_path / "pins").write_text("a==1\n")
    for mode in ("", "silent", "empty", "truncated"):
        monkeypatch.setenv(MODE, f"bandit={mode} safety={mode}")
        report = tmp_path / f"{mode}.json"
        assert tools.bandit([f"--output={report}", "--", str(tmp_path / "src")]) == 0
        assert tools.safety(["--file", str(tmp_path / "pins"), "--save-json", f"{report}.s"]) == 0
        assert report.exists() == (mode != "silent")
    assert tools.ruff([]) == 0


def test_a_run_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.selftest.copies._BUDGET", 0.2)
    child = subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.pause()"], stdout=subprocess.PIPE, text=True
    )
    with child, pytest.raises(GonogoError, match="did not end within"):
        finish(child)


def test_git_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="could not be committed"):
        sample.write_app(tmp_path / "app", tests=1, files=2, clean=True)
    assert (tmp_path / "app/shop/part_1.py").is_file()


def test_a_clean_tree_is_demanded_and_had(tmp_path: Path) -> None:
    prod = load_profile("prod", tables(), folder=Path("profiles"), environ={})
    names = ("advisories-old", "advisories-few", "promotion-no-go", "promotion-missing")
    rows = run_all(Lab(prod, tmp_path, environ=_coverage()), [FAULTS[name] for name in names])
    assert not [row.fault.name for row in rows if row.skipped]
    assert {row.fault.name: row.came for row in rows if not row.caught} == {}


UNPROTECTED = {
    "load-lost": ("harness.load.validity", "def invalid_reasons(result, *, limit=None):\n    return ()\n"),
    "bandit-empty": ("harness.scanners.bandit", "def _require_whole(*_):\n    pass\n"),
    "session-killed": (
        "harness.run.supervisor",
        "Supervisor._how_it_ended = lambda self, gate, code: (SessionEnd.COMPLETED, '')\n",
    ),
    "check-deselected": ("harness.gate_session", "GateSession._deselected = property(lambda s: [], lambda s, v: None)\n"),
    "aws-other-account": ("harness.aws.session", "Identity.__eq__ = None\ndef need(answer, field, *_):\n    return '000000000000' if field == 'Account' else answer[field]\n"),
}  # fmt: skip
"""Fault -> the module whose protection is taken out, and how."""


QUICK = ("load-lost", "bandit-empty", "aws-other-account")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in UNPROTECTED]
)
def test_without_its_protection_a_fault_is_reported_as_not_caught(lab: Lab, name: str) -> None:
    module, code = UNPROTECTED[name]
    broken = _unprotected(lab, f"MODULE = {module!r}\nCODE = {code!r}\n")
    (row,) = run_all(broken, [FAULTS[name]])
    assert not row.caught, row.came


@pytest.mark.parametrize(
    ("name", "guard", "stub"),
    [
        ("verdict-replayed", "_RULES", ()),
        ("verdict-gate-removed", "_RULES", ()),
        ("policy-loosened", "_RULES", ()),
        ("clock-ahead", "_RULES", ()),
        ("verdict-unsigned", "hold_signatures", lambda *_: ()),
        ("verdict-stranger", "hold_signatures", lambda *_: ()),
        ("evidence-changed", "hold_evidence", lambda *_, **__: 0),
        ("verdict-forged", "decide", lambda _: ANY),
    ],
)
def test_without_its_guard_the_verifier_is_reported(
    shared: Lab, monkeypatch: pytest.MonkeyPatch, name: str, guard: str, stub: Any
) -> None:
    shared.again()
    monkeypatch.setattr(f"harness.verdict.verify.{guard}", stub)
    (row,) = run_all(shared, [FAULTS[name]])
    assert not row.caught, row.came


def test_a_run_that_is_not_go_without_a_fault_proves_nothing(lab: Lab) -> None:
    broken = _unprotected(
        lab, "MODULE = 'harness.policy'\nCODE = 'def decide(record):\\n    raise OSError\\n'\n"
    )
    rows = run_all(broken, [FAULTS["verdict-flipped"]])
    assert not rows[0].caught
    assert "a run without a fault is not GO" in rows[0].came


# The command


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> dict[str, Fault]:
    """A table of two quick faults."""
    table = {
        "control": replace(_fault(GO), name="control"),
        "f": _fault("ERROR", came=Came("error", "ERROR")),
        "g": replace(_fault(), name="g", needs=lambda _: "of no concern"),
    }
    monkeypatch.setattr("harness.selftest.table.FAULTS", table)
    monkeypatch.setattr("harness.selftest.table.CONTROL", table["control"])
    return table


def _command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["selftest", *arguments])
    return int(left.value.code or 0)


def test_the_command_is_0_when_all_are_caught(
    few: dict[str, Fault], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _command("--profile", "local") == 0
    said = capsys.readouterr()
    assert "1 of 1 faults caught" in said.out
    assert "1 not tried" in said.out
    assert "of no concern" in said.out
    assert "[2/3]" in said.err or "[3/3]" in said.err


def test_the_command_is_12_when_one_is_not(few: dict[str, Fault], capsys: pytest.CaptureFixture[str]) -> None:
    few["f"] = _fault("ERROR", came=Came(GO, "GO", "all is well"))
    assert _command("--json") == 12
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["faults"], answer["caught"], answer["skipped"]) == (False, 1, 0, 1)
    assert _command() == 12
    assert "✗ f was not caught" in capsys.readouterr().out


def test_a_control_that_is_not_go_fails_all(
    few: dict[str, Fault], capsys: pytest.CaptureFixture[str]
) -> None:
    few["control"] = replace(_fault(GO, came=Came("error", "ERROR")), name="control")
    assert _command() == 12
    assert "control is not GO, so that no fault proves anything" in capsys.readouterr().out


def test_nothing_tried_is_never_a_pass(few: dict[str, Fault]) -> None:
    del few["f"]
    assert _command() == 12


def test_the_faults_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert _command("--list") == 0
    assert "load-nan" in capsys.readouterr().out
    assert _command("--list", "--json", "--fault", "load-nan") == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == ["control", "load-nan"]


def test_a_typo_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert _command("--fault", "load-nann") == 64
    assert "did you mean 'load-nan'" in capsys.readouterr().err


def test_what_is_not_installed_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert _command() == 64
    assert "pip install 'gonogo[gate]'" in capsys.readouterr().err


@pytest.mark.slow
def test_every_fault_is_caught(capsys: pytest.CaptureFixture[str]) -> None:
    assert _command("--profile", "local", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["caught"] == answer["faults"] >= 80
