"""The command line: parsing and printing only. One file per command; `COMMANDS` has one row each.

Only the module of the command that was named is imported, and no parser for a plain `verify`: a deploy step pays for nothing
else.
"""

import gc
import io
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from harness.errors import ExitCode, GonogoError
from harness.frozen import dataclass

ABOUT = "May this release go? Layered gates against a named environment, and one verdict that deploy steps verify."


@dataclass(frozen=True)
class Command:
    """One command: ``module:attribute``, where the attribute is a function, or a Typer app for a group."""

    name: str
    target: str
    group: bool = False
    strict: bool = False
    """Whether it speaks for a deploy: no option has two values, and what follows a program's name is the program's."""

    def load(self) -> Any:  # noqa: ANN401 - a function or a Typer app
        """Import it."""
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(module), attribute)


COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command("gate", "harness.cli.gate:gate"),
        Command("try", "harness.cli.gate:try_gates"),
        Command("verify", "harness.cli.verify:verify", strict=True),
        Command("guard", "harness.cli.guard:guard", strict=True),
        Command("approve", "harness.cli.approve:approve"),
        Command("override", "harness.cli.override:override"),
        Command("explain", "harness.cli.explain:explain"),
        Command("bundle", "harness.cli.bundle:bundle"),
        Command("verdicts", "harness.cli.verdicts:app", group=True),
        Command("profile", "harness.cli.profile:app", group=True),
        Command("waivers", "harness.cli.waivers:app", group=True),
        Command("keys", "harness.cli.keys:app", group=True),
        Command("iam-policy", "harness.cli.iam_policy:iam_policy"),
        Command("load-worker", "harness.cli.load_worker:load_worker"),
        Command("local", "harness.cli.local:app", group=True),
        Command("advisories", "harness.cli.advisories:app", group=True),
        Command("selftest", "harness.cli.selftest:selftest"),
    )
}


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code; an expected error is printed with what to do, any other keeps its traceback
    and is an ERROR, never one of pytest's codes."""
    given = sys.argv[1:] if arguments is None else arguments
    named = [given[0]] if given and given[0] in COMMANDS else []
    if arguments is not None:
        sys.exit(_guarded(named, given))
    _prepare_streams()
    if named == ["verify"]:
        # All that verifying makes is small and lives to the end: looking for garbage, then too, would take a fifth of its time.
        gc.disable()
    code = _guarded(named, given)
    if named == ["verify"]:
        gc.freeze()
    _leave(code)


def _prepare_streams() -> None:
    """Let nothing hang on where it is told: a stream that is closed takes all, one of few characters escapes the others."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave(code: int) -> NoReturn:
    """Exit with this code and no other. A GO that could not be told is none."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        tell(f"what was found could not be written: {error.strerror}", ExitCode.ERROR)
        os._exit(code or ExitCode.ERROR)  # Python would flush again, fail again, and make it 120
    if sys.flags.inspect:
        os._exit(code)  # else PYTHONINSPECT makes it 1, or on a terminal 0 whatever was found
    sys.exit(code)


def _guarded(named: list[str], given: list[str]) -> int:
    try:
        return run(named, given)
    except Exception:  # noqa: BLE001 - whatever it is, it is no answer, and must not look like one
        import traceback

        from harness.masking import mask

        with suppress(OSError):  # as in `tell`
            print(mask(traceback.format_exc()), end="", file=sys.stderr)  # noqa: T201
        said = "this is a bug in gonogo; nothing is decided\n  → report it, with the lines above"
        return tell(said, ExitCode.ERROR)


def run(named: list[str], given: list[str]) -> int:
    """Parse and run; wrong usage is `ExitCode.USAGE`, never one of pytest's codes."""
    from harness.cli.direct import plain

    if named == ["verify"] and (arguments := plain(given)) is not None:
        return _verify(arguments)
    from harness.cli.typed import run as run_any

    return run_any(named, given)


def _verify(arguments: dict[str, Any]) -> int:
    """`verify` without a parser; what is raised ends as it does with one."""
    from harness.cli.asked import answer

    try:
        return answer(**arguments)
    except GonogoError as error:
        return tell(str(error), error.exit_code)
    except (KeyboardInterrupt, EOFError):
        return tell("interrupted", ExitCode.ERROR)


def tell(message: str, code: ExitCode) -> int:
    """Say on stderr why it ends; where that cannot be written either, the code says it alone."""
    with suppress(OSError):
        print(f"gonogo: {message}", file=sys.stderr)  # noqa: T201
    return code
