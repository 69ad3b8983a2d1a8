"""``gonogo bundle``: a verdict with its records and its evidence in one file, for CI artefacts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.asked import load, read_phase, say, show_json
from harness.cli.options import AsJson, File, PhaseName, Profiles, Store
from harness.errors import ExitCode, UsageError


def bundle(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="The bundle to write; with --open, a folder."),
    ],
    profile: Annotated[
        str, typer.Option("--profile", "-p", metavar="NAME", help="The newest verdict of this profile.")
    ] = "",
    phase: PhaseName = "pre-deploy",
    run: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="The folder of one run, instead.")
    ] = None,
    verdict: File = None,
    open_: Annotated[
        Path | None, typer.Option("--open", metavar="FILE", help="Unpack this bundle, instead.")
    ] = None,
    no_evidence: Annotated[
        bool, typer.Option("--no-evidence", help="The verdict and its records alone.")
    ] = False,
    profiles: Profiles = "profiles",
    as_json: AsJson = False,
    store: Store = "",
) -> int:
    """Pack a verdict with its approvals, overrides and evidence into one file, or unpack one.

    `gonogo verify --verdict` takes the file as it is. With --profile it is what the profile's store has, where it has one:
    the approvals of others lie there. The same files always give the same bundle; unpacking refuses whatever is not
    exactly what the verdict names.
    """
    from harness.verdict.bundle import open_bundle, pack

    if sum((bool(profile), run is not None, verdict is not None, open_ is not None)) != 1:
        raise UsageError(
            "bundle needs one of --profile, --run, --verdict and --open",
            hint="gonogo bundle --profile staging -o verdict.tar.gz",
        )
    if open_ is not None:
        folder = open_bundle(open_, output)
        if as_json:
            show_json({"folder": str(folder)})
        else:
            say(f"unpacked to {folder}", "green")
        return ExitCode.GO
    if store and not profile:
        raise UsageError("--store is of --profile", hint="name the profile whose newest verdict is meant")
    with _file(profile, phase, run, verdict, profiles, store) as file:
        made = pack(file, output, evidence=not no_evidence)
    if as_json:
        show_json({"bundle": str(made.path), "files": made.files, "sha256": made.sha256})
    else:
        say(f"{made.path}: {made.files} files, sha256:{made.sha256}", "green")
    return ExitCode.GO


@contextmanager
def _file(
    profile: str, phase: str, run: Path | None, verdict: Path | None, profiles: str, store: str
) -> Iterator[Path]:
    """The verdict that is meant, beside its records and evidence."""
    from harness.verdict.origin import verdict_from
    from harness.verdict.store import FILE

    if run is not None or verdict is not None:
        yield verdict or (run or Path()) / FILE
        return
    with verdict_from(load(profile, profiles), read_phase(phase), store=store) as origin:
        yield origin.path
