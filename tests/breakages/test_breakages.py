"""Each check fails of exactly the thing it is about, by name, and says what to do."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aws_parts import (  # noqa: F401 - fixtures
    Database,
    credentials,
    database,
    no_inherited_aws,
    owner,
    stack_url,
)
from breakages.parts import Breakage, not_passed, run_gate, world
from harness.model import Outcome

# ruff: noqa: F811 - a fixture's parameters are named like the fixtures they ask for
HERE = Path(__file__).parent
MODULES = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in {"__init__", "parts"})
TABLES: dict[str, tuple[Breakage, ...]] = {
    module: importlib.import_module(f"breakages.{module}").BREAKAGES
    for module in MODULES
    if not module.startswith("test_")
}
BREAKAGES = [breakage for table in TABLES.values() for breakage in table]
SAMPLE = {TABLES[module][0].name for module in ("alb", "cloudformation", "ecs", "rds")}
"""Some; all of them are run by ``tox -e full``."""
UNBREAKABLE = {
    "alb.is_active": "the emulator knows no load balancer that is not active; see tests/aws/test_alb.py",
}
"""Checks that pass in the emulator and cannot fail there, and where their failing is shown."""


@pytest.mark.parametrize(
    "breakage",
    [
        pytest.param(
            item, id=item.name.replace(" ", "-"), marks=() if item.name in SAMPLE else pytest.mark.slow
        )
        for item in BREAKAGES
    ],
)
def test_exactly_this_check_fails(
    breakage: Breakage,
    tmp_path: Path,
    stack_url: str,
    credentials: str,
    owner: Callable[[str], Any],
    database: Database,
    no_inherited_aws: None,
) -> None:
    with world(tmp_path, credentials, stack_url, owner, database, breakage.overrides) as broken:
        breakage.breaks(broken)
        results = run_gate(broken, tmp_path, phase=breakage.phase, images=breakage.images)
    failed = not_passed(results)
    shown = {name: (result.outcome.value, result.reason) for name, result in failed.items()}
    assert set(failed) == {breakage.check, *breakage.also}, shown
    result = failed[breakage.check]
    assert result.outcome is Outcome.FAILED, shown
    told = " ".join((result.reason, *result.diagnosis))
    for text in (result.resource, *breakage.says):
        assert text in told
    assert result.hint, "it says what to do"


def test_whole_it_passes(
    tmp_path: Path,
    stack_url: str,
    credentials: str,
    owner: Callable[[str], Any],
    database: Database,
    no_inherited_aws: None,
) -> None:
    with world(tmp_path, credentials, stack_url, owner, database) as whole:
        results = run_gate(whole, tmp_path)
    shown = {name: (result.outcome.value, result.reason) for name, result in not_passed(results).items()}
    assert not shown
    covered = {breakage.check.partition("[")[0] for breakage in BREAKAGES}
    checks = {name.partition("[")[0] for name, result in results.items() if result.outcome == "passed"}
    assert checks - covered == UNBREAKABLE.keys(), "each check has a breakage"
