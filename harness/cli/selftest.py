"""``gonogo selftest``: does everything that makes gates lie end in something else than GO? Tried on copies."""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.asked import say, show_json
from harness.cli.options import Profiles
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from harness.selftest.fault import Fault, Row


def selftest(
    profile: Annotated[
        str, typer.Option("--profile", "-p", metavar="NAME", help="Whose rules are tried.")
    ] = "local",
    fault: Annotated[
        list[str] | None, typer.Option("--fault", metavar="NAME", help="Inject this one only; repeatable.")
    ] = None,
    profiles: Profiles = "profiles",
    jobs: Annotated[
        int,
        typer.Option("--jobs", min=0, max=64, help="Copies run at once; 0 for one a core, and two at least."),
    ] = 0,
    list_: Annotated[bool, typer.Option("--list", help="Print the faults, and inject none.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Inject faults into copies of a small application, under the rules of a profile; each must end in something else
    than GO.

    Nothing of yours is touched: neither files nor environment nor AWS. 0 when every fault was caught, else 12; one
    that could not be injected was not caught.
    """
    from harness.selftest.table import select

    chosen = select(fault or ())
    if list_:
        _show_list(chosen, as_json=as_json)
        return ExitCode.GO
    _require_extra()
    started = time.monotonic()
    rows = _run(profile, profiles, chosen, jobs)
    seconds = time.monotonic() - started
    if as_json:
        show_json(_as_json(profile, rows, seconds))
    else:
        _show(rows, seconds)
    return ExitCode.GO if _ok(rows) else ExitCode.ERROR


def _require_extra() -> None:
    from importlib.util import find_spec

    if missing := [name for name in ("pytest", "psutil", "boto3") if find_spec(name) is None]:
        raise UsageError(
            f"gates are run, and {', '.join(missing)} is not installed", hint="pip install 'gonogo[gate]'"
        )


def _run(profile: str, profiles: str, chosen: "Sequence[Fault]", jobs: int) -> "list[Row]":
    from harness.gates import tables
    from harness.profile.loader import load_profile
    from harness.profile.sources import own_folder
    from harness.selftest.lab import Lab
    from harness.selftest.runner import run_all

    loaded = load_profile(profile, tables(), folder=own_folder(profiles), environ={})
    told = 0

    def tell(row: "Row") -> None:
        nonlocal told
        told += 1
        if not row.skipped:
            line = f"[{told}/{len(chosen)}] {_mark(row)} {row.fault.name}: {row.came} ({row.seconds:.1f} s)"
            say(line, to_stderr=True)

    with tempfile.TemporaryDirectory(prefix="gonogo-selftest-", ignore_cleanup_errors=True) as folder:
        return run_all(Lab(loaded, Path(folder)), chosen, tell=tell, width=jobs)


def _ok(rows: "Sequence[Row]") -> bool:
    """Every fault that concerns the profile was caught, and there was one."""
    tried = [row for row in rows if not row.skipped and not row.fault.control]
    return bool(tried) and all(row.caught for row in rows if not row.skipped)


def _mark(row: "Row") -> str:
    return "–" if row.skipped else "✓" if row.caught else "✗"


def _show_list(chosen: "Sequence[Fault]", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_described(fault) for fault in chosen], indent=1))  # noqa: T201
        return
    width = max(len(fault.name) for fault in chosen)
    for fault in chosen:
        say(f"{fault.name:<{width}}  {fault.title} ({fault.where})")


def _show(rows: "Sequence[Row]", seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "fault", "what is broken", "where", "must be", "came to", "s"):
        whole = name == "fault"  # it is what --fault takes
        table.add_column(name, justify="right" if name == "s" else "left", overflow="fold", no_wrap=whole)
    for row in rows:
        colour = "dim" if row.skipped else "green" if row.caught else "bold red"
        fault, came = row.fault, f"not tried: {row.skipped}" if row.skipped else row.came
        cells = (fault.name, fault.title, fault.where, " or ".join(fault.expect), came)
        time_ = "" if row.skipped else f"{row.seconds:.1f}"
        table.add_row(f"[{colour}]{_mark(row)}[/]", *(text.replace("[", r"\[") for text in cells), time_)
    console.print(table)
    tried = [row for row in rows if not row.skipped and not row.fault.control]
    lost = [row for row in rows if not row.skipped and not row.caught]
    skipped = sum(bool(row.skipped) for row in rows)
    caught = sum(row.caught for row in tried)
    colour = "green" if _ok(rows) else "bold red"
    console.print(
        f"\n{caught} of {len(tried)} faults caught in {seconds:.0f} s"
        + (f"; {skipped} not tried, which do not concern this profile" if skipped else ""),
        style=colour,
    )
    for row in lost:
        what = "is not GO, so that no fault proves anything" if row.fault.control else "was not caught"
        console.print(f"✗ {row.fault.name} {what}: {row.came}", style="bold red", markup=False)


def _described(fault: "Fault") -> dict[str, Any]:
    return {"name": fault.name, "title": fault.title, "where": fault.where, "expected": list(fault.expect)}


def _as_json(profile: str, rows: "Sequence[Row]", seconds: float) -> dict[str, Any]:
    tried = [row for row in rows if not row.skipped and not row.fault.control]
    return {
        "ok": _ok(rows),
        "profile": profile,
        "faults": len(tried),
        "caught": sum(row.caught for row in tried),
        "skipped": sum(bool(row.skipped) for row in rows),
        "seconds": round(seconds, 1),
        "rows": [
            {
                **_described(row.fault),
                "came_to": row.came,
                "caught": row.caught,
                "skipped": row.skipped,
                "seconds": round(row.seconds, 2),
            }
            for row in rows
        ],
    }
