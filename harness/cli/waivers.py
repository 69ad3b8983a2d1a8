"""``gonogo waivers``: which exceptions there are, what is wrong with them, and which need somebody's attention."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.asked import say, show_json
from harness.cli.options import Profiles
from harness.errors import ExitCode
from harness.model import ExpectedCheck, Phase, Waiver
from harness.profile import Profile
from harness.profile.problems import meaning
from harness.profile.waivers import WaiverFile
from harness.waivers import breadth, is_over, names_check

app = typer.Typer(no_args_is_help=True, help="Exceptions with an owner, a reason and an end.")

SOON = timedelta(days=7)
"""What ends within this time is told."""
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Name = Annotated[
    str, typer.Option("--profile", "-p", metavar="NAME", help="Only what holds in this environment.")
]


@app.command()
def check(profiles: Profiles = "profiles", as_json: _Json = False) -> int:
    """Read every file of waivers that the profiles name, and tell what is wrong with it and what to look at.

    0 when all can be read, 64 when one cannot. What is over, broad, or names nothing that any profile expects is told.
    """
    now = datetime.now(UTC)
    known = _profiles(profiles)
    files = _files(known, profiles, now)
    problems = [str(problem) for file in files for problem in file.problems]
    notes = [note for waiver in _waivers(files) for note in _notes(waiver, known, now)]
    if as_json:
        show_json({"files": [str(file.path) for file in files], "problems": problems, "notes": notes})
        return ExitCode.USAGE if problems else ExitCode.GO
    for file in files:
        there = f"{len(file.waivers)} waivers" if file.path.is_file() else "there is none"
        say(f"{file.path}: {'cannot be used' if file.problems else there}")
    for problem in problems:
        say(f"  {problem}", "red")
    for note in notes:
        say(f"  {note}", "yellow")
    return ExitCode.USAGE if problems else ExitCode.GO


@app.command("list")
def list_waivers(profile: _Name = "", profiles: Profiles = "profiles", as_json: _Json = False) -> int:
    """Every waiver, those that are over included, the next to end first."""
    now = datetime.now(UTC)
    known = _profiles(profiles, profile)
    files = _files(known, profiles, now)
    if problems := [str(problem) for file in files for problem in file.problems]:
        for problem in problems:
            say(problem, "red", to_stderr=True)
        return ExitCode.USAGE
    found = [each for each in _waivers(files) if profile in ("", *each.environments)]
    found.sort(key=lambda each: (each.expires, each.id))
    if as_json:
        show_json({"waivers": [_as_json(each, now) for each in found]})
        return ExitCode.GO
    for each in found:
        what = each.check or f"{each.finding}{f' in {each.path}' if each.path else ''}"
        where = ", ".join(each.environments) + (f", image {each.image}" if each.image else "")
        say(f"{each.id}  {_state(each, now)}  {what}", "red" if is_over(each, now) else "")
        say(f"    {where}; {each.owner}: {each.reason}")
    if not found:
        say("there are no waivers")
    return ExitCode.GO


def _profiles(folder: str, name: str = "") -> dict[str, Profile]:
    """The profiles by name; with a name, this one only."""
    from harness.cli.asked import load
    from harness.profile.sources import available, own_folder

    names = [name] if name else list(available(own_folder(folder)))
    return {each: load(each, folder) for each in names}


def _files(profiles: dict[str, Profile], folder: str, now: datetime) -> list[WaiverFile]:
    """Each file once, by the strictest of the profiles that name it."""
    from harness.profile.loader import waiver_file

    found: dict[Path, WaiverFile] = {}
    for profile in sorted(profiles.values(), key=lambda each: each.policy.waiver_days):
        file = waiver_file(profile, Path(folder), now)
        found.setdefault(file.path, file)
    return list(found.values())


def _waivers(files: Iterable[WaiverFile]) -> list[Waiver]:
    return [waiver for file in files for waiver in file.waivers]


def _notes(waiver: Waiver, profiles: dict[str, Profile], now: datetime) -> Iterable[str]:
    """What somebody should look at, each beginning with the waiver's id."""
    if is_over(waiver, now):
        yield f"{waiver.id}: is over since {_time(waiver.expires)}; remove it, or decide anew"
        return
    if waiver.expires - now < SOON:
        yield f"{waiver.id}: ends at {_time(waiver.expires)}"
    if wide := breadth(waiver):
        yield f"{waiver.id}: is broad: {wide}"
    real = {name for name, profile in profiles.items() if profile.phases}
    if len(real) > 1 and real <= set(waiver.environments):
        yield f"{waiver.id}: is broad: it holds in every environment there is"
    if waiver.check:
        expected = _expected(profiles[name] for name in waiver.environments if name in profiles)
        if not any(names_check(waiver, each.id) for each in expected):
            near = meaning(waiver.check, sorted({each.id for each in expected}))
            yield f"{waiver.id}: no profile of its scope expects {waiver.check}" + (
                f"; {near}" if near else ""
            )


def _expected(profiles: Iterable[Profile]) -> Sequence[ExpectedCheck]:
    from harness.gates import plan

    return [check for profile in profiles for phase in Phase for check in plan(profile, phase)[1]]


def _state(waiver: Waiver, now: datetime) -> str:
    return f"{'over since' if is_over(waiver, now) else 'until'} {_time(waiver.expires)}"


def _as_json(waiver: Waiver, now: datetime) -> dict[str, Any]:
    from harness.codec import dump

    return {**dump(waiver), "over": is_over(waiver, now)}


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
