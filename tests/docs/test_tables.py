"""Each table of the code is held against its folder: a file without a row is as wrong as a row without a file."""

from pathlib import Path

import pytest

import harness
from harness.cli import COMMANDS
from harness.gate_session import check_name
from harness.gates import ALWAYS, GATES, resolve, tables
from harness.profile.loader import load_profile
from harness.resources import shipped

PACKAGE = Path(harness.__file__).parent
NOT_GATES = {"__init__", "baselines", "context", "context_file"}


def test_every_gate_has_a_file_a_row_and_a_suite() -> None:
    files = {path.stem for path in (PACKAGE / "gates").glob("*.py")} - NOT_GATES
    suites = {
        path.name for path in shipped("suites").iterdir() if path.is_dir() and not path.name.startswith("__")
    }
    assert files == set(GATES) == suites


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_file(name: str) -> None:
    assert COMMANDS[name].load()


def test_every_gate_depends_on_gates_there_are() -> None:
    for gate in GATES.values():
        assert set(gate.depends) <= set(GATES)
        if gate.prepare:
            assert callable(resolve(gate.prepare))


@pytest.mark.parametrize("name", ["local", "dev", "staging", "prod"])
def test_every_mandatory_check_of_a_shipped_profile_is_in_the_shipped_suites(name: str) -> None:
    from harness.gates import plan

    profile = load_profile(name, tables(), folder=Path("no-such-folder"), environ={})
    found = {
        check_name(gate.name, f"{path.name}::{line.split('(')[0].removeprefix('def ')}")
        for gate in shipped("suites").iterdir()
        if gate.is_dir()
        for path in gate.glob("test_*.py")
        for line in path.read_text().splitlines()
        if line.startswith("def test_")
    }
    for phase in profile.phases:
        _, checks = plan(profile, phase)
        assert checks
        wanted = {check.id.partition("[")[0] for check in checks}
        assert wanted <= found, wanted - found
    assert ALWAYS in GATES


def test_every_maker_makes_a_kind_that_can_be_declared() -> None:
    from harness.aws import RESOURCES
    from harness.local.makers import MAKERS

    assert MAKERS.keys() <= RESOURCES.keys()
    files = {path.stem for path in (PACKAGE / "local" / "makers").glob("*.py")} - {"__init__"}
    assert files == {target.rpartition(".")[2] for target in MAKERS.values()}
    for target in MAKERS.values():
        assert callable(resolve(f"{target}:make"))
