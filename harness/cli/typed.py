"""The command line as typer reads it: every command, every option, help and wrong usage."""

from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption
from typer.exceptions import TyperException

from harness.cli import ABOUT, COMMANDS, tell
from harness.errors import ExitCode, GonogoError


class _Strict(TyperCommand):
    """A command whose options have one value each, but for those that are lists: of two, one would be passed over."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - a class that typer keeps to itself
        """Read the arguments; an option with two values is wrong usage."""
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for option in self.params:
            once = isinstance(option, TyperOption) and not option.multiple and not option.is_flag
            if once and given.count(option) > 1:
                ctx.fail(f"{max(option.opts, key=len)} is given {given.count(option)} times")
        read: list[str] = super().parse_args(ctx, args)
        return read


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
    groups: list[typer.Typer] = []
    for command in [COMMANDS[name] for name in names or COMMANDS]:
        if command.group:
            groups.append(command.load())
            app.add_typer(groups[-1], name=command.name)
        elif command.strict:
            own = {"allow_interspersed_args": False}
            app.command(command.name, cls=_Strict, context_settings=own)(command.load())
        else:
            app.command(command.name)(command.load())
    for each in (*app.registered_commands, *(each for group in groups for each in group.registered_commands)):
        each.help = each.help or _flowing(each.callback.__doc__ if each.callback else "")
    return app


def _flowing(text: str | None) -> str:
    """A docstring as help: paragraphs without the line breaks of the source, which no terminal is as wide as."""
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n"))


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
    except SystemExit as leaving:
        if leaving.code != 1:
            raise
        # Typer's own way out where nobody reads stdout any more; 1 is one of pytest's codes.
        return ExitCode.ERROR
    except typer.Abort:
        return tell("interrupted", ExitCode.ERROR)
    except GonogoError as error:
        return tell(str(error), error.exit_code)
    except TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            return ExitCode.USAGE  # naming nothing asks for the help, which is printed already
        context = getattr(error, "ctx", None)
        command = context.command_path if context else " ".join(["gonogo", *named])
        return tell(f"{error.format_message()}\n  → see `{command} --help`", ExitCode.USAGE)
    return code if isinstance(code, int) else ExitCode.GO
