"""The command line as typer reads it: every command, every option, help and wrong usage."""

from typing import Annotated

import typer
from typer.exceptions import TyperException

from harness.cli import ABOUT, COMMANDS, tell
from harness.errors import ExitCode, GonogoError


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


def run(named: list[str], given: list[str]) -> int:
    """Parse and run; wrong usage is `ExitCode.USAGE`, never one of pytest's codes."""
    try:
        code = build(*named)(given, prog_name="gonogo", standalone_mode=False)
    except typer.Abort:
        return tell("interrupted", ExitCode.ERROR)
    except GonogoError as error:
        return tell(str(error), error.exit_code)
    except TyperException as error:
        if (
            type(error).__name__ == "NoArgsIsHelpError"
        ):  # naming nothing asks for the help, which is printed already
            return ExitCode.USAGE
        command = " ".join(["gonogo", *named])
        return tell(f"{error.format_message()}\n  → see `{command} --help`", ExitCode.USAGE)
    return code if isinstance(code, int) else ExitCode.GO
