"""Stand-ins for the programs that gates start: well-behaved ones, and ones that lie as real ones have.

A copy puts them in a program's place (`harness.selftest.copies.Copy.tools`); the variable `MODE` says what is wrong with
them. They run in the program's own process and know nothing of the self-test.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.load.latency import Latencies, bucket
from harness.load.plan import VARIABLE, Plan
from harness.load.result import SCHEMA
from harness.load.windows import Timeline

MODE = "SELFTEST_MODE"
SILENT = "silent"
"""It exits 0 and writes nothing."""
EMPTY = "empty"
"""It exits 0 with a whole report of nothing."""
TRUNCATED = "truncated"
"""It exits 0, and its report ends in the middle."""
_TIME = 5_000_000
"""Nanoseconds that every request took."""


def _mode(tool: str) -> str:
    """What is wrong with `tool`, as in ``bandit=silent locust=nan``; empty where nothing is."""
    modes = dict(each.partition("=")[::2] for each in os.environ.get(MODE, "").split())
    return modes.get(tool, "")


def _write(path: Path, content: Mapping[str, Any], mode: str) -> None:
    text = json.dumps(content)
    path.write_text(text[: len(text) // 2] if mode == TRUNCATED else text)


def _option(arguments: Sequence[str], name: str) -> Path:
    joined = next((each.partition("=")[2] for each in arguments if each.startswith(f"{name}=")), "")
    return Path(joined or arguments[arguments.index(name) + 1])


def bandit(arguments: Sequence[str]) -> int:
    """Bandit: a report about every file below its paths."""
    if (mode := _mode("bandit")) == SILENT:
        return 0
    folders = [Path(each) for each in arguments[arguments.index("--") + 1 :]]
    files = [] if mode == EMPTY else [path for folder in folders for path in folder.rglob("*.py")]
    totals = {"_totals": {"nosec": 0, "skipped_tests": 0}}
    report = {"errors": [], "results": [], "metrics": {**totals, **{str(path): {} for path in files}}}
    _write(_option(arguments, "--output"), report, mode)
    return 0


def safety(arguments: Sequence[str]) -> int:
    """Safety: a report about every package of its requirement file."""
    if (mode := _mode("safety")) == SILENT:
        return 0
    lines = [] if mode == EMPTY else _option(arguments, "--file").read_text().split()
    pins = [line.partition("==") for line in lines]
    packages = {
        name: {"requirements": [{"name": name, "specifier": f"=={version}"}]} for name, _, version in pins
    }
    empty: dict[str, Any] = {"vulnerabilities": [], "ignored_vulnerabilities": [], "announcements": []}
    _write(_option(arguments, "--save-json"), {"scanned_packages": packages, **empty}, mode)
    return 0


def ruff(_arguments: Sequence[str]) -> int:
    """Ruff, which says nothing at all."""
    return 0


def locust(_arguments: Sequence[str]) -> int:
    """Locust: the result of a run in which every request took as long and succeeded."""
    plan = Plan.from_json(os.environ[VARIABLE])
    if (mode := _mode("locust")) == SILENT:
        return 0
    write_result(Path(plan.result), plan.run, plan.scenario, plan.arrivals or 0, plan.duration, mode)
    return 0


def write_result(path: Path, run: str, scenario: str, planned: int, duration: float, mode: str = "") -> None:
    """Write a load run's result, in the way that `mode` says."""
    made = load_result(run, scenario, planned, 0 if mode == EMPTY else planned, duration)
    if mode in _SPOILT:
        _SPOILT[mode](made)
    _write(path, made, mode)


def _nan(made: dict[str, Any]) -> None:
    made["cpu"] = float("nan")


def _other_run(made: dict[str, Any]) -> None:
    made["run"] = "0" * 32


def _lost(made: dict[str, Any]) -> None:
    """A tenth of what was sent never came to an end."""
    made["completed"] = made["succeeded"] = made["sent"] - made["sent"] // 10
    rows, left = made["windows"]["rows"], made["sent"] // 10
    index = str(bucket(_TIME))
    for row in rows:
        gone = min(left, row["succeeded"])
        left -= gone
        row["succeeded"] -= gone
        for series in (row["latency"], row["service_time"]):
            series[index] = series.get(index, 0) - gone
            if not series[index]:
                del series[index]
    for name in ("latency", "service_time"):
        made[name] = _times(made["succeeded"])


def _incomplete(made: dict[str, Any]) -> None:
    made["complete"] = False


def _behind(made: dict[str, Any]) -> None:
    """It sent everything, late: the service had less to do than the profile says."""
    made["lag"] = _times(made["sent"], 800_000_000)


_SPOILT: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "nan": _nan,
    "other-run": _other_run,
    "lost": _lost,
    "incomplete": _incomplete,
    "behind": _behind,
}


def load_result(run: str, scenario: str, planned: int, sent: int, duration: float) -> dict[str, Any]:
    """A load run in which `sent` of the `planned` requests were sent, as plain values."""
    length = round(duration * 1e9)
    windows, index = Timeline(length, planned=True), bucket(_TIME)
    for number in range(sent):
        at = number * length // sent
        windows.due(at, at)
        windows.timed(at, index, index, timed_out=False)
    return {
        "schema": SCHEMA,
        "run": run,
        "scenario": scenario,
        "complete": True,
        "model": "open",
        "started": "2026-01-01T00:00:00+00:00",
        "planned": planned,
        **dict.fromkeys(("sent", "completed", "succeeded"), sent),
        **dict.fromkeys(("timed_out", "dropped", "late", "retried", "warm_up"), 0),
        "duration": length,
        "elapsed": length,
        "cpu": 0.1,
        "latency": _times(sent),
        "service_time": _times(sent),
        "lag": _times(sent, 10_000),
        "failures": {},
        "statuses": {"200": sent} if sent else {},
        "slowest": [],
        "first_failures": [],
        "windows": asdict(windows.windows()),
        "steps": {},
        "nodes": 1,
        "due": planned,
        "judged": [],
    }


def _times(count: int, time: int = _TIME) -> dict[str, Any]:
    recorded = Latencies()
    for _ in range(count):
        recorded.add(time)
    return asdict(recorded.summary())
