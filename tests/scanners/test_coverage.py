"""Reports as coverage.py writes them, held against trees on disk. Real runs are in test_pytest_app."""

import json
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ToolError
from harness.model import Cause, Outcome
from harness.scanners.coverage import scan
from harness.scanners.interface import BrokenToolError
from scanner_parts import Project

Write = Callable[..., Path]


def entry(
    covered: int,
    total: int,
    *,
    missing: Iterable[int] = (),
    branches: tuple[int, int] = (0, 0),
    excluded: int = 0,
) -> dict[str, Any]:
    return {
        "missing_lines": list(missing),
        "summary": {
            "covered_lines": covered,
            "num_statements": total,
            "excluded_lines": excluded,
            "covered_branches": branches[0],
            "num_branches": branches[1],
        },
    }


@pytest.fixture
def report(tmp_path: Path) -> Write:
    path = tmp_path / "coverage.json"

    def write(files: Mapping[str, Any], *, branch: bool = False) -> Path:
        path.write_text(json.dumps({"meta": {"branch_coverage": branch}, "files": files}))
        return path

    return write


def test_the_percentage_is_exact_over_all_sources(project: Project, report: Write) -> None:
    app = project({"a/x.py": "", "b/deep/y.py": "", "c/z.py": ""})
    path = report(
        {
            "a/x.py": entry(2, 3, missing=[7], excluded=2),
            str(app / "b/deep/y.py"): entry(0, 4, missing=[1, 2, 3, 9]),
            "c/z.py": entry(9, 9),
        }
    )
    found = scan(path, app, ["a", "b", "b/deep"])
    measured = found.measured("coverage")
    assert measured is not None
    assert (measured.value, measured.sample) == (Fraction(2, 7), 7)
    assert found.facts["source_files"] == "2"
    assert found.facts["files_without_coverage"] == "1"
    assert found.facts["excluded_lines"] == "2"
    assert found.diagnosis[0].endswith("0 %, 4 of 4 not run (lines 1-3, 9)")
    assert found.diagnosis[1] == "a/x.py: 66.667 %, 1 of 3 not run (lines 7)"


def test_branches_are_added_where_measured(project: Project, report: Write) -> None:
    app = project({"a/x.py": ""})
    files = {"a/x.py": entry(2, 2, branches=(1, 2))}
    found = scan(report(files, branch=True), app, ["a"], branch=True).measured("coverage")
    assert found is not None
    assert found.value == Fraction(3, 4)
    with pytest.raises(BrokenToolError, match="without branches"):
        scan(report(files), app, ["a"], branch=True)


def test_a_file_that_the_report_does_not_know_is_named(project: Project, report: Write) -> None:
    app = project({f"a/n{n}.py": "" for n in range(7)})
    with pytest.raises(BrokenToolError, match=r"6 of 7 source files out: a/n1.py, .* …") as broke:
        scan(report({"a/n0.py": entry(1, 1)}), app, ["a"])
    assert [finding.path for finding in broke.value.findings] == [f"a/n{n}.py" for n in range(1, 7)]


def test_no_statement_is_not_100_percent(project: Project, report: Write) -> None:
    app = project({"a/__init__.py": "", "a/venv/pyvenv.cfg": "", "a/venv/bin/x": ""})
    found = scan(report({"a/__init__.py": entry(0, 0)}), app, ["a"])
    assert (found.outcome, found.cause) == (Outcome.INCONCLUSIVE, Cause.NOTHING_CHECKED)
    assert found.facts["left_out"] == "a/venv"


def test_no_line_run_at_all_hints_at_another_copy(project: Project, report: Write) -> None:
    app = project({"a/x.py": ""})
    found = scan(report({"a/x.py": entry(0, 5)}), app, ["a"])
    assert "another, installed copy" in found.diagnosis[0]


def test_a_missing_source_folder_is_named(project: Project, report: Write) -> None:
    app = project({"a.py": ""})
    with pytest.raises(ToolError, match=r"gates.unit.sources: a.py is no folder"):
        scan(report({}), app, ["a.py"])


@pytest.mark.parametrize(
    "text",
    ["", '{"files": {"a/x.py"', "[]", '{"meta": {}, "files": {"a/x.py": {}}}', '{"meta": {}, "files": []}'],
)
def test_a_report_that_is_not_whole_is_no_report(project: Project, tmp_path: Path, text: str) -> None:
    app = project({"a/x.py": ""})
    path = tmp_path / "coverage.json"
    path.write_text(text)
    with pytest.raises(BrokenToolError, match="empty, cut short or of an unknown form"):
        scan(path, app, ["a"])
    path.unlink()
    with pytest.raises(BrokenToolError, match="no coverage report was written"):
        scan(path, app, ["a"])


def test_more_covered_than_there_is_is_no_report(project: Project, report: Write) -> None:
    app = project({"a/x.py": ""})
    with pytest.raises(BrokenToolError):
        scan(report({"a/x.py": entry(3, 2)}), app, ["a"])


def test_long_lists_of_lines_are_cut(project: Project, report: Write) -> None:
    app = project({"a/x.py": ""})
    found = scan(report({"a/x.py": entry(1, 9, missing=range(1, 17, 2))}), app, ["a"])
    assert found.diagnosis[0].endswith("(lines 1, 3, 5, 7, 9, 11 …)")
