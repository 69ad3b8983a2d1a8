"""The command line: parsing and printing only. One file per command; `COMMANDS` has one row each.

Only the module of the command that was named is imported: a deploy step that verifies pays for nothing else.
"""

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

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


def build(*names: str) -> typer.Typer:
    """The command line with these commands; with none, all of them."""
    app = typer.Typer(
        name="gonogo",
        help=ABOUT,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for command in [COMMANDS[name] for name in names or COMMANDS]:
        if command.group:
            app.add_typer(command.load(), name=command.name)
        else:
            app.command(command.name)(command.load())
    return app


def _say_version(wanted: bool) -> None:
    if wanted:
        from harness import __version__

        print(f"gonogo {__version__}")  # noqa: T201
        raise typer.Exit


def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code; an expected error is printed with what to do, any other has a traceback."""
    given = sys.argv[1:] if arguments is None else arguments
    named = [given[0]] if given and given[0] in COMMANDS else []
    sys.exit(run(named, given))


def run(named: list[str], given: list[str]) -> int:
    """Parse and run; wrong usage is `ExitCode.USAGE`, never one of pytest's codes."""
    try:
        code = build(*named)(given, prog_name="gonogo", standalone_mode=False)
    except typer.Abort:
        return _tell("interrupted", ExitCode.ERROR)
    except GonogoError as error:
        return _tell(str(error), error.exit_code)
    except TyperException as error:
        if (
            type(error).__name__ == "NoArgsIsHelpError"
        ):  # naming nothing asks for the help, which is printed already
            return ExitCode.USAGE
        command = " ".join(["gonogo", *named])
        return _tell(f"{error.format_message()}\n  → see `{command} --help`", ExitCode.USAGE)
    return code if isinstance(code, int) else ExitCode.GO


def _tell(message: str, code: ExitCode) -> int:
    print(f"gonogo: {message}", file=sys.stderr)  # noqa: T201
    return code
