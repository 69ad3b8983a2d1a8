"""Bandit, really run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ToolError
from harness.model import Cause, Outcome
from harness.scanners.bandit import BanditScan, reaches, scan
from harness.scanners.interface import BrokenToolError, attempt
from scanner_parts import Project

WEAK = "import hashlib\nimport subprocess\n\nhashlib.md5(b'')\nsubprocess.Popen('ls', shell=True)\n"


def plan(app: Path, **changes: Any) -> BanditScan:
    return replace(BanditScan(app, ("src",), app.parent / "work", 60.0), **changes)


def test_findings_at_or_above_both_bars_fail_and_the_others_stay_on_record(project: Project) -> None:
    app = project(
        {
            "src/weak.py": WEAK,
            "src/hidden/__pycache__/left.py": WEAK,
            "src/.bandit": "[bandit]\nskips: B324\nexclude: /src\n",
            "bandit.py": "raise SystemExit('not the application')\n",
        }
    )
    found = scan(plan(app))
    assert found.outcome is Outcome.FAILED
    assert found.reason.endswith("first B324 at src/weak.py:4")
    rules = {finding.rule: finding.severity for finding in found.findings}
    assert rules["B324"] == "high"
    assert rules["B404"] == "low"
    counts = {m.metric: m.value for m in found.measurements}
    assert counts["weaknesses"] == 1
    assert counts["weaknesses_high"] == 1
    assert counts["files"] == 1
    assert found.facts["below_the_bars"] == str(len(found.findings) - 1)
    assert found.facts["left_out"] == "src/hidden/__pycache__"
    assert found.findings[0].rule == "B324"  # worst first


def test_nothing_above_the_bars_passes_and_nosec_is_counted(project: Project) -> None:
    app = project({"src/a.py": "import subprocess\nimport pickle  # nosec B403\n"})
    found = scan(plan(app))
    assert found.outcome is Outcome.PASSED
    assert [finding.rule for finding in found.findings] == ["B404"]
    assert found.facts["nosec"] == "1"


def test_a_file_that_cannot_be_parsed_is_an_error_that_names_it(project: Project) -> None:
    app = project({"src/good.py": "", "src/bad.py": "def broken(:\n"})
    found = attempt(scan, plan(app))
    assert found.outcome is Outcome.ERROR
    assert "1 of 2 files: src/bad.py (syntax error while parsing AST" in found.reason
    assert found.findings[0].path == "src/bad.py"


def test_no_file_is_inconclusive(project: Project) -> None:
    app = project({"src/readme.txt": ""})
    found = scan(plan(app))
    assert (found.outcome, found.cause) == (Outcome.INCONCLUSIVE, Cause.NOTHING_CHECKED)
    assert scan(plan(app, paths=())).cause is Cause.NOTHING_CHECKED


def test_fewer_files_than_the_floor_are_inconclusive(project: Project) -> None:
    app = project({"src/a.py": ""})
    assert scan(plan(app, min_files=2)).cause is Cause.NOTHING_CHECKED


def test_a_missing_path_is_an_error(project: Project) -> None:
    with pytest.raises(ToolError, match="src does not exist"):
        scan(plan(project({})))


STUB = """import pathlib, sys
out = [a.partition("=")[2] for a in sys.argv if a.startswith("--output=")][0]
report = {report!r}
if report is not None:
    pathlib.Path(out).write_text(report)
print("stub said so", file=sys.stderr)
sys.exit({code})
"""
EMPTY = '{"results": [], "errors": [], "metrics": {"_totals": {"nosec": 0}}}'


@pytest.mark.parametrize(
    ("report", "code", "said"),
    [
        (None, 0, "exit code 0 and left no whole report"),
        ("", 0, "left no whole report"),
        ('{"results": [', 1, "left no whole report"),
        ("{}", 0, "left no whole report"),
        (EMPTY, 2, "ended with exit code 2\n"),
        (EMPTY, 0, r"could not read 1 of 1 files: src/a.py \(not scanned\)"),
    ],
)
def test_a_bandit_that_broke_did_not_pass(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: Any, code: int, said: str
) -> None:
    """The one thing a real Bandit cannot be made to do."""
    stub = tmp_path / "modules/bandit"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text("")
    (stub / "__main__.py").write_text(STUB.format(report=report, code=code))
    monkeypatch.setenv("PYTHONPATH", str(stub.parent))
    with pytest.raises(BrokenToolError, match=said) as broke:
        scan(plan(project({"src/a.py": ""})))
    if code == 2:
        assert broke.value.diagnosis == ("stub said so",)


def test_an_exit_code_that_the_report_does_not_bear_out_is_an_error(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = project({"src/a.py": ""})
    report = EMPTY.replace('"metrics": {', f'"metrics": {{"{app / "src/a.py"}": {{}}, ')
    stub = tmp_path / "modules/bandit"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text("")
    (stub / "__main__.py").write_text(STUB.format(report=report, code=1))
    monkeypatch.setenv("PYTHONPATH", str(stub.parent))
    with pytest.raises(BrokenToolError, match="exit code 1, but its report lists 0 findings"):
        scan(plan(app))


@pytest.mark.parametrize(
    ("level", "bar", "over"),
    [
        ("low", "medium", False),
        ("medium", "medium", True),
        ("high", "medium", True),
        ("undefined", "high", True),
    ],
)
def test_a_level_that_is_not_known_counts_as_the_highest(level: str, bar: Any, over: bool) -> None:
    assert reaches(level, bar) is over
