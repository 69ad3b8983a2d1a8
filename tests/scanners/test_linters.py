"""Linters, really run: ruff, and small programs that behave like others."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ToolError
from harness.model import Cause, Outcome
from harness.scanners.interface import BrokenToolError
from harness.scanners.linters import LintRun, scan
from scanner_parts import Project

CHECK = ("{python}", "-P", "-m", "ruff", "check", "--output-format=json")
FORMAT = ("{python}", "-P", "-m", "ruff", "format", "--check")


def plan(app: Path, *command: str, **changes: Any) -> LintRun:
    return replace(LintRun("linter", command, (".",), app, app.parent / "work", 60.0), **changes)


def says(text: str = "", code: int = 0, *, err: str = "") -> tuple[str, ...]:
    program = f"import sys; sys.stdout.write({text!r}); sys.stderr.write({err!r}); sys.exit({code})"
    return (sys.executable, "-c", program)


def test_ruff_clean(project: Project) -> None:
    app = project({"a.py": "x = 1\n", "ruff.py": "raise SystemExit('not the application')\n"})
    for command in (CHECK, FORMAT):
        found = scan(plan(app, *command, paths=("a.py",)))
        assert found.outcome is Outcome.PASSED
        assert found.facts["command"].startswith("python -P -m ruff")
    assert sorted(path.name for path in app.iterdir()) == ["a.py", "ruff.py"]  # no cache in the application


def test_ruff_finds(project: Project) -> None:
    app = project({"src/a.py": "import os\nx = (1 )\n", "ruff.toml": "[lint]\nselect = ['F']\n"})
    found = scan(plan(app, *CHECK))
    assert found.outcome is Outcome.FAILED
    assert [(f.rule, f.path, f.line) for f in found.findings] == [("F401", "src/a.py", 1)]
    assert "linter found 1 problem, first: src/a.py:1 F401" in found.reason
    assert "python -P -m ruff check" in found.hint
    found = scan(plan(app, *FORMAT))
    assert [f.path for f in found.findings] == ["src/a.py"]
    assert "would be reformatted" in found.findings[0].message


@pytest.mark.parametrize(
    "files", [{}, {"a.txt": "", "ruff.toml": "exclude = ['*.py']\n", "b.py": "import os\n"}]
)
def test_no_file_read_is_inconclusive(project: Project, files: Mapping[str, str]) -> None:
    app = project(files)
    for command in (CHECK, FORMAT):
        found = scan(plan(app, *command))
        assert (found.outcome, found.cause) == (Outcome.INCONCLUSIVE, Cause.NOTHING_CHECKED)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ((*CHECK, "--no-such-option"), r"broke \(exit code 2\)"),
        (("{python}", "-m", "no_such_linter_here"), r"broke \(exit code 1\)"),
        (("{python}", "-c", "raise OSError"), r"broke \(exit code 1\)"),
        (says(code=1), "exit code 1, but its report lists nothing"),
        ((*says("[]", 1), "json"), "exit code 1, but its report lists nothing"),
        ((*says('[{"message"', 1), "json"), "empty or cut short"),
        ((*says("", 0), "json"), "empty or cut short"),
        (says(code=3), r"broke \(exit code 3\)"),
    ],
)
def test_a_linter_that_broke_did_not_pass(project: Project, command: tuple[str, ...], said: str) -> None:
    with pytest.raises(BrokenToolError, match=said) as broke:
        scan(plan(project({"a.py": "x = 1\n"}), *command))
    assert "run it by hand" in broke.value.hint


def test_a_missing_program_or_path_is_an_error(project: Project) -> None:
    app = project({"a.py": ""})
    with pytest.raises(ToolError, match="cannot start no-such-program"):
        scan(plan(app, "no-such-program"))
    with pytest.raises(ToolError, match="nowhere does not exist"):
        scan(plan(app, *CHECK, paths=("nowhere",)))


def test_findings_in_a_report_count_although_the_exit_code_is_0(project: Project) -> None:
    app = project({"a.py": "import os\n"})
    assert scan(plan(app, *CHECK, "--exit-zero")).outcome is Outcome.FAILED


def test_other_tools_lines_and_codes(project: Project) -> None:
    app = project({"a.py": ""})
    text = "a.py:3:5: E225 missing whitespace\nb.py:7 - weird\nFound 2 errors\n"
    found = scan(plan(app, *says(text, 30), findings_exit_codes=(30,)))
    assert [(f.path, f.line, f.message) for f in found.findings] == [
        ("a.py", 3, "E225 missing whitespace"),
        ("b.py", 7, "- weird"),
    ]
    found = scan(plan(app, *says("Would reformat: a.py", 1)))
    assert [(f.path, f.message) for f in found.findings] == [("a.py", "would be reformatted")]
    found = scan(plan(app, *says("", 1, err="not good\n")))
    assert [f.message for f in found.findings] == ["not good"]
    pylint = '[{"symbol": "bad-name", "message": "bad", "path": "a.py", "line": 4, "type": "convention"}]'
    found = scan(plan(app, *says(pylint, 1), "--output-format=json"))
    assert [(f.rule, f.path, f.line) for f in found.findings] == [("bad-name", "a.py", 4)]
    found = scan(plan(app, *says('{"files": 3}', 1), "json"))
    assert [f.message for f in found.findings] == ['{"files": 3}']
    assert scan(plan(app, *says("a.py:1: only a remark", 0))).outcome is Outcome.PASSED
