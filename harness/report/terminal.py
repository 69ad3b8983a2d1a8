"""The run on the terminal: `LiveView` while it runs, `summary` when it is over."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from harness.errors import ExitCode
from harness.load.ending import ENDED
from harness.model import Decided, Decision, Phase, Reason, Record, ThresholdResult
from harness.profile.schema import ApprovalConfig
from harness.report.live import LiveView, plain_output
from harness.report.marks import BAD, DECISIONS, GOOD, QUIET, UNKNOWN, draw, sign, style, tolerant
from harness.report.text import bounded, counts, figure, one_line, plural, seconds
from harness.report.view import Case, FailureGroup, GateView, SkipGroup, State, View, view
from harness.verdict.info import RunInfo

__all__ = ["LiveView", "plain_output", "summary"]

_WIDTH = 110
"""Lines longer than this are hard to read, however wide the terminal is."""
_ALSO = 400
_REASONS = 3
_THRESHOLDS, _FAILURES, _FINDINGS, _DIAGNOSIS, _SKIPS = 40, 15, 5, 8, 20
_TEXT = 600
_NEXT = {
    Decision.GO: "Deploy behind `gonogo verify {where} {what}`: it accepts this verdict and nothing else.",
    Decision.NO_GO: "Mend what failed, then run `gonogo gate {where}` again; `gonogo explain {where}` tells more.",
    Decision.INCONCLUSIVE: "Provide the proof that is missing, then run `gonogo gate {where}` again.",
    Decision.ERROR: "Repair what broke, the gate itself or its tool, then run `gonogo gate {where}` again.",
    Decision.PENDING: "Nothing may use this verdict yet; `gonogo gate {where}` makes a new one.",
}
_TRIAL = "This was a trial of some gates: there is no verdict, and nothing may be deployed on it."
_TOLD_ELSEWHERE = ("blocked", "skipped")
"""Reasons that the table of gates and the list of skips tell already."""


def summary(
    console: Console,
    info: RunInfo,
    record: Record,
    decided: Decided,
    files: Mapping[str, Path],
    *,
    trial: bool = False,
    approval: ApprovalConfig | None = None,
) -> None:
    """Print a run's outcome: the decision, what it rests on, where the files are and what to do next.

    A `trial` wrote no verdict, so nothing is said about using one. `approval` is what a GO of this run waits for.
    """
    page = _Page(tolerant(console), info, view(record, decided), trial=trial, approval=approval)
    width = min(console.width, _WIDTH)
    for part in page.parts(files):
        console.print(part, width=width)


class _Page:
    """The parts of a summary, top to bottom."""

    def __init__(
        self,
        console: Console,
        info: RunInfo,
        seen: View,
        *,
        trial: bool = False,
        approval: ApprovalConfig | None = None,
    ) -> None:
        self._trial = trial
        self._approval = approval
        self._console = console
        self._info = info
        self._seen = seen
        self._narrow = console.width < 76

    def parts(self, files: Mapping[str, Path]) -> Iterable[RenderableType]:
        seen = self._seen
        yield Text()
        yield self._banner()
        yield from self._section("Gates", [self._gates(seen.gates)])
        yield from self._section("Thresholds", self._thresholds(seen.thresholds))
        yield from self._section("Load", self._load())
        yield from self._section(
            "What stands in the way", [*self._general(), *self._failures(seen.failure_groups)]
        )
        yield from self._section("Skipped", self._skips(seen.skip_groups))
        yield from self._section("Waived", [self._case(case) for case in seen.of(State.WAIVED)])
        yield from self._section("Waivers to look at", [self._note(note) for note in seen.notes])
        yield from self._section("Passed only when tried again", [self._case(case) for case in seen.flaky])
        yield from self._section("Set for this run", self._overrides())
        yield from self._section("Files", self._files(files))
        yield Text()
        yield self._next()

    def _section(self, title: str, body: Sequence[RenderableType]) -> Iterable[RenderableType]:
        if body:
            yield Text()
            yield Text(title, style="bold")
            yield from (Padding(part, (0, 0, 0, 2), expand=False) for part in body)

    def _draw(self, text: str) -> str:
        return draw(self._console, text)

    def _banner(self) -> RenderableType:
        info, colour = self._info, DECISIONS[self._seen.decision]
        head = Text(f" {self._seen.decision} ", style=f"bold reverse {colour}")
        head.append(f"  {info.profile}", style="not reverse bold default")
        head.append(f", {info.phase}", style="not reverse not bold default")
        about = [f"run {info.run_id}"]
        if info.attempt > 1:
            about.append(f"attempt {info.attempt}")
        if info.finished:
            about.append(f"took {seconds((info.finished - info.started).total_seconds())}")
        if info.expires and not self._trial:
            about.append(f"valid until {info.expires:%Y-%m-%d %H:%M}Z")
        tried = f"What was tried {'holds' if self._seen.decision is Decision.GO else 'does not hold'}."
        lines: list[RenderableType] = [head, Text(tried if self._trial else self._seen.meaning)]
        lines.append(
            Text(" · ".join(about) if not self._console.options.ascii_only else ", ".join(about), style=QUIET)
        )
        lines += self._subjects()
        if info.partial:
            lines.append(Text("Partial: only some gates were asked to run.", style=UNKNOWN))
        if info.stand_in:
            lines.append(Text("An emulator stood in for AWS.", style=QUIET))
        shape = box.ASCII if self._console.options.ascii_only else box.HEAVY
        return Panel(Group(*lines), box=shape, border_style=colour, padding=(0, 2))

    def _subjects(self) -> list[RenderableType]:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style=QUIET, max_width=24, no_wrap=True, overflow="ellipsis")
        grid.add_column(style=QUIET, no_wrap=True, overflow="ellipsis")
        for subject in self._info.subjects:
            for kind, value in subject.digest.items():
                asked = self._info.images.get(subject.name, "")
                digest = value if kind == "gitCommit" else f"{kind}:{value[:16]}{self._draw('…')}"
                grid.add_row(one_line(subject.name), one_line(f"{digest}  {asked}"))
        return [grid] if grid.row_count else []

    def _gates(self, gates: Sequence[GateView]) -> RenderableType:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=1)
        grid.add_column(max_width=20, no_wrap=True, overflow="ellipsis")
        grid.add_column(no_wrap=True)
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column()
        for gate in gates:
            verdict = gate.verdict
            took = seconds(verdict.duration) if verdict and verdict.duration else ""
            if took and verdict and verdict.budget and not self._narrow:
                took += f" of {seconds(verdict.budget)}"
            colour = style(gate.outcome)
            figures = counts(verdict.counts) if verdict else ""
            excused = sum(case.state is State.WAIVED for case in gate.cases)
            figures += f" ({excused:,} waived)" if excused else ""
            told = ", ".join(part for part in (one_line(gate.remark, 60), figures) if part)
            name = Text(one_line(gate.name), style=QUIET if gate.outcome == "blocked" else "")
            mark = Text(sign(self._console, gate.outcome), style=colour)
            grid.add_row(mark, name, Text(gate.outcome, style=colour), Text(took, style=QUIET), Text(told))
        return grid

    def _thresholds(self, found: Sequence[tuple[Case, ThresholdResult]]) -> list[RenderableType]:
        if not found:
            return []
        order = {False: 0, None: 1, True: 2}
        many = len(found) > _THRESHOLDS
        shown = sorted(found, key=lambda pair: order[pair[1].held])[:_THRESHOLDS] if many else found
        rows = [self._threshold(case, each) for case, each in shown]
        grid = Table.grid(padding=(0, 2, 0, 0))
        for justify in ("left", "left", "right", "left", "right", "left"):
            grid.add_column(justify=justify, no_wrap=True)
        # What is left of the line is the check's; the numbers are never cut.
        used = sum(max(row[column].cell_len for row in rows) + 2 for column in range(5))
        room = min(self._console.width, _WIDTH) - 4 - used
        for row in rows:
            row[5].truncate(max(room, 0), overflow="ellipsis")
            grid.add_row(*row)
        left = len(found) - len(shown)
        return (
            [grid, Text(self._draw(f"… and {left:,} more, in the reports"), style=QUIET)] if left else [grid]
        )

    def _threshold(self, case: Case, each: ThresholdResult) -> list[Text]:
        words = {True: ("passed", GOOD), False: ("failed", BAD), None: ("inconclusive", UNKNOWN)}
        state, colour = words[each.held]
        resource = case.result.resource if case.result else ""
        return [
            Text(sign(self._console, state), style=colour),
            Text(one_line(each.metric, 18 if self._narrow else 30)),
            Text(figure(each), style="" if each.held else f"bold {colour}"),
            Text(one_line(each.threshold.removeprefix(each.metric), 20)),
            Text("" if self._narrow else plural(each.sample, "sample"), style=QUIET),
            Text(one_line(f"{case.gate} {resource}" if resource else case.id), style=QUIET),
        ]

    def _load(self) -> list[RenderableType]:
        """How each load run ended."""
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=1)
        grid.add_column(max_width=30, no_wrap=True, overflow="ellipsis")
        grid.add_column()
        told = [case for case in self._seen.cases if case.result and case.result.facts.get(ENDED)]
        for case in told[:_THRESHOLDS]:
            facts = case.result.facts if case.result else {}
            name = case.result.resource if case.result and case.result.resource else case.id
            mark = Text(sign(self._console, str(case.state)), style=style(case.state))
            grid.add_row(mark, one_line(name), Text(one_line(f"ended {facts[ENDED]}", _TEXT)))
        return [grid] if told else []

    def _item(self, state: str, colour: str, name: str, text: str, hint: str) -> RenderableType:
        head = Text.assemble((f"{state} ", colour), (one_line(name, _TEXT), "bold"))
        lines: list[RenderableType] = [head, Padding(Text(one_line(text, _TEXT)), (0, 0, 0, 2))]
        if hint:
            grid = Table.grid(padding=(0, 1, 0, 0))
            grid.add_row(self._draw("→"), Text(one_line(hint, _TEXT)))
            lines.append(Padding(grid, (0, 0, 0, 2)))
        return Group(*lines)

    def _case(self, case: Case) -> RenderableType:
        reason = case.reason or one_line(case.tries)
        return self._item(str(case.state), style(case.state), case.id, reason, case.hint)

    def _note(self, note: Reason) -> RenderableType:
        word = note.code.removeprefix("waiver_")
        return self._item(word, UNKNOWN, "", note.text, note.hint)

    def _general(self) -> list[RenderableType]:
        """What no single check stands for: a budget, a floor, a run of only some gates."""
        elsewhere = {*_TOLD_ELSEWHERE, *(("not_run",) if self._info.partial else ())}
        told = [reason for reason in self._seen.general if reason.code not in elsewhere]
        lines: list[RenderableType] = []
        for reason in told:
            name = f"gate {reason.gate}" if reason.gate else "the run"
            word = str(reason.decision).lower().replace("_", " ")
            lines += [self._item(word, DECISIONS[reason.decision], name, reason.text, reason.hint), Text(" ")]
        return lines

    def _failures(self, groups: Sequence[FailureGroup]) -> list[RenderableType]:
        lines: list[RenderableType] = []
        for number, group in enumerate(groups[:_FAILURES]):
            lines += [Text(" ")] if number else []
            lines.append(self._case(group.case))
            if group.also:
                lines.append(self._also(group))
            lines += self._details(group.case)
        if left := groups[_FAILURES:]:
            more = plural(sum(1 + len(group.also) for group in left), "more check")
            lines.append(Text(self._draw(f"… and {more}, in the reports"), style=QUIET))
        return lines

    def _also(self, group: FailureGroup) -> RenderableType:
        """The other checks that one reason concerns, by name."""
        names = ", ".join(case.id.removeprefix(f"{case.gate}.") for case in group.also)
        text = f"the same reason: {plural(len(group.also), 'further check')}: {names}"
        return Padding(Text(self._draw(one_line(text, _ALSO)), style=QUIET), (0, 0, 0, 2))

    def _details(self, case: Case) -> list[RenderableType]:
        """The first findings, and what one would look up next."""
        if case.result is None:
            return []
        findings = tuple(
            (f"{f.path}:{f.line}  " if f.path else "")
            + f"{f.rule}  {one_line(f.message)}"
            + (f"  (waived by {f.waiver})" if f.waiver else "")
            for f in case.result.findings
        )
        lines = [*bounded(findings, _FINDINGS), *bounded(case.result.diagnosis, _DIAGNOSIS)]
        bar = self._draw("│ ")
        texts = [
            Text(self._draw(f"{bar}{line}"), style=QUIET, no_wrap=True, overflow="ellipsis") for line in lines
        ]
        return [Padding(text, (0, 0, 0, 2)) for text in texts]

    def _skips(self, groups: Sequence[SkipGroup]) -> list[RenderableType]:
        lines: list[RenderableType] = []
        entries = _together(groups)
        for group in entries[:_SKIPS]:
            names = (
                ", ".join(case.id for case in group.cases)
                if len(group.cases) <= 3
                else f"{group.gate}, {plural(len(group.cases), 'check')}"
            )
            word, colour = ("allowed", style(State.SKIPPED)) if group.allowed else ("not allowed", UNKNOWN)
            lines.append(self._item(f"{group.cause} ({word})", colour, names, group.reason, group.hint))
        if len(entries) > _SKIPS:
            lines.append(
                Text(self._draw(f"… and {len(entries) - _SKIPS:,} more causes, in the reports"), style=QUIET)
            )
        return lines

    def _overrides(self) -> list[RenderableType]:
        return [
            Text(one_line(f"{key} = {override.value}  ({override.source})", _TEXT))
            for key, override in self._info.overrides.items()
        ]

    def _files(self, files: Mapping[str, Path]) -> list[RenderableType]:
        """Each with what it is, where the line has room for that; a path that is cut in two cannot be copied."""
        rows = [(Text(one_line(name, 24), style=QUIET), Text(_near(path))) for name, path in files.items()]
        room = min(self._console.width, _WIDTH) - 4
        if any(path.cell_len > room - max(name.cell_len for name, _ in rows) for _, path in rows):
            return [path for _, path in rows]
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for name, path in rows:
            grid.add_row(name, path)
        return [grid] if rows else []

    def _next(self) -> RenderableType:
        decision, info = self._seen.decision, self._info
        phase = "" if info.phase is Phase.PRE_DEPLOY else f" --phase {info.phase}"
        where = f"--profile {info.profile}{phase}"
        told = _TRIAL if self._trial else _NEXT[decision].format(where=where, what=_what(info))
        if decision is Decision.GO and info.overrides and not self._trial:
            told = (
                "Keys of the profile were set for this run: `gonogo verify` refuses its verdict where they change "
                "the policy. For a GO that deploys, write them into the profile and run again."
            )
        elif decision is Decision.GO and self._approval and not self._trial:
            told = _waits(self._approval, where) + told
        code = int(decision is not Decision.GO) if self._trial else ExitCode[decision.name].value
        head = Text(f"{decision}", style=f"bold {DECISIONS[decision]}")
        head.append(f" (exit {code})  ", style=f"not bold {QUIET}")
        return Group(
            Rule(style=QUIET, characters=self._draw("─")), head.append(told, style="not bold default")
        )


def _together(groups: Sequence[SkipGroup]) -> list[SkipGroup]:
    """Allowed skips of one gate and cause, where there are many reasons: one entry that names the checks."""
    kinds: dict[tuple[str, str, bool], list[SkipGroup]] = {}
    for group in groups:
        kinds.setdefault((group.gate, group.cause, group.allowed), []).append(group)
    entries: list[SkipGroup] = []
    for (gate, cause, allowed), same in kinds.items():
        if not allowed or len(same) <= _REASONS:
            entries += same
            continue
        cases = tuple(case for group in same for case in group.cases)
        checks = dict.fromkeys(case.id.removeprefix(f"{gate}.").partition("[")[0] for case in cases)
        reason = f"{', '.join(checks)}: not proven here, for {len(same)} reasons that are in the reports"
        hints = dict.fromkeys(group.hint for group in same)
        entries.append(SkipGroup(gate, cause, allowed, reason, next(iter(hints)), cases))
    return entries


def _waits(approval: ApprovalConfig, where: str) -> str:
    """What must come before a deploy, where the profile demands anything."""
    names = ", ".join(each.name for each in approval.approvers)
    parts = [
        f"{plural(approval.required, 'approval')} by {names} (`gonogo approve {where} --as NAME --sign-with KEY`)"
        if approval.required
        else "",
        f"{seconds(approval.wait)} to pass" if approval.wait else "",
    ]
    return f"This GO waits for {' and for '.join(part for part in parts if part)}. "


def _what(info: RunInfo) -> str:
    """The subjects as `gonogo verify` is asked about them: images by digest, or the source where there is none."""
    images = [f"--image {s.name}@sha256:{s.digest['sha256']}" for s in info.subjects if s.name in info.images]
    source = info.subject("source")
    if images or source is None:
        return " ".join(images)
    return f"--source {next(iter(source.digest.values()))}"


def _near(path: Path) -> str:
    """The path as one would type it here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
