"""``gonogo profile``: what the profiles say, where each value comes from, and what is wrong with them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import ExitCode, GonogoError, ProfileError
from harness.gates import tables
from harness.profile import Profile
from harness.profile.json_schema import profile_schema
from harness.profile.loader import load_profile
from harness.profile.problems import InvalidProfileError
from harness.profile.sources import available, own_folder

app = typer.Typer(no_args_is_help=True, help="What the profiles say, and what is wrong with them.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="A profile's name, or the path of its file.")]
_Names = Annotated[
    list[str],
    typer.Argument(
        metavar="[NAME…]", help="All profiles, if none is named.", default_factory=list, show_default=False
    ),
]
_Profiles = Annotated[
    Path, typer.Option("--profiles", metavar="DIR", help="The folder of your own profiles.")
]
_Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override one key of the profile; repeatable.",
        default_factory=list,
        show_default=False,
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_WIDE = 240
"""Columns where the output is no terminal and must not be cut to one."""


@app.command("list")
def list_profiles(profiles: _Profiles = Path("profiles"), as_json: _Json = False) -> None:
    """The profiles there are, your own before the shipped ones."""
    rows = []
    for name, path in available(own_folder(str(profiles))).items():
        try:
            about = load_profile(name, tables(), folder=profiles).description
        except ProfileError as error:
            about = f"not valid: {error.message.partition(chr(10))[0]}"
        rows.append((name, about, str(path)))
    if as_json:
        _print_json([dict(zip(("name", "description", "file"), row, strict=True)) for row in rows])
    else:
        _print_table(("profile", "what it is", "file"), rows)


@app.command()
def show(
    name: _Name,
    overrides: _Overrides,
    profiles: _Profiles = Path("profiles"),
    as_json: _Json = False,
) -> None:
    """Every value of a profile, the defaults included, with where it comes from."""
    profile = load_profile(name, tables(), folder=own_folder(str(profiles)), overrides=overrides)
    if as_json:
        settings = {
            key: {"value": setting.value, "source": setting.source, "place": key in profile.places}
            for key, setting in profile.settings.items()
        }
        _print_json({"profile": profile.name, "settings": settings})
        return
    rows = [(key, _text(setting.value), setting.source) for key, setting in profile.settings.items()]
    _print_table(("key", "value", "from"), rows)


@app.command()
def check(
    names: _Names,
    overrides: _Overrides,
    profiles: _Profiles = Path("profiles"),
    as_json: _Json = False,
) -> None:
    """Everything that is wrong with a profile and its waivers, at once; exit code 64 if there is anything."""
    folder = own_folder(str(profiles))
    own = {name for name, path in available(folder).items() if path.parent == folder}
    results = {
        name: _problems(name, folder, overrides, others=bool(names) or name in own)
        for name in names or available(folder)
    }
    if as_json:
        _print_json(results)
    else:
        for name, found in results.items():
            typer.echo(f"{name}: " + ("valid" if not found else f"{len(found)} to correct"))
            for problem in found:
                typer.echo("  " + ": ".join(part for part in problem.values() if part))
    if any(results.values()):
        raise typer.Exit(ExitCode.USAGE)


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A")],
    second: Annotated[str, typer.Argument(metavar="B")],
    overrides: _Overrides,
    profiles: _Profiles = Path("profiles"),
    as_json: _Json = False,
) -> None:
    """In what two profiles differ, side by side; the names of their environments apart (`<env>`)."""
    from harness.profile.diff import differences

    left, right = (
        load_profile(name, tables(), folder=own_folder(str(profiles)), overrides=overrides)
        for name in (first, second)
    )
    found = differences(left, right)
    if as_json:
        _print_json({item.key: {first: item.left, second: item.right} for item in found})
    else:
        _print_table(("key", first, second), [(i.key, _text(i.left), _text(i.right)) for i in found])


@app.command()
def schema() -> None:
    """The JSON Schema of a profile file, for editors and other tools."""
    _print_json(profile_schema(tables()))


def _problems(
    name: str, folder: Path, overrides: Sequence[str], *, others: bool = True
) -> list[dict[str, str]]:
    """What is wrong with a profile; with `others`, also with what it says of other profiles."""
    try:
        profile = load_profile(name, tables(), folder=folder, overrides=overrides)
    except InvalidProfileError as error:
        return [{"source": item.source, "key": item.key, "text": item.text} for item in error.problems]
    except ProfileError as error:
        return [{"source": "", "key": "", "text": f"{error.message}; {error.hint}"}]
    if profile.waivers_problem:
        hint = "`gonogo waivers check` names everything"
        return [{"source": "", "key": "policy.waivers", "text": f"{profile.waivers_problem}; {hint}"}]
    return _others_problems(profile, folder) if others else []


def _others_problems(profile: Profile, folder: Path) -> list[dict[str, str]]:
    """What is wrong with the other profiles that it names: a run of its gates would not begin."""
    from harness.gate_request import counterparts, predecessors

    found = []
    for key, read in (
        ("gates.integration.parity", counterparts),
        ("gates.promotion.proven_in", predecessors),
    ):
        try:
            read(profile, str(folder))
        except GonogoError as error:
            source = profile.settings[key].source
            found.append({"source": source, "key": key, "text": f"{error.message}; {error.hint}"})
    return found


def _text(value: object) -> str:
    """A value as the profile's file would hold it, without the quotes of plain text."""
    if value is None:
        return "-"
    return value if value and isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDE)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in head:
        table.add_column(title, overflow="fold")  # a key that is cut cannot be used
    for row in rows:
        table.add_row(*(_literal(cell) for cell in row))
    console.print(table)


def _literal(cell: str) -> str:
    """Brackets in keys are no markup."""
    from rich.markup import escape

    return escape(cell)
