"""The command line: parsing and printing only. One file per command; `COMMANDS` has one row each.

Only the module of the command that was named is imported, and no parser for a plain `verify`: a deploy step pays for nothing
else.
"""

import gc
import sys
from importlib import import_module
from typing import Any

from harness.errors import ExitCode, GonogoError
from harness.frozen import dataclass

ABOUT = "May this release go? Layered gates against a named environment, and one verdict that deploy steps verify."


@dataclass(frozen=True)
class Command:
    """One command: ``module:attribute``, where the attribute is a function, or a Typer app for a group."""

    name: str
    target: str
    group: bool = False

    def load(self) -> Any:  # noqa: ANN401 - a function or a Typer app
        """Import it."""
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(module), attribute)


COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command("gate", "harness.cli.gate:gate"),
        Command("try", "harness.cli.gate:try_gates"),
        Command("verify", "harness.cli.verify:verify"),
        Command("guard", "harness.cli.guard:guard"),
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
    if arguments is not None or named != ["verify"]:
        sys.exit(_guarded(named, given))
    # All that verifying makes is small and lives to the end: looking for garbage, then too, would take a fifth of its time.
    gc.disable()
    code = _guarded(named, given)
    gc.freeze()
    sys.exit(code)


def _guarded(named: list[str], given: list[str]) -> int:
    try:
        return run(named, given)
    except Exception:  # noqa: BLE001 - whatever it is, it is no answer, and must not look like one
        import traceback

        from harness.masking import mask

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
    """Say on stderr why it ends."""
    print(f"gonogo: {message}", file=sys.stderr)  # noqa: T201
    return code
