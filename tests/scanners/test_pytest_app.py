"""The application's tests, really run."""

import os
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ToolError
from harness.model import Cause, Outcome
from harness.scanners.pytest_app import AppTests, interpreter, scan
from scanner_parts import Project

LIB = "def twice(x):\n    if x:\n        return 2 * x\n    return 0\n"
OK = "from lib.code import twice\n\ndef test_twice():\n    assert twice(2) == 4\n"


QUICK = tuple(
    x
    for name in ("locust", "allure_pytest", "hypothesispytest", "profiling", "html", "xdist")
    for x in ("-p", f"no:{name}")
)
"""Plugins of this environment that the small applications here do not need."""


def plan(app: Path, **changes: Any) -> AppTests:
    what = AppTests(app, "", ("tests",), ("lib",), app.parent / "work", 60.0)
    return replace(what, **{**changes, "arguments": (*QUICK, *changes.get("arguments", ()))})


@pytest.fixture
def app(project: Project) -> Path:
    return project({"lib/code.py": LIB, "tests/test_code.py": OK})


def test_a_passing_run_is_measured_and_leaves_the_tree_alone(
    app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing")
    monkeypatch.setenv("GONOGO_X", "1")
    (app / "lib/deep").mkdir()
    (app / "lib/deep/never.py").write_text("import nothing_like_it\nx = 1\n")
    (app / "tests/test_env.py").write_text(
        "import os\ndef test_env():\n    assert not [k for k in os.environ if k.startswith(('GONOGO_', 'COV'))]\n"
    )
    before = sorted(app.rglob("*"))
    scans = scan(plan(app))
    assert scans.tests.outcome is Outcome.PASSED, scans.tests
    tests = scans.tests.measured("tests")
    assert tests is not None
    assert tests.value == 2
    assert scans.tests.facts["pytest"]
    assert "2 passed" in scans.tests.facts["summary"]
    covered = scans.coverage.measured("coverage")
    assert covered is not None
    assert (covered.value, covered.sample) == (
        Fraction(3, 6),
        6,
    )  # never.py counts, though nothing imports it
    assert scans.coverage.facts["files_without_coverage"] == "1"
    assert sorted(app.rglob("*")) == before


def test_branches_count_where_asked_for(app: Path) -> None:
    covered = scan(plan(app, branch=True)).coverage.measured("coverage")
    assert covered is not None
    assert covered.value == Fraction(3 + 1, 4 + 2)


def test_failures_are_named_with_their_messages(app: Path) -> None:
    (app / "tests/test_bad.py").write_text(
        "import pytest\n@pytest.fixture\ndef broken():\n    yield\n    raise OSError('teardown')\n\n"
        "def test_bad(broken):\n    assert 1 == 2, 'one is not two'\n"
    )
    scans = scan(plan(app))
    assert scans.tests.outcome is Outcome.FAILED
    assert "tests.test_bad::test_bad" in scans.tests.reason
    assert any("one is not two" in line for line in scans.tests.diagnosis)
    first = scans.tests.findings[0]
    assert (first.path, first.line) == ("tests/test_bad.py", 8)
    assert "one is not two" in first.message
    assert scans.coverage.outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("files", "changes", "said"),
    [
        ({"pytest.ini": "[pytest]\naddopts = -k nothing\n"}, {}, "no test ran, .*at least 1 .1 deselected"),
        (
            {"tests/test_code.py": "import pytest\n@pytest.mark.skip\ndef test_a(): ...\n"},
            {},
            r"no test ran, .* \(1 skipped\)",
        ),
        (
            {"tests/test_code.py": "import pytest\n@pytest.mark.xfail\ndef test_a(): assert 0\n"},
            {},
            r"no test ran, .* \(1 expected to fail\)",
        ),
        ({}, {"min_tests": 2}, "only 1 test ran, the profile wants at least 2"),
    ],
)
def test_too_few_tests_prove_nothing(
    app: Path, project: Project, files: Mapping[str, str], changes: Mapping[str, Any], said: str
) -> None:
    project(files)
    scans = scan(plan(app, **changes))
    assert scans.tests.outcome is Outcome.INCONCLUSIVE
    assert scans.tests.cause is Cause.NOTHING_CHECKED
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(scans.tests.reason)
    if not changes:
        assert scans.coverage.cause is Cause.NOTHING_CHECKED


