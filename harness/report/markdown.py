"""``summary.md``: the run on one page, for a CI's job summary or a pull request (GitHub-flavoured Markdown)."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from harness.model import Decided, Reason, Record, ThresholdResult
from harness.report import load
from harness.report.files import write
from harness.report.text import bounded, clean, counts, figure, finding_line, one_line, plural, seconds
from harness.report.view import Case, FailureGroup, GateView, SkipGroup, State, View, view
from harness.verdict.info import RunInfo

NAME = "summary.md"
_SPECIAL = re.compile(r"[\\`*{}\[\]|~#!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"})
_CASES = 50
_NAMED = 5
"""Checks of one skip that are named; the others are counted."""
"""A job summary may hold 1 MiB; the rest is in the review page."""
_LINES = 40
_WIDTH = 400


def render(folder: Path, info: RunInfo, record: Record, decided: Decided) -> Path:
    """Write ``summary.md``."""
    seen = view(record, decided)
    parts = [
        *_head(info, seen),
        *_gates(seen.gates),
        *_thresholds(seen.thresholds),
        *_problems(seen.failure_groups),
        *_load(folder, seen),
        *_list("Waived", seen.of(State.WAIVED)),
        *_notes(seen.notes),
        *_skips(seen.skip_groups),
        *_list("Flaky", seen.flaky),
        *_subjects(info),
        *_evidence(seen),
    ]
    return write(folder / NAME, "\n".join(parts) + "\n")


def text(value: str, width: int = _WIDTH) -> str:
    """Foreign text inside a line or a table cell: no markup, no HTML, no mention, no line break."""
    escaped = _SPECIAL.sub(lambda match: f"\\{match[0]}", one_line(value, width))
    return escaped.translate(_ENTITIES)


def code(value: str) -> str:
    """A name, set as code; HTML's element, because a code span cannot hold every back-tick and bar."""
    return f"<code>{text(value)}</code>"


