"""Bandit: weaknesses in the source. A file it could not read is an error, although Bandit exits 0 then.

Inline ``# nosec`` marks hold and are counted; a ``.bandit`` file in the tree does not (it could switch tests off
unseen). Report format: https://bandit.readthedocs.io/en/latest/formatters/json.html.
"""

import json
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from harness import process
from harness.frozen import dataclass, replace
from harness.model import Cause, Finding, Measurement, Outcome
from harness.scanners.environment import tool_environment
from harness.scanners.interface import BrokenToolError, Report, Scan, counted, exited
from harness.scanners.tree import Tree, show, walk

Level = Literal["low", "medium", "high"]
_LEVELS = ("low", "medium", "high")
_HINT = "run `python -m bandit -r` on these files by hand"


@dataclass(frozen=True)
class BanditScan:
    """What to scan: `paths` relative to `app`; findings at or above both bars fail; `budget` is in seconds."""

    app: Path
    paths: tuple[str, ...]
    work: Path
    budget: float
    severity: Level = "medium"
    confidence: Level = "medium"
    min_files: int = 1


@dataclass(frozen=True)
class _Weakness:
    finding: Finding
    severity: str
    confidence: str


def scan(what: BanditScan) -> Scan:
    """Scan every Python file below the paths.

    Raises:
        ToolError: a path or Bandit itself is missing.
        BrokenToolError: Bandit broke, could not read a file, left files out, or its report and exit code disagree.
    """
    tree = walk([(what.app / path).resolve() for path in what.paths], suffix=".py")
    if len(tree.files) < what.min_files:
        return Scan(
            Outcome.INCONCLUSIVE,
            f"{len(tree.files)} Python files below {', '.join(what.paths) or 'no path'}, "
            f"the profile wants at least {what.min_files}",
            "name the application's code in `gates.security.bandit.paths` or `gates.unit.sources`",
            Cause.NOTHING_CHECKED,
        )
    job, report = _run(what, tree)
    reports = (Report(report, "application/json"), Report(job.stderr))
    data = _read(report, job, reports)
    _require_whole(data, tree, what.app, reports)
    weaknesses = [_weakness(entry, what.app) for entry in data["results"]]
    if bool(weaknesses) != (job.exit_code == 1):
        raise BrokenToolError(
            f"Bandit ended with exit code {job.exit_code}, but its report lists {len(weaknesses)} findings",
            hint=_HINT,
            diagnosis=job.tail(),
            reports=reports,
        )
    return _judge(weaknesses, data["metrics"]["_totals"], what, tree, reports)


def _run(what: BanditScan, tree: Tree) -> tuple[process.Finished, Path]:
    out = what.work / "bandit"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    ini, report = out / "bandit.ini", out / "bandit.json"
    ini.write_text("[bandit]\n")
    job = process.run(
        [
            *(sys.executable, "-P", "-m", "bandit", "--recursive", "--format=json", f"--output={report}"),
            *(f"--ini={ini}", f"--exclude={','.join(map(str, tree.left_out)) or out}", "--"),
            *(str((what.app / path).resolve()) for path in what.paths),
        ],
        cwd=out,
        output=out,
        name="bandit",
        budget=what.budget,
        env=tool_environment(),
    )
    exited(job, "Bandit", what.budget)
    return job, report


def _read(report: Path, job: process.Finished, reports: Sequence[Report]) -> Mapping[str, Any]:
    try:
        if job.exit_code not in (0, 1):
            raise BrokenToolError(
                f"Bandit ended with exit code {job.exit_code}",
                hint="is it installed for the gate's interpreter? `pip install 'gonogo[gate]'`",
                diagnosis=job.tail(),
                reports=reports,
            )
        data: Mapping[str, Any] = json.loads(report.read_text())
        _ = data["results"], data["errors"], data["metrics"]["_totals"]
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise BrokenToolError(
            f"Bandit ended with exit code {job.exit_code} and left no whole report ({error!r})",
            hint="is it installed for the gate's interpreter? `pip install 'gonogo[gate]'`",
            diagnosis=job.tail(),
            reports=reports,
        ) from error
    return data


