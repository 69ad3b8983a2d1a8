"""The shipped suites as modules, their checks called with states that an environment never shows."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from harness.fixtures import Check
from harness.resources import shipped


def suite(name: str, gate: str = "integration") -> ModuleType:
    """A gate's suite module of a name, as the gate's session imports it."""
    path = Path(str(shipped("suites"))) / gate / f"test_{name}.py"
    spec = importlib.util.spec_from_file_location(f"shipped_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def markers_of_suites(request: pytest.FixtureRequest) -> None:
    """The suites' markers, which are the gates' own and not those of these tests."""
    for marker in ("when(attribute)", "destructive", "phase(name)"):
        request.config.addinivalue_line("markers", f"{marker}: as in the suites")


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """What one check records."""
    return Check("integration.x", tmp_path, "integration")
