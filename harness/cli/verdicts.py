"""``gonogo verdicts``: the history of a store, one run of it, and bringing runs in and out."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.asked import load, read_images, read_phase, say, show_json
from harness.cli.options import AsJson, Profiles, Store
from harness.errors import ExitCode, GonogoError, UsageError, VerdictError

if TYPE_CHECKING:
    from harness.profile import Profile
    from harness.verdict.history import Entry
    from harness.verdict.stores import Series, VerdictStore

app = typer.Typer(help="The verdicts of a store: their history, one of them, the flakiest checks.")
COLOURS = {"GO": "green", "NO_GO": "red", "ERROR": "red", "DAMAGED": "bold red"}
_SHOWN = 20

ProfileName = Annotated[str, typer.Option("--profile", "-p", metavar="NAME", help="Of this profile alone.")]
PhaseName = Annotated[str, typer.Option("--phase", help="Of this phase alone.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, as `gonogo verdicts list` shows it.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="Runs of each environment and phase.")]


@app.command("list")
def list_(
    image: Annotated[
        list[str],
        typer.Option(
            "--image",
            metavar="NAME@sha256:…",
            help="Only runs about this image; repeatable.",
            default_factory=list,
            show_default=False,
        ),
    ],
    profile: ProfileName = "",
    phase: PhaseName = "",
    store: Store = "",
    limit: Limit = _SHOWN,
    profiles: Profiles = "profiles",
    as_json: AsJson = False,
) -> int:
    """List runs by environment and phase, the last first: decision, subjects, signers, approvals, overrides.

    Nothing is verified here but signatures, and those where the environment's profile is at hand; `gonogo verify` is what
    a deploy step asks.
    """
    where = _open(profile, store, profiles)
    subjects = read_images(image)
    found = [
        (series, _limited((each for each in _entries(where, series) if _about(each, subjects)), limit))
        for series in _series(where, profile, phase)
    ]
    if as_json:
        show_json(
            {
                "store": where.uri,
                "runs": [_as_json(each, profiles) for _, entries in found for each in entries],
            }
        )
        return ExitCode.GO
    say(f"{where.uri}: {'no runs' if not any(entries for _, entries in found) else 'the last runs'}")
    for series, entries in found:
        if entries:
            say(f"{series.profile} {series.phase}")
        for entry in entries:
            _print(entry, profiles)
    return ExitCode.GO


@app.command()
def show(
    run: RunId,
    profile: ProfileName = "",
    store: Store = "",
    profiles: Profiles = "profiles",
    as_json: AsJson = False,
) -> int:
    """Show one run: its decision with all reasons, its subjects, signers and records. 14 where its verdict is damaged."""
    where = _open(profile, store, profiles)
    entry = _entry(where, run, profile)
    if as_json:
        show_json({"store": where.uri} | _as_json(entry, profiles))
    else:
        say(f"{where.uri}: {entry.series.profile} {entry.series.phase}")
        _print(entry, profiles)
        for reason in entry.verdict.decided.reasons if entry.verdict else ():
            place = reason.check or reason.gate or "the run"
            say(f"    {reason.decision}  {place}: {reason.text}", COLOURS.get(reason.decision, "yellow"))
        for name in entry.records:
            say(f"    record {name}")
    return ExitCode.GO if entry.verdict else ExitCode.UNUSABLE


@app.command()
def fetch(
    run: RunId,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where its folder is made.")],
    profile: ProfileName = "",
    store: Store = "",
    profiles: Profiles = "profiles",
) -> int:
    """Copy a run's verdict, records and evidence to a new folder DIR/RUN."""
    where = _open(profile, store, profiles)
    folder = where.fetch(_find(where, run, profile), run, output)
    say(f"{run}: in {folder}", "green")
    return ExitCode.GO


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder, reports/…/runs/<run-id>.")],
    store: Annotated[str, typer.Option("--store", metavar="URI", help="s3://bucket/prefix or a folder.")],
    region: Annotated[str, typer.Option(help="Where the bucket is.")] = "us-east-1",
) -> int:
    """Publish a run that is over to a store, where the gate could not; what is kept there already is not sent again.

    It becomes the newest only if no other run has begun in between; in the reports folder that it is in, too.
    """
    from harness.verdict.named_store import located, open_store
    from harness.verdict.on_file import parse_verdict, read_bytes
    from harness.verdict.store import FILE, RUNS
    from harness.verdict.store import publish as publish_here
    from harness.verdict.stores import Series

    raw = read_bytes(folder / FILE)
    info = parse_verdict(folder / FILE, raw).info
    if info.finished is None:
        raise UsageError(f"run {info.run_id} is not over", hint="run the gates again")
    where, series = open_store(located(store), region=region), Series(info.profile, info.phase)
    runs = folder.resolve().parent
    newest = where.finish(series, info.run_id, raw, folder)
    if runs.name == RUNS:  # where it took place, it has been PENDING since
        publish_here(runs.parent, raw, info.run_id)
    if newest:
        say(f"{info.run_id}: in {where.uri}", "green")
    else:
        say(f"{info.run_id}: in {where.uri}; it is not the newest there", "yellow")
        say(
            "  → no deploy goes by it: another run has begun there since, or this one never did; run the gates again"
        )
    return ExitCode.GO


