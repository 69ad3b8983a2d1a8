"""Faults of the gates that run tools on the source: unit, lint, security."""

import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from harness.gates.security import SecurityConfig
from harness.profile import Profile
from harness.selftest import sample
from harness.selftest.copies import Copy
from harness.selftest.fault import Fault
from harness.selftest.needs import runs
from harness.selftest.tools import EMPTY, SILENT, TRUNCATED

_AT_EXIT = """\
import atexit
import json
import os
import sys
from pathlib import Path

OUT = next((each.partition("=")[2] for each in sys.argv if each.startswith("--junitxml=")), "")
COVERAGE = Path(OUT).with_name("coverage.json") if OUT else None


def spoil():
    if COVERAGE and COVERAGE.is_file():
        text = COVERAGE.read_text()
        data = json.loads(text)
        COVERAGE.write_text({text})


atexit.register(spoil)
"""
_STALE = """\
import sys
from pathlib import Path

WORK = Path(sys.argv[sys.argv.index("--gonogo-context") + 1]).parent


def plant(path, text):
    (WORK / path).parent.mkdir(parents=True, exist_ok=True)
    (WORK / path).write_text(text)


"""
"""The head of a suite's conftest that puts files of an earlier run where a tool of this run would write."""


def plant(copy: Copy, gate: str, files: Mapping[str, str]) -> None:
    """Let files of an earlier run lie in the gate's working folder before its checks begin."""
    lines = "".join(f"plant({path!r}, {text!r})\n" for path, text in files.items())
    copy.write(f"suites/{gate}/conftest.py", _STALE + lines)


Arrange = Callable[[Copy], None]


def _app(**files: str) -> Arrange:
    """Files of the application."""

    def arrange(copy: Copy) -> None:
        for path, text in files.items():
            copy.write(f"app/{path}", text)

    return arrange


def _report(text: str) -> Arrange:
    """A conftest that rewrites the coverage report when the tests are over."""
    return _app(**{"conftest.py": _AT_EXIT.replace("{text}", text)})


def _no_statements(copy: Copy) -> None:
    copy.set("unit", sources=["empty"])
    copy.write("app/empty/nothing.py", "")


def _stale_tests(copy: Copy) -> None:
    report = '<testsuites><testsuite tests="1"><testcase classname="t" name="old"/></testsuite></testsuites>'
    files = {"tests/junit.xml": report, "tests/coverage.json": '{"files": {}, "meta": {}}'}
    plant(copy, "unit", files)
    copy.write(f"app/{_PRICES}", _EXITS)


def security(mode: str = "") -> Arrange:
    """Both tools, one of which misbehaves."""
    return lambda copy: copy.tools("bandit", "safety", mode=mode)


def _stale_bandit(copy: Copy) -> None:
    security(f"bandit={SILENT}")(copy)
    report = '{"errors": [], "results": [], "metrics": {"_totals": {"nosec": 0}}}'
    plant(copy, "security", {"bandit/bandit.json": report})


def _unreadable_source(copy: Copy) -> None:
    shutil.rmtree(copy.root / "tools/bandit")
    copy.write(f"app/{sample.SOURCES}/broken.py", "def half(:\n")


def _advisories(copy: Copy, *, records: int = 0, age: timedelta = timedelta()) -> None:
    security()(copy)
    mirror = copy.root / "advisories"
    shutil.rmtree(mirror)
    mirror.mkdir()
    if records:
        sample.write_advisories(mirror, records=records, at=datetime.now(UTC) - age)


def _damaged_advisories(copy: Copy) -> None:
    security()(copy)
    data = copy.root / "advisories/insecure_full.json"
    data.write_bytes(data.read_bytes()[:-20])


def _old_advisories(copy: Copy) -> None:
    config = copy.lab.profile.gate("security", SecurityConfig).safety
    _advisories(copy, records=config.min_records, age=timedelta(seconds=config.max_age, days=1))


def _few_advisories(copy: Copy) -> None:
    _advisories(copy, records=copy.lab.profile.gate("security", SecurityConfig).safety.min_records - 1)


def _has_max_age(profile: Profile) -> str:
    safety = profile.gate("security", SecurityConfig).safety
    return runs("security")(profile) or ("" if safety.max_age else "its advisories may be of any age")


def _has_floor(profile: Profile) -> str:
    safety = profile.gate("security", SecurityConfig).safety
    return runs("security")(profile) or (
        "" if safety.min_records > 1 else "one advisory record is enough for it"
    )


def linters(copy: Copy) -> None:
    """The linter that all copies have."""
    command = ["{python}", "-P", "-m", "ruff", "check", "--output-format=json"]
    copy.set("lint", commands=[{"name": "ruff-check", "command": command, "paths": [sample.SOURCES]}])


def _silent_ruff(copy: Copy) -> None:
    linters(copy)
    copy.tools("ruff")


def _excluding_ruff(copy: Copy) -> None:
    linters(copy)
    copy.write("app/ruff.toml", 'exclude = ["*.py"]\nforce-exclude = true\n')


