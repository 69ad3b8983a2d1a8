"""Faults of a run itself: sessions that die or hang, checks that vanish, disks that are full, two runs at once."""

import signal
from collections.abc import Callable
from pathlib import Path

from harness.errors import GonogoError
from harness.polling import poll
from harness.selftest.code_faults import Arrange
from harness.selftest.copies import CARRIER, GOOD, Copy, finish
from harness.selftest.fault import Came, Fault
from harness.selftest.lab import Lab

_FACTS = """
def test_says_much(check):
    for number in range(60):
        check.fact(f"fact {number}", "x" * 500)
"""
"""Some 30 kB of results: a ledger larger than every placeholder, and a verdict a third larger than the ledger."""
_WAITS = """
import time
from pathlib import Path

def test_waits():
    if Path("released").exists():
        return
    Path("up").touch()
    while not Path("released").exists():
        time.sleep(0.02)  # in a process of its own; a file that appears tells it nothing
"""
_FAILS = """
def test_bad():
    assert False, "this release is bad"
"""
_LEDGER = """
import sys
from pathlib import Path

def test_damages():
    work = Path(sys.argv[sys.argv.index("--gonogo-context") + 1]).parent
    with (work.parent / "ledger.jsonl").open("a") as file:
        file.write('{"event": "check", "at": "2026-')
"""
_BELOW_VERDICT, _BELOW_LEDGER, _BELOW_PLACEHOLDER = 38_000, 20_000, 500
"""Bytes that a file may have: too few for the verdict of `_FACTS`, for its ledger, for anything."""


def checks(*functions: str, **settings: object) -> Arrange:
    """Checks beside a good one."""
    return lambda copy: copy.carry(*functions, **settings)


def _no_suite(copy: Copy) -> None:
    copy.carry()
    (copy.root / f"suites/{CARRIER}/test_selftest.py").unlink()


def _doubles(copy: Copy) -> None:
    copy.carry()
    copy.suite(CARRIER, GOOD, name="nested/test_selftest.py")


def _conftest(text: str) -> Arrange:
    def arrange(copy: Copy) -> None:
        copy.carry("def test_other():\n    pass\n")
        copy.suite(CARRIER, text, name="conftest.py")

    return arrange


def _skips(copy: Copy) -> None:
    copy.set(CARRIER, required_checks=["selftest.good"])
    copy.suite(CARRIER, "import pytest\n\ndef test_good():\n    pytest.skip('not today')\n")


def _mandatory_skipped(copy: Copy) -> None:
    copy.set(CARRIER, required_checks=["selftest.good"])
    skip = "import pytest\n\ndef test_good():\n    pytest.skip('not today')\n"
    copy.suite(CARRIER, skip, "def test_other():\n    pass\n")


def _yesterday(lab: Lab, *functions: str) -> Copy:
    """A copy with a GO on file, whose checks are now these.

    Raises:
        GonogoError: a run without a fault is not GO.
    """
    copy = lab.again()
    copy.carry(*functions)
    return copy


def _wait_for(path: Path) -> None:
    if not poll(path.exists, bool, timeout=60, pause=0.05, longest=0.1):
        raise GonogoError(f"the run never came to {path.name}", hint="run it again")


def _killed(lab: Lab) -> Came:
    copy = _yesterday(lab, _WAITS)
    child = copy.start()
    try:
        _wait_for(copy.root / "up")
    finally:
        child.send_signal(signal.SIGKILL)
    return copy.came(finish(child))


def _two_runs(lab: Lab) -> Came:
    """The older run ends GO after a newer one that did not."""
    copy = lab.copy(CARRIER)
    copy.carry(_WAITS)
    older = copy.start()
    try:
        _wait_for(copy.root / "up")
        copy.suite(CARRIER, GOOD, _FAILS)
        newer = copy.gate()
    finally:
        (copy.root / "released").touch()
        done = finish(older)
    if done.code != 0:
        raise GonogoError(f"the older run was to be GO:\n{done.output[-500:]}", hint="see the control")
    return copy.came(newer)


def _disk_full(limit: int) -> Callable[[Lab], Came]:
    def inject(lab: Lab) -> Came:
        copy = _yesterday(lab, _FACTS)
        return copy.came(copy.gate(limit=limit))

    return inject


def _damaged_ledger(lab: Lab) -> Came:
    copy = lab.copy(CARRIER)
    copy.carry(_LEDGER)
    return copy.came(copy.gate())


def _loosened_by_environment(lab: Lab) -> Came:
    copy = lab.copy(CARRIER)
    copy.carry()
    copy.suite(CARRIER, "def test_other():\n    pass\n")
    copy.environ["GONOGO_GATES__SMOKE__REQUIRED_CHECKS"] = "[]"
    done = copy.gate()
    if done.code != 0:
        raise GonogoError(f"the loosened run was to be GO:\n{done.output[-500:]}", hint="see the control")
    return copy.came(done)


def _waivers(text: str) -> Callable[[Lab], Came]:
    def inject(lab: Lab) -> Came:
        copy = lab.copy(CARRIER)
        copy.carry(_FAILS)
        copy.write("profiles/waivers.toml", text.replace("{environment}", lab.profile.name))
        return copy.came(copy.gate())

    return inject