@app.command()
def flaky(
    profile: ProfileName = "",
    phase: PhaseName = "",
    store: Store = "",
    limit: Limit = 100,
    profiles: Profiles = "profiles",
    as_json: AsJson = False,
) -> int:
    """The flakiest checks of the last runs: those that passed only when tried again."""
    from harness.verdict.flakiest import flakiest

    where = _open(profile, store, profiles)
    entries = [
        entry
        for series in _series(where, profile, phase)
        for entry in _limited(_entries(where, series), limit)
    ]
    found = flakiest(entry.verdict for entry in entries if entry.verdict)
    damaged = sum(entry.verdict is None for entry in entries)
    if as_json:
        rows = [
            {"check": each.check, "runs": each.runs, "flaky": each.flaky, "failed": each.failed}
            | {"last_seen": f"{each.last_seen:%Y-%m-%dT%H:%M:%SZ}"}
            for each in found
        ]
        show_json({"store": where.uri, "runs": len(entries), "damaged": damaged, "checks": rows})
        return ExitCode.GO
    say(f"{where.uri}: {len(entries)} runs" + (f", {damaged} of them damaged" if damaged else ""))
    if not found:
        say("No check was flaky.")
    for each in found:
        say(
            f"  {float(each.rate):6.1%}  {each.check}: {each.flaky} of {each.runs} runs, {each.failed} failed, "
            f"last {each.last_seen:%Y-%m-%d %H:%M} UTC",
            "yellow",
        )
    return ExitCode.GO


def _open(profile: str, store: str, profiles: str) -> "VerdictStore":
    """The store asked for, the profile's, or the reports folder."""
    from harness.verdict.folder_store import FolderStore
    from harness.verdict.named_store import located, open_store, store_of

    if profile:
        environment = load(profile, profiles)
        return store_of(environment, store) or FolderStore(Path(environment.reports.path))
    return open_store(located(store or "reports"))


def _series(where: "VerdictStore", profile: str, phase: str) -> "tuple[Series, ...]":
    when = read_phase(phase) if phase else None
    return tuple(
        series
        for series in where.series()
        if (not profile or series.profile == _name(profile)) and when in (None, series.phase)
    )


def _name(profile: str) -> str:
    from harness.profile.sources import name_of

    return name_of(profile)


def _entries(where: "VerdictStore", series: "Series") -> "Iterator[Entry]":
    from harness.verdict.history import history

    return history(where, series)


def _limited(entries: "Iterable[Entry]", limit: int) -> "Sequence[Entry]":
    from itertools import islice

    return list(islice(entries, limit))