_TESTS, _COVERAGE, _BANDIT, _SAFETY = "the application's tests", "coverage's report", "Bandit", "Safety"
_PRICES = "tests/unit/test_prices.py"
_EXITS = "import os\n\n\ndef test_exits():\n    os._exit(0)\n"
_SKIPPED = "import pytest\n\npytestmark = pytest.mark.skip('later')\n\n\ndef test_it():\n    pass\n"
_HALF, _OF_NOTHING = "text[: len(text) // 2]", "json.dumps({**data, 'files': {}})"
_NAN = "json.dumps(data).replace('\"covered_lines\": 2', '\"covered_lines\": NaN')"
_ADVISORIES = "the advisories"
_SECURITY_RUNS = runs("security")


def _unit(name: str, title: str, where: str, arrange: Arrange, expect: str, said: str) -> Fault:
    return Fault(name, title, where, (expect,), said, "unit", arrange, needs=runs("unit"))


def _lint(name: str, title: str, arrange: Arrange, said: str) -> Fault:
    expect = ("INCONCLUSIVE", "ERROR")
    return Fault(name, title, "ruff", expect, said, "lint", arrange, needs=runs("lint"))


def _security(
    name: str, title: str, where: str, arrange: Arrange, expect: str, said: str,
    needs: Callable[[Profile], str] = _SECURITY_RUNS, *, alone: bool = False,
) -> Fault:  # fmt: skip
    return Fault(name, title, where, (expect,), said, "security", arrange, needs=needs, alone=alone)


def _lies(tool: str, name: str, mode: str, how: str, said: str) -> Fault:
    return _security(
        f"{tool}-{mode}", f"{name} exits 0 {how}", name, security(f"{tool}={mode}"), "ERROR", said
    )


FAULTS = (
    _unit("coverage-truncated", "coverage's JSON ends in the middle", _COVERAGE, _report(_HALF), "ERROR", "cut short"),
    _unit("coverage-empty", "coverage's JSON is an empty file", _COVERAGE, _report("''"), "ERROR", "is empty"),
    _unit("coverage-nan", "coverage's JSON says NaN", _COVERAGE, _report(_NAN), "ERROR", "coverage report"),
    _unit("coverage-omits", "coverage says nothing of any file", _COVERAGE, _report(_OF_NOTHING), "ERROR", "files out"),
    _unit(
        "coverage-no-statements", "there are 0 statements to cover", "the sources",
        _no_statements, "INCONCLUSIVE", "no statement to cover",
    ),
    _unit(
        "tests-exit", "a test ends the process with os._exit(0)", _TESTS,
        _app(**{_PRICES: _EXITS}), "ERROR", "exit code 0, but",
    ),
    _unit(
        "tests-conftest-exits", "conftest.py raises SystemExit(0)", _TESTS,
        _app(**{"conftest.py": "raise SystemExit(0)\n"}), "ERROR", "exit code",
    ),
    _unit(
        "tests-skipped", "every test is skipped, and pytest exits 0", _TESTS,
        _app(**{_PRICES: _SKIPPED}), "INCONCLUSIVE", "no test ran",
    ),
    _unit(
        "tests-deselected", "the application's own options deselect all tests", _TESTS,
        _app(**{"pytest.ini": "[pytest]\naddopts = -k nothing_is_called_so\n"}), "INCONCLUSIVE", "no test ran",
    ),
    _unit(
        "tests-stale", "reports of an earlier run lie there, this one writes none", _TESTS,
        _stale_tests, "ERROR", "exit code 0, but",
    ),
    _lint("ruff-silent", "ruff exits 0 and writes nothing", _silent_ruff, "ruff-check"),
    _lint("ruff-excludes-all", "ruff's own configuration leaves all files out", _excluding_ruff, "found no file to read"),
    _lies("bandit", _BANDIT, SILENT, "and writes nothing", "left no whole report"),
    _lies("bandit", _BANDIT, TRUNCATED, "and its report ends in the middle", "left no whole report"),
    _lies("bandit", _BANDIT, EMPTY, "with an empty list: it scanned nothing", "could not read"),
    _lies("safety", _SAFETY, SILENT, "and writes nothing", "left no whole report"),
    _lies("safety", _SAFETY, TRUNCATED, "and its report ends in the middle", "left no whole report"),
    _lies("safety", _SAFETY, EMPTY, "with an empty list: it scanned nothing", "skipped"),
    _security(
        "bandit-stale", "a report of an earlier run lies there, Bandit writes none", _BANDIT,
        _stale_bandit, "ERROR", "Bandit ended with exit code 0 and left no whole report",
    ),
    _security(
        "bandit-unread", "Bandit cannot read a file and exits 0", _BANDIT,
        _unreadable_source, "ERROR", "Bandit could not read 1 of", alone=True,
    ),
    _security(
        "advisories-missing", "the advisory set is empty", _ADVISORIES,
        _advisories, "INCONCLUSIVE", "no advisory source",
    ),
    _security(
        "advisories-damaged", "the advisory set is cut short", _ADVISORIES,
        _damaged_advisories, "ERROR", "is not the file that was built",
    ),
    _security(
        "advisories-old", "the advisory set is too old", _ADVISORIES,
        _old_advisories, "INCONCLUSIVE", "days old", _has_max_age,
    ),
    _security(
        "advisories-few", "the advisory set holds too few records", _ADVISORIES,
        _few_advisories, "INCONCLUSIVE", "wants at least", _has_floor,
    ),
)  # fmt: skip
