"""``gonogo advisories``: the advisory mirror that the security gate reads."""

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.scanners.advisories import MirrorInfo, describe, read_mirror
from harness.scanners.advisories import build as build_mirror

app = typer.Typer(help="The advisory mirror that the security gate reads.", no_args_is_help=True)


@app.command()
def build(
    osv: Annotated[
        Path, typer.Option(help="A folder or archive of OSV records (YAML or JSON).", exists=True)
    ],
    out: Annotated[Path, typer.Option(help="The mirror; replaced whole, or not at all.")],
    source: Annotated[str, typer.Option(help="What to call the source in verdicts.")] = "",
) -> None:
    """Compile OSV records into a mirror."""
    _show(build_mirror(osv, out, source=source))


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="A mirror.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a mirror is; its files are held against their digests."""
    info = read_mirror(folder)
    if as_json:
        typer.echo(json.dumps(describe(info), indent=2))
    else:
        _show(info)


def _show(info: MirrorInfo) -> None:
    typer.echo(f"{info.path}")
    typer.echo(f"  source    {info.source}")
    typer.echo(f"  newest    {info.date:%Y-%m-%d %H:%M} UTC")
    typer.echo(
        f"  records   {info.records} of {info.packages} packages ({info.withdrawn} withdrawn ones left out)"
    )
    typer.echo(f"  sha256    {info.sha256}")
    if info.widened:
        typer.echo(
            f"  widened   {', '.join(info.widened)}: a bound could not be read, so more versions count"
        )