def _require_whole(data: Mapping[str, Any], tree: Tree, app: Path, reports: Sequence[Report]) -> None:
    """Every file on disk was read."""
    unread = {Path(entry["filename"]): entry["reason"] for entry in data["errors"]}
    scanned = {Path(name).resolve() for name in data["metrics"] if name != "_totals"}
    for path in tree.files:
        if path.resolve() not in scanned:
            unread.setdefault(path, "not scanned")
    if unread:
        names = [f"{show(path, app)} ({why})" for path, why in sorted(unread.items())]
        raise BrokenToolError(
            f"Bandit could not read {len(names)} of {len(tree.files)} files: {'; '.join(names[:5])}"
            + (" …" if len(names) > 5 else ""),
            hint="make these files valid Python for the gate's interpreter, or move what is no source out of the paths",
            findings=[
                Finding("not-scanned", why, "error", show(path, app)) for path, why in sorted(unread.items())
            ],
            reports=reports,
        )


def _weakness(entry: Mapping[str, Any], app: Path) -> _Weakness:
    severity, confidence = str(entry["issue_severity"]).lower(), str(entry["issue_confidence"]).lower()
    message = f"{entry['issue_text']} (confidence {confidence})"
    path = show(Path(entry["filename"]), app)
    return _Weakness(
        Finding(str(entry["test_id"]), message, severity, path, int(entry["line_number"])),
        severity,
        confidence,
    )


def reaches(level: str, bar: Level) -> bool:
    """Whether a level is at or above a bar; a level that is not known counts as the highest."""
    return level not in _LEVELS or _LEVELS.index(level) >= _LEVELS.index(bar)


def _judge(
    weaknesses: Sequence[_Weakness],
    totals: Mapping[str, Any],
    what: BanditScan,
    tree: Tree,
    reports: tuple[Report, ...],
) -> Scan:
    over = [
        w for w in weaknesses if reaches(w.severity, what.severity) and reaches(w.confidence, what.confidence)
    ]
    below = [w for w in weaknesses if w not in over]
    counts = Counter(w.severity for w in weaknesses)
    facts = {
        "tool": f"bandit {metadata.version('bandit')}",
        "bars": f"severity {what.severity}, confidence {what.confidence}",
        "nosec": str(totals["nosec"] + totals.get("skipped_tests", 0)),
        "below_the_bars": str(len(below)),
    }
    if tree.left_out:
        facts["left_out"] = ", ".join(show(path, what.app) for path in tree.left_out)
    files = len(tree.files)
    measurements = (
        Measurement.of("files", files, sample=files),
        Measurement.of("weaknesses", len(over), sample=files),
        *(Measurement.of(f"weaknesses_{level}", counts[level], sample=files) for level in _LEVELS),
    )
    findings = (
        *(w.finding for w in _sorted(over)),
        *(replace(w.finding, counts=False) for w in _sorted(below)),
    )
    if not over:
        return Scan(findings=findings, measurements=measurements, facts=facts, reports=reports)
    first = _sorted(over)[0].finding
    return Scan(
        Outcome.FAILED,
        f"{counted(len(over), 'weakness', 'weaknesses')} of at least {what.severity} severity and {what.confidence} confidence, "
        f"first {first.rule} at {first.path}:{first.line}",
        "correct them, or mark a reviewed line with `# nosec RULE` and the reason",
        findings=findings,
        measurements=measurements,
        facts=facts,
        reports=reports,
    )


def _sorted(weaknesses: Sequence[_Weakness]) -> list[_Weakness]:
    """Worst first."""
    return sorted(
        weaknesses,
        key=lambda w: (
            -_LEVELS.index(w.severity) if w.severity in _LEVELS else -len(_LEVELS),
            w.finding.path,
            w.finding.line,
        ),
    )
