"""``gonogo local``: the embedded stand-in in the foreground, and the faults it can be given."""

import json
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from harness.errors import UsageError

app = typer.Typer(
    help="The embedded stand-in: AWS emulator, PostgreSQL and the example application.", no_args_is_help=True
)


@app.command()
def up(
    profile: Annotated[
        str, typer.Option("--profile", "-p", metavar="NAME", help="The profile to provision.")
    ] = "local",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault", metavar="NAME", help="Break one thing; repeatable (see `gonogo local faults`)."
        ),
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="NAME=TAG", help="The tag an image has and runs under; repeatable."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override one key of the profile; repeatable."),
    ] = None,
    profiles: Annotated[
        str, typer.Option(metavar="DIR", help="The folder of your own profiles.")
    ] = "profiles",
    folder: Annotated[
        str,
        typer.Option(metavar="DIR", help="Where logs and the state file go; default: a new temporary one."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON when it is up.")] = False,
) -> int:
    """Start the stand-in, keep it until Ctrl-C, then remove it.

    Prints where its parts answer, the variables that lead to them, and the command that gates it.
    """
    from harness.gates import tables
    from harness.local import start
    from harness.local.stand_in import STATE
    from harness.profile.loader import load_profile
    from harness.profile.sources import own_folder

    loaded = load_profile(profile, tables(), folder=own_folder(profiles), overrides=tuple(set_ or ()))
    if not loaded.local.stand_in:
        raise UsageError(f"profile {loaded.name!r} has no stand-in", hint="use --profile local")
    with _ended() as end, _home(folder) as home:
        stand_in = start(
            loaded,
            home,
            faults=tuple(fault or ()),
            images=_images(image or [], loaded.app.images),
            progress=lambda text: None if as_json else typer.echo(f"… {text}"),
        )
        with stand_in as info:
            state = home.resolve() / STATE
            command = f"gonogo gate --profile {profile} --stand-in {state}"
            if as_json:
                document = {
                    "command": command,
                    "environ": dict(info.environ),
                    "faults": info.faults,
                    "logs": info.logs,
                    "pid": info.pid,
                    "state": str(state),
                }
                typer.echo(json.dumps(document))
            else:
                _show(info.environ, info.faults, info.logs, command)
            gone = _wait(end, stand_in.supervisor)
        if gone:
            from harness.errors import ToolError

            raise ToolError("the stand-in ended by itself", hint=f"look into {info.logs}")
    return 0


@app.command()
def faults(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """List what can be broken on demand."""
    from harness.local import FAULTS

    if as_json:
        typer.echo(json.dumps({fault.name: fault.description for fault in FAULTS.values()}))
        return 0
    width = max(len(name) for name in FAULTS)
    for fault in FAULTS.values():
        typer.echo(f"{fault.name:<{width}}  {fault.description}")
    return 0


def _show(environ: "dict[str, str] | object", faults: tuple[str, ...], logs: str, command: str) -> None:
    places = dict(environ) if isinstance(environ, dict) else {}
    typer.echo("\nThe stand-in is up." + (f" Broken on purpose: {', '.join(faults)}." if faults else ""))
    for label, key in (
        ("web", "WEB_ENDPOINT"),
        ("api", "API_ENDPOINT"),
        ("aws", "AWS_ENDPOINT_URL"),
        ("app", "STOREFRONT"),
    ):
        typer.echo(f"  {label}   {places[key]}")
    typer.echo(f"  logs  {logs}\n\nTo reach it from another terminal:")
    for key, value in sorted(places.items()):
        typer.echo(f"  export {key}={value}")
    typer.echo(f"\nTo gate it:\n  {command}\n\nCtrl-C ends it.")


def _images(given: list[str], known: "dict[str, str]") -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, equals, tag = text.partition("=")
        if not (equals and tag and name in known):
            raise UsageError(
                f"--image {text!r} is not one of the profile's images with a tag",
                hint=f"write NAME=TAG; [app] images has {', '.join(sorted(known)) or 'none'}",
            )
        found[name] = tag
    return found


@contextmanager
def _home(folder: str) -> Iterator[Path]:
    """The folder that was named, or a temporary one that goes with the stand-in."""
    if folder:
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory(prefix="gonogo-local-") as made:
        yield Path(made)


@contextmanager
def _ended() -> Iterator[int]:
    """A descriptor that can be read once Ctrl-C or SIGTERM has come; while starting they end it at once."""
    import os

    readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def end(_number: int, _frame: FrameType | None) -> None:
        os.write(writable, b"x")

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield readable
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(readable)
        os.close(writable)


def _wait(end: int, supervisor: int) -> bool:
    """Wait until we are told to end, or the supervisor is over; says whether it was the supervisor."""
    from harness.process import readable

    return end not in readable([end, supervisor])