def _about(entry: "Entry", subjects: dict[str, str]) -> bool:
    """Whether it is to be listed; nobody knows what a damaged one is about."""
    return entry.verdict is None or entry.about(subjects)


def _find(where: "VerdictStore", run: str, profile: str) -> "Series":
    from harness.verdict.history import find

    return find(where, run, _name(profile) if profile else "")


def _entry(where: "VerdictStore", run: str, profile: str) -> "Entry":
    from harness.verdict.history import one

    return one(where, _find(where, run, profile), run)


def _print(entry: "Entry", profiles: str) -> None:
    """One line for the run, one for what it is about, and what else there is to tell."""
    decision = entry.verdict.decision if entry.verdict else "DAMAGED"
    when = f"{entry.verdict.info.started:%Y-%m-%d %H:%M} UTC" if entry.verdict else "at unknown time"
    rank = "newest" if entry.newest else "superseded"
    say(f"  {decision:<12} {entry.run_id}  {when}  {rank}", COLOURS.get(decision, "yellow"))
    if entry.verdict is None:
        say(f"    {entry.damage}", "bold red")
        return
    say(f"    about {', '.join(_subjects(entry)) or 'nothing'}")
    say(f"    {_signed(entry, profiles)}; {_approvals(entry)}")
    for name in _of_kind(entry, "override"):
        say(f"    OVERRIDE {name}: the decision underneath stays {decision}", "bold red")


def _subjects(entry: "Entry") -> list[str]:
    subjects = entry.verdict.info.subjects if entry.verdict else ()
    return [
        f"{each.name} {kind}:{value[:12]}" for each in subjects for kind, value in sorted(each.digest.items())
    ]


def _signed(entry: "Entry", profiles: str) -> str:
    """Who signed, where the environment's profile names signers; else only whose key it claims to be."""
    if entry.verdict is None or (envelope := entry.verdict.envelope) is None:
        return "unsigned"
    from harness.verdict.trust import hold_signatures

    keys = ", ".join(f"{each.keyid[:16]}…" for each in envelope.signatures)
    environment = _profile(entry.series.profile, profiles)
    if environment is None or not environment.policy.signing.signers:
        return f"signed by key {keys} (not judged)"
    try:
        return f"signed by {', '.join(hold_signatures(envelope, environment.policy.signing))}"
    except VerdictError as error:
        return f"signature REFUSED ({error.code}) of key {keys}"


def _profile(name: str, profiles: str) -> "Profile | None":
    try:
        return load(name, profiles)
    except GonogoError:
        return None


def _approvals(entry: "Entry") -> str:
    approvals, denials = _of_kind(entry, "approval"), _of_kind(entry, "denial")
    told = f"{len(approvals)} approval{'' if len(approvals) == 1 else 's'}"
    return f"{told}, {len(denials)} DENIAL{'' if len(denials) == 1 else 'S'}" if denials else told


def _of_kind(entry: "Entry", kind: str) -> list[str]:
    return [name for name in entry.records if name.startswith(f"{kind}-")]


def _as_json(entry: "Entry", profiles: str) -> dict[str, Any]:
    verdict = entry.verdict
    known: dict[str, Any] = {
        "profile": entry.series.profile,
        "phase": entry.series.phase,
        "run_id": entry.run_id,
        "newest": entry.newest,
        "superseded": entry.superseded,
        "records": list(entry.records),
        "decision": verdict.decision if verdict else "DAMAGED",
    }
    if verdict is None:
        return known | {"damage": entry.damage}
    info = verdict.info
    return known | {
        "started": f"{info.started:%Y-%m-%dT%H:%M:%SZ}",
        "finished": f"{info.finished:%Y-%m-%dT%H:%M:%SZ}" if info.finished else None,
        "subjects": {each.name: dict(each.digest) for each in info.subjects},
        "signature": _signed(entry, profiles),
        "sha256": verdict.sha256,
        "reasons": [reason.text for reason in verdict.decided.reasons],
    }