def block(lines: Sequence[str]) -> list[str]:
    """Lines as they are, in a fence longer than any in them."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *lines, fence]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    rule = ["---:" if index in right else "---" for index in range(len(head))]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]


def _head(info: RunInfo, seen: View) -> list[str]:
    remarks = [
        f"run {code(info.run_id)}",
        f"attempt {info.attempt}" if info.attempt > 1 else "",
        f"started {info.started:%Y-%m-%d %H:%M:%S} UTC"
        + (f" by {text(info.told_starter)}" if info.started_by or info.starter else ""),
        f"valid until {info.expires:%Y-%m-%d %H:%M} UTC" if info.expires else "not finished",
        "**partial: only some gates were asked to run**" if info.partial else "",
        "an emulator stood in for AWS" if info.stand_in else "",
    ]
    lines = [f"# {seen.decision} · {text(info.profile)} · {info.phase}", "", seen.meaning, ""]
    lines.append(" · ".join(remark for remark in remarks if remark))
    if seen.general:
        lines.append("")
        lines += [_reason(reason.decision, reason.gate, reason.text, reason.hint) for reason in seen.general]
    if info.overrides:
        lines += ["", "Configuration set for this run:", ""]
        lines += [f"- {code(key)} = {code(o.value)} ({text(o.source)})" for key, o in info.overrides.items()]
    return lines


def _reason(decision: str, gate: str, what: str, hint: str) -> str:
    where = f" {code(gate)}" if gate else ""
    return f"- **{decision}**{where} {text(what)}" + (f" → {text(hint)}" if hint else "")


def _gates(gates: Sequence[GateView]) -> list[str]:
    rows = []
    for gate in gates:
        verdict = gate.verdict
        took = (
            f"{seconds(verdict.duration)} of {seconds(verdict.budget)}"
            if verdict and verdict.duration
            else ""
        )
        outcome = f"**{gate.outcome}**" + (f" {text(gate.remark)}" if gate.remark else "")
        figures = counts(verdict.counts) if verdict else ""
        rows.append((code(gate.name), outcome, str(gate.decision), figures, took))
    return ["", "## Gates", "", *_table(("Gate", "Outcome", "Means", "Checks", "Time"), rows)]


def _thresholds(thresholds: Sequence[tuple[Case, ThresholdResult]]) -> list[str]:
    if not thresholds:
        return []
    words = {True: "holds", False: "**broken**", None: "**no data**"}
    rows = [
        (
            code(case.id),
            code(r.threshold),
            text(figure(r)),
            f"{r.sample:,}",
            words[r.held],
        )
        for case, r in thresholds
    ]
    table = _table(("Check", "Rule", "Actual", "Samples", ""), rows, right=(2, 3))
    return ["", "## Thresholds", "", *table]


def _load(folder: Path, seen: View) -> list[str]:
    """Each load run: how it ended and was decided, and where its charts and its raw buckets are."""
    lines = []
    for case in seen.cases:
        found = load.loaded(folder, case)
        if found is None:
            continue
        link = f"[{code(found.path)}]({quote(found.path)})"
        if found.result is None:
            lines.append(f"- {code(case.id)} — {text(found.why)}")
            continue
        lines += [f"**{text(case.id)}**: {text(load.ended(found.result))}", ""]
        for head, rows in (
            (load.RULES, load.rules(found.result, case)),
            (load.STEPS, load.steps(found.result)),
        ):
            cells = [(code(row[0]), *(text(cell) for cell in row[1:])) for row in rows[:_CASES]]
            lines += [*_table(head, cells), ""] if cells else []
        lines += [f"Every count, window and bucket: {link}; the charts are in the review page.", ""]
    return ["", "## Load", "", *lines] if lines else []


def _problems(groups: Sequence[FailureGroup]) -> list[str]:
    if not groups:
        return []
    lines = ["", "## What stands in the way", ""]
    for group in groups[:_CASES]:
        case = group.case
        lines.append(f"- **{case.state}** {code(case.id)} — {text(case.reason)}")
        if case.hint:
            lines.append(f"  <br>→ {text(case.hint)}")
        if group.also:
            names = ", ".join(code(other.id) for other in group.also[:_CASES])
            lines.append(f"  <br>The same reason, {plural(len(group.also), 'further check')}: {names}")
    if left := groups[_CASES:]:
        lines.append(f"- … and {sum(1 + len(group.also) for group in left):,} more, in the review page")
    for group in groups[:_CASES]:
        lines += _details(group.case)
    return lines


def _details(case: Case) -> list[str]:
    result = case.result
    if result is None or not (result.findings or result.diagnosis):
        return []
    found = tuple(map(finding_line, result.findings))
    lines = bounded((*found, *result.diagnosis), _LINES, _WIDTH)
    return ["", f"<details><summary>{code(case.id)}: details</summary>", "", *block(lines), "", "</details>"]


def _list(title: str, cases: Sequence[Case]) -> list[str]:
    if not cases:
        return []
    rows = [
        f"- {code(case.id)}" + (f" — {text(told)}" if (told := case.reason or case.tries) else "")
        for case in cases
    ]
    return ["", f"## {title}", "", *rows]


def _notes(notes: Sequence[Reason]) -> list[str]:
    rows = [f"- {text(note.text)} → {text(note.hint)}" for note in notes]
    return ["", "## Waivers to look at", "", *rows] if rows else []


def _skips(groups: Sequence[SkipGroup]) -> list[str]:
    if not groups:
        return []
    rows = [
        (
            ", ".join(code(case.id) for case in group.cases[:_NAMED])
            + (f" and {len(group.cases) - _NAMED:,} more" if len(group.cases) > _NAMED else ""),
            text(group.cause),
            "allowed" if group.allowed else "**not allowed**",
            text(group.reason, 200),
        )
        for group in groups[: 4 * _CASES]
    ]
    more = [f"… and {len(groups) - len(rows):,} more"] if len(groups) > len(rows) else []
    return ["", "## Skipped", "", *_table(("Checks", "Cause", "By the profile", "Why"), rows), *more]


def _subjects(info: RunInfo) -> list[str]:
    rows = [
        (text(subject.name), code(f"{kind}:{value}"), text(subject.uri))
        for subject in info.subjects
        for kind, value in subject.digest.items()
    ]
    return ["", "## What is released", "", *_table(("Subject", "Digest", "From"), rows)]


def _evidence(seen: View) -> list[str]:
    if not seen.evidence:
        return []
    rows = [
        f"- {code(each.path)} {text(clean(each.name))}, {each.size:,} B, {code(f'sha256:{each.sha256}')}"
        for _, each in seen.evidence[: 4 * _CASES]
    ]
    total = plural(len(seen.evidence), "file")
    return ["", f"<details><summary>Evidence: {total}</summary>", "", *rows, "", "</details>"]
