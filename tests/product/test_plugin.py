"""The plugin is inert without its options, and gets on with the plugins that people have."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests_environment import environment

INNER = """
import sys

def test_only_the_tiny_module_is_there():
    loaded = sorted(name for name in sys.modules if name.split(".")[0] == "harness")
    assert loaded == ["harness", "harness.plugin"], loaded
    heavy = {"boto3", "botocore", "pydantic", "rich", "typer", "psutil"} & set(sys.modules)
    assert "boto3" not in heavy and "psutil" not in heavy

def test_no_hook_of_ours_runs_for_a_test(request):
    manager = request.config.pluginmanager
    ours = manager.get_plugin("gonogo") or sys.modules["harness.plugin"]
    hooks = {caller.name for caller in manager.get_hookcallers(ours)}
    assert hooks == {"pytest_addoption", "pytest_cmdline_main", "pytest_configure"}
"""


def _pytest(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    (folder / "test_inner.py").write_text(INNER)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_without_our_options_nothing_of_us_is_loaded(tmp_path: Path) -> None:
    done = _pytest(tmp_path, "-p", "no:locust", "-p", "no:allure_pytest")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--profile", "-p", "no:locust"),
        ("--html=report.html", "--self-contained-html"),
        ("--alluredir=allure", "-p", "no:profiling"),
        ("-H", "http://127.0.0.1:1"),
        ("-n", "2"),
        ("--cov=.", "--cov-report="),
    ],
    ids=["pytest-profiling", "pytest-html", "allure-pytest", "locust", "pytest-xdist", "pytest-cov"],
)
def test_it_breaks_no_other_plugin(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = _pytest(tmp_path, *arguments)
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_its_options_are_shown_with_the_prefix(tmp_path: Path) -> None:
    done = _pytest(tmp_path, "--help")
    section = done.stdout.partition("gonogo: may this release go?")[2].partition("\n\n")[0]
    options = [line.split()[0].rstrip("=") for line in section.splitlines() if line.strip().startswith("-")]
    assert options
    assert all(option.startswith("--gonogo") for option in options)