@pytest.mark.parametrize(
    ("files", "changes", "said"),
    [
        (
            {"tests/test_code.py": "import os\ndef test_exit(): os._exit(0)\n"},
            {},
            "exit code 0, but no test report was written",
        ),
        (
            {"tests/test_code.py": "import os, signal\ndef test_die(): os.kill(os.getpid(), signal.SIGKILL)\n"},
            {},
            "killed by signal 9",
        ),
        (
            {"tests/test_code.py": "import threading\ndef test_hang(): threading.Event().wait()\n"},
            {"budget": 2.0},
            "broke its budget of 2 s",
        ),
        ({"tests/test_code.py": "import nothing_like_it\n"}, {}, r"was interrupted .exit code 2.: tests.test_code"),
        ({}, {"arguments": ("--no-such-option",)}, r"was called wrongly \(exit code 4\)"),
        (
            {"conftest.py": "def pytest_sessionfinish(session): session.exitstatus = 0\n",
             "tests/test_code.py": "def test_bad(): assert 0\n"},
            {},
            "exit code 0, but its report lists 1 failing tests",
        ),
        (
            {"conftest.py": "def pytest_sessionfinish(session): session.exitstatus = 1\n"},
            {},
            "exit code 1, but its report lists 0 failing tests",
        ),
    ],
)  # fmt: skip
def test_a_run_that_broke_is_an_error_for_tests_and_coverage(
    app: Path, project: Project, files: Mapping[str, str], changes: Mapping[str, Any], said: str
) -> None:
    project(files)
    old = app.parent / "work/tests/junit.xml"
    old.parent.mkdir(parents=True)
    old.write_text("<testsuites><testsuite errors='0' failures='0' skipped='0' tests='0'/></testsuites>")
    scans = scan(plan(app, **changes))
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(scans.tests.reason)
    assert scans.tests.outcome is scans.coverage.outcome is Outcome.ERROR


def test_coverage_switched_off_by_the_application_is_an_error(app: Path, project: Project) -> None:
    project({"pytest.ini": "[pytest]\naddopts = --no-cov\n"})
    scans = scan(plan(app))
    assert scans.tests.outcome is Outcome.PASSED
    assert scans.coverage.outcome is Outcome.ERROR
    assert "no coverage report was written" in scans.coverage.reason


def test_files_that_the_application_omits_count_all_the_same(app: Path, project: Project) -> None:
    project({".coveragerc": "[run]\nomit = lib/*\n[report]\nomit = lib/*\n", "lib/other.py": "x = 1\n"})
    covered = scan(plan(app)).coverage.measured("coverage")
    assert covered is not None
    assert covered.value == Fraction(3, 5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tests": ("nowhere",)}, "gates.unit.tests: nowhere does not exist"),
        ({"sources": ("nowhere",)}, "gates.unit.sources: nowhere does not exist"),
        ({"sources": ()}, "gates.unit.sources names no folder"),
        ({"python": "venv/bin/python"}, "venv/bin/python does not exist"),
    ],
)
def test_what_is_missing_is_named(app: Path, changes: Mapping[str, Any], said: str) -> None:
    scans = scan(plan(app, **changes))
    assert scans.tests.outcome is Outcome.ERROR
    assert said in scans.tests.reason


def script(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_an_interpreter_without_pytest_is_named_with_the_remedy(app: Path) -> None:
    probe = '#!/bin/sh\necho \'{"python": "3.11", "pytest": "9.0", "pytest-cov": ""}\'\n'
    found = scan(plan(app, python=script(app / "python", probe))).tests
    assert "pytest-cov not installed for the application's interpreter" in found.reason
    assert found.hint.endswith("-m pip install pytest pytest-cov")


def test_an_interpreter_that_does_not_work_is_an_error(app: Path) -> None:
    found = scan(plan(app, python=script(app / "python", "#!/bin/sh\necho broken >&2\nexit 3\n"))).tests
    assert "does not work" in found.reason
    assert found.diagnosis == ("broken",)


def test_the_interpreter_stays_the_link_that_a_venv_is(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "venv").mkdir()
    link = tmp_path / "venv/python"
    link.symlink_to(os.path.realpath("/bin/sh"))
    assert interpreter(tmp_path / "app", "../venv/python") == link
    with pytest.raises(ToolError):
        interpreter(tmp_path, "app")


def test_a_report_that_is_cut_short_is_an_error(app: Path, project: Project) -> None:
    project(
        {
            "conftest.py": "import atexit\ndef pytest_configure(config):\n    path = config.option.xmlpath\n"
            "    atexit.register(lambda: open(path, 'w').close())\n"
        }
    )
    scans = scan(plan(app))
    assert scans.tests.outcome is Outcome.ERROR
    assert "empty or cut short" in scans.tests.reason
