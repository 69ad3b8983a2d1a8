"""Reads coverage.py's JSON report and holds it against the tree on disk.

A file that was never imported counts as not covered, also in a folder without ``__init__.py`` (coverage's
``include_namespace_packages``); a file that the report does not know is an error, because the percentage would
not speak of it. Zero statements are not 100 %.
"""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from harness.errors import ToolError
from harness.frozen import dataclass
from harness.model import Cause, Finding, Measurement, Outcome, Unit
from harness.scanners.interface import BrokenToolError, Report, Scan
from harness.scanners.tree import Tree, show, walk
from harness.threshold import show as show_number

_SHOWN = 10


@dataclass(frozen=True)
class FileCoverage:
    """One file: how many statements (and branches, where asked for) there are and how many were run."""

    path: str
    covered: int
    total: int
    excluded: int
    missing: tuple[int, ...]

    @property
    def uncovered(self) -> int:
        """Statements and branches that were not run."""
        return self.total - self.covered


def scan(report: Path, app: Path, sources: Sequence[str], *, branch: bool = False) -> Scan:
    """Coverage over all `sources` together, as the measurement ``coverage``; the bar is the caller's.

    Raises:
        ToolError: a source folder is missing.
        BrokenToolError: the report is missing, cut short, or leaves files out.
    """
    tree = _tree(app, sources)
    known = _files(report, app, branch=branch)
    reports = (Report(report, "application/json"),)
    if left_out := [path for path in tree.files if path.resolve() not in known]:
        names = [show(path, app) for path in left_out]
        raise BrokenToolError(
            f"coverage leaves {len(names)} of {len(tree.files)} source files out: {', '.join(names[:5])}"
            + (" …" if len(names) > 5 else ""),
            hint="the percentage would not speak of these files; remove what omits them, or name the sources apart",
            reports=reports,
            findings=[Finding("not-measured", "coverage does not know this file", "error", n) for n in names],
        )
    files = [known[path] for path in {path.resolve() for path in tree.files}]
    covered, total = sum(file.covered for file in files), sum(file.total for file in files)
    facts = {
        "coverage_of": ", ".join(sources),
        "source_files": str(len(files)),
        "files_without_coverage": str(sum(1 for file in files if file.total and not file.covered)),
        "excluded_lines": str(sum(file.excluded for file in files)),
        "counted": "lines and branches" if branch else "lines",
    }
    if tree.left_out:
        facts["left_out"] = ", ".join(show(path, app) for path in tree.left_out)
    if not total:
        return Scan(
            Outcome.INCONCLUSIVE,
            f"there is no statement to cover below {', '.join(sources)} ({len(files)} Python files)",
            "name the folders that hold the application's code in `gates.unit.sources`",
            Cause.NOTHING_CHECKED,
            facts=facts,
            reports=reports,
        )
    measured = (
        Measurement.of("coverage", Fraction(covered, total), Unit.RATIO, sample=total),
        Measurement.of("source_files", len(files), sample=len(files)),
    )
    return Scan(measurements=measured, facts=facts, diagnosis=_worst(files, covered), reports=reports)


def _tree(app: Path, sources: Sequence[str]) -> Tree:
    for source in sources:
        if not (app / source).is_dir():
            raise ToolError(
                f"gates.unit.sources: {source} is no folder in {app}",
                hint="correct it in the profile; source folders are relative to the application ([app] path)",
            )
    return walk([app / source for source in sources], suffix=".py")


def _files(report: Path, app: Path, *, branch: bool) -> Mapping[Path, FileCoverage]:
    hint = "see the application's test output: pytest-cov says there why it wrote no report (--no-cov, a syntax error)"
    try:
        data = json.loads(report.read_text())
        if branch and not data["meta"]["branch_coverage"]:
            raise BrokenToolError("coverage was measured without branches", hint=hint)
        return {(app / name).resolve(): _file(name, entry, branch) for name, entry in data["files"].items()}
    except FileNotFoundError as error:
        raise BrokenToolError(f"no coverage report was written ({report.name})", hint=hint) from error
    except (ValueError, OverflowError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise BrokenToolError(
            f"the coverage report {report.name} is empty, cut short or of an unknown form ({error!r})",
            hint=hint,
            reports=[Report(report, "application/json")],
        ) from error


def _file(name: str, entry: Mapping[str, Any], branch: bool) -> FileCoverage:
    summary = entry["summary"]
    covered, total = int(summary["covered_lines"]), int(summary["num_statements"])
    if branch:
        covered += int(summary["covered_branches"])
        total += int(summary["num_branches"])
    if not 0 <= covered <= total:
        msg = f"{name}: {covered} of {total} covered"
        raise TypeError(msg)
    return FileCoverage(name, covered, total, int(summary["excluded_lines"]), tuple(entry["missing_lines"]))


def _worst(files: Sequence[FileCoverage], covered: int) -> tuple[str, ...]:
    """The files with the most that was not run."""
    if not covered:
        return (
            "no line of the sources was run: the tests may import another, installed copy of the application",
        )
    worst = sorted((file for file in files if file.uncovered), key=lambda file: (-file.uncovered, file.path))
    return tuple(
        f"{file.path}: {show_number(Fraction(file.covered, file.total), Unit.RATIO)}, "
        f"{file.uncovered} of {file.total} not run{_lines(file.missing)}"
        for file in worst[:_SHOWN]
    )


def _lines(missing: Sequence[int]) -> str:
    """``3-9, 14``: line numbers as ranges, the first few."""
    ranges: list[list[int]] = []
    for line in sorted(missing):
        if ranges and line == ranges[-1][1] + 1:
            ranges[-1][1] = line
        else:
            ranges.append([line, line])
    told = [str(a) if a == b else f"{a}-{b}" for a, b in ranges[:6]]
    return f" (lines {', '.join(told)}{' …' if len(ranges) > 6 else ''})" if told else ""
