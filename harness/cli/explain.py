"""``gonogo explain``: why the verdict is what it is, and what would change it. It never makes anything GO."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.asked import load, read_phase, say, show_json, stored
from harness.cli.options import AsJson, PhaseName, Profiles
from harness.errors import ExitCode, UsageError
from harness.frozen import dataclass

if TYPE_CHECKING:
    from harness.model import Decided, Reason, Record
    from harness.verdict.statement import Verdict
    from harness.verdict.whatif import Change

_COLOURS = {"GO": "green", "NO_GO": "red", "ERROR": "red"}


@dataclass(frozen=True)
class _Explanation:
    verdict: "Verdict"
    origin: str
    """What the decision was recomputed from."""
    again: "Decided"
    changes: "tuple[Change, ...]"

    @property
    def agrees(self) -> bool:
        """Whether decision, reasons and gates follow; a placeholder has nothing to follow from."""
        return self.again == self.verdict.decided or self.verdict.info.finished is None


def explain(
    profile: Annotated[
        str, typer.Option("--profile", "-p", metavar="NAME", help="The environment's profile.")
    ] = "",
    phase: PhaseName = "pre-deploy",
    run: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="The folder of one run, instead.")
    ] = None,
    profiles: Profiles = "profiles",
    as_json: AsJson = False,
) -> int:
    """Say why the verdict is what it is and what would change it; the decision is computed again from the ledger.

    0 when the verdict follows from its ledger, 14 when it does not or cannot be read.
    """
    found = _explanation(_file(profile, phase, run, profiles))
    if as_json:
        show_json(_as_json(found))
    else:
        _print(found)
    return ExitCode.GO if found.agrees else ExitCode.UNUSABLE


def _file(profile: str, phase: str, run: Path | None, profiles: str) -> Path:
    from harness.verdict.store import FILE

    if bool(profile) == (run is not None):
        raise UsageError("explain needs either --profile or --run", hint="gonogo explain --profile staging")
    return run / FILE if run is not None else stored(load(profile, profiles), read_phase(phase))


def _explanation(file: Path) -> _Explanation:
    from harness.policy import decide
    from harness.verdict.on_file import read_verdict
    from harness.verdict.whatif import changes

    verdict = read_verdict(file)
    record, origin = _record(file, verdict)
    again = decide(record)
    return _Explanation(verdict, origin, again, changes(record, again))


def _record(file: Path, verdict: "Verdict") -> "tuple[Record, str]":
    """The ledger's record, or the verdict's own where the ledger is not at hand."""
    from harness.run.ledger import NAME, read_record
    from harness.verdict.store import run_folder

    own = file.parent.name == verdict.info.run_id
    folder = file.parent if own else run_folder(file.parent, verdict.info.run_id)
    if (folder / NAME).is_file():
        return read_record(folder), "ledger"
    return verdict.record, "verdict"


def _print(found: _Explanation) -> None:
    info, decided = found.verdict.info, found.verdict.decided
    say(
        f"{decided.decision}: {info.profile} {info.phase}, run {info.run_id}, attempt {info.attempt}",
        _COLOURS.get(decided.decision, "yellow"),
    )
    say(f"  started by {info.told_starter} at {info.started:%Y-%m-%d %H:%M:%S} UTC")
    for key, override in info.overrides.items():
        say(f"  overridden: {key} = {override.value} ({override.source})", "yellow")
    if decided.reasons:
        say("Why")
    for reason in decided.reasons:
        say(f"  {_place(reason)}: {reason.text}", _COLOURS.get(reason.decision, "yellow"))
        if reason.hint:
            say(f"    → {reason.hint}")
    if found.changes:
        say("What would change it")
    for change in found.changes:
        say(f"  {change}")
    if info.finished is None:
        say("The run is not over, or it died; the ledger so far says " + found.again.decision)
    elif found.agrees:
        say(f"Computed again from the {found.origin}: the same.")
    else:
        say(
            f"THE VERDICT DOES NOT FOLLOW: it says {decided.decision}, the {found.origin} gives "
            f"{found.again.decision}, or other reasons. Do not use it.",
            "bold red",
        )


def _place(reason: "Reason") -> str:
    return f"{reason.decision}  {reason.check or reason.gate or 'the run'} ({reason.code})"


def _as_json(found: _Explanation) -> dict[str, Any]:
    from harness.codec import dump

    info, decided = found.verdict.info, found.verdict.decided
    return {
        "decision": decided.decision,
        "run_id": info.run_id,
        "profile": info.profile,
        "phase": info.phase,
        "reasons": [dump(reason) for reason in decided.reasons],
        "recomputed": {"from": found.origin, "decision": found.again.decision, "agrees": found.agrees},
        "would_change_it": [
            {"if_passed": list(change.gates), "decision": change.decision, "then_run": list(change.then)}
            | ({"whole_run": True} if change.whole else {})
            for change in found.changes
        ],
    }
