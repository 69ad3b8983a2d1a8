"""``review.html``: the run as one self-contained page for people; no script, no external resource."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from string import Template
from urllib.parse import quote

from harness.load.ending import ENDED
from harness.model import Decided, Decision, GateOutcome, Reason, Record, ThresholdResult, Unit
from harness.report import load
from harness.report.captions import unbroken
from harness.report.files import inside, write
from harness.report.html import Html, el, join, table
from harness.report.svg import stylesheet
from harness.report.text import bounded, counts, figure, finding_line, plural, seconds
from harness.report.view import Case, FailureGroup, GateView, SkipGroup, State, View, view
from harness.verdict.info import RunInfo

NAME = "review.html"
TEMPLATE = Path(__file__).with_name("templates") / NAME
PALETTE = TEMPLATE.with_name("palette.css")
_LINES = 500
_TONES: Mapping[str, str] = {
    **dict.fromkeys((Decision.GO, GateOutcome.PASS, State.PASSED), "good"),
    **dict.fromkeys((Decision.NO_GO, GateOutcome.FAIL, State.FAILED), "bad"),
    **dict.fromkeys((Decision.ERROR, State.ERROR, "unexpected"), "broken"),
    **dict.fromkeys((Decision.INCONCLUSIVE, Decision.PENDING, State.INCONCLUSIVE, State.NOT_RUN), "unknown"),
    **dict.fromkeys((State.SKIPPED, State.WAIVED), "skip"),
    State.BLOCKED: "quiet",
}


def render(folder: Path, info: RunInfo, record: Record, decided: Decided) -> Path:
    """Write ``review.html``."""
    seen = view(record, decided)
    heading = f"{info.profile}, {info.phase}"
    body = [
        _general(seen),
        _section("Gates", _gates(seen.gates)),
        _section("Thresholds", _thresholds(seen.thresholds)),
        _section("What stands in the way", *(_problem(group) for group in seen.failure_groups)),
        _section("Load", *_load(folder, seen)),
        _section("Skipped", _skips(seen.skip_groups)),
        _section("Waived", *(_problem(FailureGroup(case)) for case in seen.of(State.WAIVED))),
        _section("Waivers to look at", _notes(seen.notes)),
        _section("Passed only when tried again", _flaky(seen.flaky)),
        _section("What is released", _subjects(info)),
        _section("Set for this run", _overrides(info)),
        _section("Evidence", _evidence(folder, seen)),
        _section("Every check", _checks(seen)),
    ]
    page = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        palette=PALETTE.read_text(encoding="utf-8"),
        drawings=stylesheet(page=True),
        title=join((f"{seen.decision}: {heading}",)),
        decision=join((str(seen.decision),)),
        heading=join((heading,)),
        meaning=join((seen.meaning,)),
        tone=_TONES[seen.decision],
        about=_about(info),
        body="\n".join(part for part in body if part),
    )
    return write(folder / NAME, page)


def _section(title: str, *content: Html) -> Html:
    shown = [part for part in content if part]
    name = "-".join(title.lower().split())
    return el("section", el("h2", title, id=name), *shown, aria_labelledby=name) if shown else Html()


def _state(word: str) -> Html:
    return el("span", word, class_=f"state {_TONES.get(word, 'quiet')}")


def _about(info: RunInfo) -> Html:
    parts = [f"run {info.run_id}", f"started {info.started:%Y-%m-%d %H:%M:%S} UTC"]
    if info.started_by or info.starter:
        parts.append(f"by {info.told_starter}")
    if info.attempt > 1:
        parts.append(f"attempt {info.attempt}")
    if info.finished:
        parts.append(f"took {seconds((info.finished - info.started).total_seconds())}")
    parts.append(f"valid until {info.expires:%Y-%m-%d %H:%M} UTC" if info.expires else "not finished")
    notes = ["Partial: only some gates were asked to run."] if info.partial else []
    notes += ["An emulator stood in for AWS."] if info.stand_in else []
    lines = [el("p", " · ".join(parts), class_="soft"), *(el("p", note) for note in notes)]
    return join([*lines, el("p", el("code", info.resource_uri), class_="soft")])


def _general(seen: View) -> Html:
    """What the decision rests on beside single checks."""
    items = [
        el(
            "li",
            _state(str(reason.decision)),
            f" {reason.gate}: {reason.text}" if reason.gate else f" {reason.text}",
            f" → {reason.hint}" if reason.hint else "",
        )
        for reason in seen.general
    ]
    return _section("Why", el("ul", *items)) if items else Html()


def _gates(gates: Sequence[GateView]) -> Html:
    rows = []
    for gate in gates:
        verdict = gate.verdict
        used = Fraction(verdict.duration) / Fraction(verdict.budget) if verdict and verdict.budget else None
        tone = "bad" if used is not None and used > 1 else "quiet"
        took = (
            f"{seconds(verdict.duration)} of {seconds(verdict.budget)}" if verdict and verdict.budget else ""
        )
        rows.append(
            (
                gate.name,
                join([_state(gate.outcome), f" {gate.remark}"]),
                str(gate.decision),
                counts(verdict.counts) if verdict else "",
                took,
                _bar(tone, used) if used is not None else "",
            )
        )
    head = ("Gate", "Outcome", "Means", "Checks", "Time", "Budget used")
    return table(head, rows, numbers=(4,)) if rows else Html()


def _bar(tone: str, filled: Fraction, limit: Fraction | None = None) -> Html:
    """A bar from 0 to 1, with a mark at the limit; the figures stand beside it, so it is silent for readers aloud."""

    def percent(value: Fraction) -> str:
        return f"{float(max(Fraction(0), min(Fraction(1), value))) * 100:.1f}%"

    parts = [el("i", style=f"width:{percent(filled)}")]
    parts += [el("b", style=f"left:{percent(limit)}")] if limit is not None else []
    return el("span", *parts, class_=f"bar {tone}", aria_hidden="true")


def _scale(actual: Fraction, each: ThresholdResult) -> Fraction:
    """What the whole bar stands for: a quarter more than the larger figure, and 100 % where that is the most."""
    larger = max(actual, each.limit, Fraction(1, 10**9))
    full = larger * Fraction(5, 4)
    return max(min(full, Fraction(1)), larger) if each.unit is Unit.RATIO else full


def _thresholds(found: Sequence[tuple[Case, ThresholdResult]]) -> Html:
    words = {True: ("holds", "good"), False: ("broken", "bad"), None: ("no data", "unknown")}
    rows = []
    for case, each in found:
        word, tone = words[each.held]
        actual = each.actual if each.actual is not None else Fraction(0)
        scale = _scale(actual, each)
        rows.append(
            (
                el("code", each.threshold),
                el("span", word, class_=f"state {tone}"),
                figure(each),
                _bar(tone, actual / scale, each.limit / scale),
                f"{each.sample:,}",
                el("code", case.id),
            )
        )
    head = ("Rule", "", "Actual", "Actual and limit", "Samples", "Check")
    return table(head, rows, numbers=(2, 4)) if rows else Html()


def _load(folder: Path, seen: View) -> Iterator[Html]:
    """Each load run: how it was decided, its steps, its charts, and where all of it can be read."""
    for number, case in enumerate(seen.cases):
        found = load.loaded(folder, case)
        if found is None:
            continue
        parts = [el("h3", _state(str(case.state)), f" {case.id}")]
        if found.result is None:
            parts.append(el("p", f"No charts: {found.why}"))
        else:
            parts.append(el("p", unbroken(load.ended(found.result))))
            if rows := [tuple(map(unbroken, row)) for row in load.rules(found.result, case)]:
                parts.append(table(load.RULES, rows, numbers=(4, 5)))
            if rows := load.steps(found.result):
                parts.append(table(load.STEPS, rows, numbers=range(1, len(load.STEPS))))
            figures = [
                el("figure", el("h4", chart.title), chart.svg, el("figcaption", chart.caption))
                for chart in load.drawn(found, case, f"load-{number}")
            ]
            parts += [el("div", *figures, class_="charts"), _facts(case)]
            link = el("a", found.path, href=quote(found.path))
            parts.append(el("p", "Every count, window and bucket: ", link, class_="soft"))
        yield el("article", *parts, class_=f"case {_TONES[case.state]}")


def _facts(case: Case) -> Html:
    """What a check put on record, to be unfolded."""
    facts = case.result.facts if case.result else {}
    rows = [(name, value) for name, value in facts.items() if name != ENDED]
    if not rows:
        return Html()
    return el("details", el("summary", plural(len(rows), "fact")), table(("What", "Seen"), rows))


def _problem(group: FailureGroup) -> Html:
    case = group.case
    result = case.result
    parts = [el("h3", _state(str(case.state)), f" {case.id}"), el("p", case.reason)]
    if result and result.title:
        parts.insert(1, el("p", result.title, class_="soft"))
    if case.hint:
        parts.append(el("p", case.hint, class_="hint"))
    if group.also:
        title = f"The same reason: {plural(len(group.also), 'further check')}"
        names = el("ul", *(el("li", other.id) for other in group.also))
        parts.append(el("details", el("summary", title), names))
    findings = tuple(map(finding_line, result.findings if result else ()))
    for name, lines in (("finding", findings), ("line of diagnosis", result.diagnosis if result else ())):
        if lines:
            title = plural(len(lines), name, "lines of diagnosis" if name != "finding" else "")
            text = el("pre", "\n".join(bounded(lines, _LINES)), tabindex="0")
            parts.append(el("details", el("summary", title), text))
    return el("article", *parts, class_=f"case {_TONES[case.state]}")


def _skips(groups: Sequence[SkipGroup]) -> Html:
    rows = [
        (
            _names(group),
            join(
                (
                    group.cause,
                    " ",
                    el(
                        "span",
                        "allowed" if group.allowed else "not allowed",
                        class_=f"state {'skip' if group.allowed else 'unknown'}",
                    ),
                )
            ),
            group.reason + (f" → {group.hint}" if group.hint else ""),
        )
        for group in groups
    ]
    return table(("Checks", "Cause", "Why"), rows) if rows else Html()


def _names(group: SkipGroup) -> Html:
    """The check itself, or how many there are, to be unfolded."""
    if len(group.cases) == 1:
        return el("code", group.cases[0].id)
    names = join(el("li", el("code", case.id)) for case in group.cases)
    counted = f"{group.gate}: {plural(len(group.cases), 'check')}"
    return el("details", el("summary", counted), el("ul", names))


def _notes(notes: Sequence[Reason]) -> Html:
    items = [el("li", f"{note.text} → {note.hint}") for note in notes]
    return el("ul", *items) if items else Html()


def _flaky(cases: Sequence[Case]) -> Html:
    items = []
    for case in cases:
        tries = case.result.attempts if case.result else ()
        told = "; ".join(
            f"{number}: {each.outcome} {each.reason}".rstrip() for number, each in enumerate(tries, 1)
        )
        items.append(el("li", el("code", case.id), f" {told}"))
    return el("ul", *items) if items else Html()


def _subjects(info: RunInfo) -> Html:
    rows = [
        (subject.name, el("code", f"{kind}:{value}"), info.images.get(subject.name, ""), subject.uri)
        for subject in info.subjects
        for kind, value in subject.digest.items()
    ]
    policy = el(
        "p",
        "Policy ",
        el("code", f"sha256:{info.policy_digest}"),
        f", decided by gonogo {info.version}",
        class_="soft",
    )
    return join([table(("Subject", "Digest", "Asked for", "From"), rows), policy])


def _overrides(info: RunInfo) -> Html:
    rows = [(el("code", key), el("code", o.value), o.source) for key, o in info.overrides.items()]
    return table(("Key", "Value", "From"), rows) if rows else Html()


def _evidence(folder: Path, seen: View) -> Html:
    rows = []
    for case, file in seen.evidence:
        there = inside(folder, file.path) is not None
        link = el("a", file.path, href=quote(file.path)) if there else el("span", f"{file.path} (missing)")
        rows.append((link, el("code", case.id), f"{file.size:,} B", el("code", file.sha256)))
    return table(("File", "Check", "Size", "sha256"), rows, numbers=(2,)) if rows else Html()


def _checks(seen: View) -> Html:
    rows = [
        (
            el("code", case.id),
            join([_state(str(case.state)), " (flaky)" if case.result and case.result.flaky else ""]),
            case.title if case.title != case.id else "",
            seconds(case.result.duration) if case.result else "",
        )
        for case in seen.cases
    ]
    shown = table(("Check", "State", "What it proves", "Time"), rows, numbers=(3,))
    return el("details", el("summary", plural(len(rows), "check")), shown) if rows else Html()
