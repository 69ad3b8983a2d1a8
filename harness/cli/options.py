"""Options that several commands have, each meaning the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

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