_EXPIRED = """
[[waivers]]
id = "W-1"
check = "smoke.selftest.bad"
scope = { environment = ["{environment}"] }
owner = "selftest@localhost"
reason = "made for the self-test, and over"
created = 2025-01-01
expires = 2025-01-02
"""


def _run(
    name: str, title: str, arrange: Arrange, expect: str, said: str, where: str = "a gate's session"
) -> Fault:
    return Fault(name, title, where, (expect,), said, CARRIER, arrange)


def _whole(
    name: str, title: str, where: str, inject: Callable[[Lab], Came], *expect: str, said: str = ""
) -> Fault:
    return Fault(name, title, where, expect, said, inject=inject)


_CRASHES = "import os\n\ndef test_exits():\n    os._exit(0)\n"
_DIES = "import os\nimport signal\n\ndef test_dies():\n    os.kill(os.getpid(), signal.SIGKILL)\n"
_HANGS = "import time\n\ndef test_hangs():\n    time.sleep(600)\n"
_RULE = "from harness.model import Unit\nfrom harness.threshold import parse\n\n"
_NAN = _RULE + (
    "def test_measures(check):\n    check.measure('success_rate', float('nan'), Unit.RATIO, sample=5)\n"
    "    check.judge(parse('success_rate >= 95%'))\n"
)
_NOTHING = _RULE + (
    "def test_measures(check):\n    check.measure('error_rate', 0, Unit.RATIO, sample=0)\n"
    "    check.judge(parse('error_rate <= 5%'))\n"
)
_DESELECTS = "def pytest_collection_modifyitems(items):\n    items[:] = [item for item in items if 'other' not in item.name]\n"
_TEARDOWN = (
    "import pytest\n\n@pytest.fixture\ndef thing():\n    yield\n    raise OSError('left behind')\n\n"
    "def test_uses_it(thing):\n    pass\n"
)

FAULTS = (
    _run("session-exits", "a check ends the session with os._exit(0)", checks(_CRASHES), "ERROR", "did not finish"),
    _run("session-killed", "the session is killed with kill -9", checks(_DIES), "ERROR", "did not finish"),
    _run("session-conftest-exits", "conftest.py raises SystemExit(0)", _conftest("raise SystemExit(0)\n"), "ERROR", "not finish"),
    _run("session-hangs", "a check hangs beyond the budget", checks(_HANGS, budget="6s"), "ERROR", "still running"),
    _run("worker-crashes", "an xdist worker crashes", checks(_CRASHES, workers=2), "ERROR", "crashed"),
    _run("check-deselected", "a check is deselected", _conftest(_DESELECTS), "INCONCLUSIVE", "deselected"),
    _run("suite-deleted", "a suite's file is deleted", _no_suite, "INCONCLUSIVE", "selftest.good"),
    _run("check-doubled", "two files hold the same check", _doubles, "ERROR", "both hold the check"),
    _run("suite-broken", "a suite's file does not import", checks("import no_such_module\n"), "ERROR", "cannot be collected"),
    _run("checks-skipped", "every check is skipped", _skips, "INCONCLUSIVE", "skipped without a cause"),
    _run("mandatory-skipped", "the mandatory check is skipped beside another", _mandatory_skipped, "INCONCLUSIVE", "skipped"),
    _run("teardown-breaks", "a check passes and its teardown breaks", checks(_TEARDOWN), "ERROR", "left behind"),
    _run("measures-nan", "a rule is judged by NaN", checks(_NAN), "INCONCLUSIVE", "nothing was measured", "a measurement"),
    _run("measures-nothing", "an error rate of 0 requests", checks(_NOTHING), "INCONCLUSIVE", "nothing was measured", "a measurement"),
    _whole(
        "waiver-expired", "a failure's waiver has expired", "waivers.toml",
        _waivers(_EXPIRED), "NO_GO", said="this release is bad",
    ),
    _whole(
        "waivers-malformed", "the file of waivers is cut off", "waivers.toml",
        _waivers(_EXPIRED[:-20]), "ERROR", "waiver", said="waivers.toml",
    ),
    _whole("run-killed", "the run is killed; yesterday's verdict was GO", "the run", _killed, "PENDING", "ERROR"),
    _whole("two-runs", "an older run ends GO after a newer NO_GO", "the store", _two_runs, "NO_GO", said="this release is bad"),
    _whole("ledger-cut", "a line of the ledger is cut off", "the ledger", _damaged_ledger, "PENDING", said="not an event"),
    _whole(
        "disk-full-at-start", "the disk is full at the start; yesterday's verdict was GO", "the store",
        _disk_full(_BELOW_PLACEHOLDER), "missing", "PENDING",
    ),
    _whole(
        "disk-full-in-ledger", "the disk is full in the middle; yesterday's verdict was GO", "the ledger",
        _disk_full(_BELOW_LEDGER), "PENDING", "ERROR",
    ),
    _whole(
        "disk-full-at-verdict", "the disk is full when the verdict is written", "the store",
        _disk_full(_BELOW_VERDICT), "PENDING", said="could not be written",
    ),
    _whole(
        "loosened-by-environment", "a GONOGO_ variable loosens a gate for the run", "the environment",
        _loosened_by_environment, "policy", said="the run overrode gates.smoke.required_checks",
    ),
)  # fmt: skip
