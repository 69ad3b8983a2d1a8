"""The shipped example: its own tests pass under plain pytest, cover enough, and its source is clean."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from harness.local.application import copy
from harness.resources import shipped


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("example") / "storefront"
    copy(target, ())
    return target


def run(app: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=app, capture_output=True, text=True, check=False
    )


def test_its_tests_pass_and_cover_enough(app: Path) -> None:
    sources = ["--cov=apps", "--cov=stacks", "--cov-report=json:coverage.json"]
    ended = run(app, "pytest", "tests/unit", "-q", *sources)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    passed = re.search(r"(\d+) passed", ended.stdout)
    assert passed is not None
    assert int(passed[1]) > 50
    assert json.loads((app / "coverage.json").read_text())["totals"]["percent_covered"] >= 80


@pytest.mark.parametrize(
    "tool",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["bandit", "-q", "-ll", "-r", "apps", "stacks"],
    ],
)
def test_its_source_is_clean(app: Path, tool: list[str]) -> None:
    ended = run(app, *tool)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_it_requires_what_is_installed_here() -> None:
    for line in (shipped("examples/storefront") / "requirements.txt").read_text().split():
        name, _, wanted = line.partition("==")
        assert version(name.partition("[")[0]) == wanted


def test_its_advisories_say_that_they_are_examples() -> None:
    records = [
        json.loads(path.read_text())
        for path in (shipped("examples/storefront") / "advisories" / "osv").glob("*.json")
    ]
    assert len(records) >= 5
    for record in records:
        assert record["id"].startswith("EXAMPLE-")
        assert "Written for the example application" in record["details"]


def test_its_settings_are_its_own(app: Path) -> None:
    assert tomllib.loads((app / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"][
        "pythonpath"
    ] == ["."]
