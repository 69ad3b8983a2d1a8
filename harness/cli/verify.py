"""``gonogo verify``: may what is about to be deployed go, by the verdict on file? Also what `guard` and `explain` share."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.asked import (
    answer,
    ask,
    load,
    override_json,
    print_accepted,
    print_refusal,
    print_verdict,
    read_images,
    read_phase,
    say,
    show_json,
    stored,
)

__all__ = [
    "AcceptOverride",
    "AsJson",
    "File",
    "Images",
    "PhaseName",
    "ProfileName",
    "Profiles",
    "RequireEvidence",
    "RunId",
    "Source",
    "Store",
    "ask",
    "load",
    "override_json",
    "print_accepted",
    "print_refusal",
    "print_verdict",
    "read_images",
    "read_phase",
    "say",
    "show_json",
    "stored",
    "verify",
]

ProfileName = Annotated[
    str, typer.Option("--profile", "-p", metavar="NAME", help="The environment's profile.")
]
PhaseName = Annotated[str, typer.Option("--phase", help="When in the release: pre-deploy or post-deploy.")]
Profiles = Annotated[str, typer.Option("--profiles", metavar="DIR", help="The folder of your own profiles.")]
Images = Annotated[
    list[str],
    typer.Option(
        "--image",
        metavar="NAME@sha256:…",
        help="An image about to be deployed, by its digest; repeatable.",
        default_factory=list,
        show_default=False,
    ),
]
Source = Annotated[
    str, typer.Option("--source", metavar="COMMIT", help="The full commit (or tree digest) of the source.")
]
File = Annotated[
    Path | None,
    typer.Option(
        "--verdict",
        metavar="FILE",
        help="The verdict, or a bundle of it; default: reports/<profile>/<phase>/verdict.intoto.json.",
    ),
]
Store = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="URI",
        help="Where verdicts are kept: s3://bucket/prefix or a folder; default: the profile's \\[store].",
    ),
]
RunId = Annotated[
    str, typer.Option("--run", metavar="RUN", help="This run of the store, if it is still the newest.")
]
RequireEvidence = Annotated[
    bool, typer.Option("--require-evidence", help="Refuse when a file of evidence is not there.")
]
AcceptOverride = Annotated[
    bool, typer.Option("--accept-override", help="Deploy what is not GO, where an emergency override stands.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def verify(
    profile: ProfileName,
    image: Images,
    source: Source = "",
    phase: PhaseName = "pre-deploy",
    verdict: File = None,
    profiles: Profiles = "profiles",
    require_evidence: RequireEvidence = False,
    accept_override: AcceptOverride = False,
    as_json: AsJson = False,
    store: Store = "",
    run: RunId = "",
) -> int:
    """Accept or refuse the verdict for exactly what is about to be deployed. Only exit code 0 lets a deploy go on.

    0 GO, 10 NO_GO, 11 INCONCLUSIVE, 12 ERROR, 13 PENDING, or not approved, 14 not usable, 15 not GO and an emergency
    override exists, 64 wrong usage.
    """
    return answer(
        profile,
        image,
        source=source,
        phase=phase,
        verdict=verdict,
        profiles=profiles,
        require_evidence=require_evidence,
        accept_override=accept_override,
        as_json=as_json,
        store=store,
        run=run,
    )
