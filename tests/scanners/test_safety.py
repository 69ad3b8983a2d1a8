"""Safety, really run, against mirrors of a few records; it never reaches the network."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ToolError
from harness.model import Cause, Outcome
from harness.scanners import safety
from harness.scanners.advisories import build, read_mirror
from harness.scanners.interface import BrokenToolError, attempt
from harness.scanners.safety import SafetyScan, scan
from scanner_parts import Project

Plan = Callable[..., SafetyScan]
NEWEST = "2024-05-01T00:00:00Z"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("osv")
    for id_, package, fixed, aliases in [
        ("PYSEC-1", "jinja2", "2.10.1", ["CVE-2019-1", "GHSA-a"]),
        ("PYSEC-2", "jinja2", "2.11.3", []),
        ("PYSEC-3", "zope-interface", "5.0.0", []),
    ]:
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]
        affected = [{"package": {"name": package, "ecosystem": "PyPI"}, "ranges": ranges}]
        record = {"id": id_, "modified": NEWEST, "details": f"A hole\nin {package}", "affected": affected}
        (folder / f"{id_}.json").write_text(json.dumps({**record, "aliases": aliases}))
    out = folder.parent / "mirror"
    build(folder, out, source="a few records")
    return out


@pytest.fixture
def plan(project: Project, mirror: Path) -> Plan:
    def make(requirements: str, **changes: Any) -> SafetyScan:
        app = project(
            {"requirements.txt": requirements, ".safety-policy.yml": "security: {ignore-vulnerabilities: }"}
        )
        return replace(SafetyScan(app, ("requirements.txt",), mirror, app.parent / "work", 60.0), **changes)

    return make


def test_vulnerable_pins_fail_with_what_fixes_them(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watched from inside: nothing but the discard port of this machine is ever connected to."""
    log, watch = tmp_path / "connections", tmp_path / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(
        "import sys\n"
        "def hook(event, args):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'):\n"
        f"        print(event, args[-1] if event == 'socket.connect' else args[:2], file=open({str(log)!r}, 'a'))\n"
        "sys.addaudithook(hook)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(watch))
    monkeypatch.setenv("SAFETY_API_KEY", "an-account-would-replace-the-mirror")
    monkeypatch.setenv("https_proxy", "http://198.51.100.1:1")
    found = scan(
        plan("flask==3.0\njinja2==2.11.3rc1\nJinja2==2.10 ; python_version < '3'\nzope.interface==5.0\n")
    )
    assert found.outcome is Outcome.FAILED, found
    assert found.reason == "3 known vulnerabilities in 2 packages: jinja2 2.10, jinja2 2.11.3rc1"
    assert {(f.rule, f.line, f.message.split(":")[0]) for f in found.findings} == {
        ("PYSEC-1", 3, "jinja2 2.10 (CVE-2019-1, GHSA-a), fixed in 2.10.1"),
        ("PYSEC-2", 3, "jinja2 2.10, fixed in 2.11.3"),
        ("PYSEC-2", 2, "jinja2 2.11.3rc1, fixed in 2.11.3"),
    }
    assert found.facts["advisory_source"] == "a few records"
    assert found.facts["advisory_records"] == "3"
    assert found.facts["advisory_date"].startswith("2024-05-01")
    assert found.facts["packages_listed"] == found.facts["packages_checked"] == "4"
    met = log.read_text().splitlines() if log.exists() else []
    assert all("127.0.0.1" in line and "9" in line for line in met), met


def test_clean_pins_pass(plan: Plan) -> None:
    found = scan(plan("jinja2==2.11.3\nzope.interface==5.0\n"))
    assert found.outcome is Outcome.PASSED, found
    packages = found.measured("packages")
    assert packages is not None
    assert packages.value == 2


def test_ignored_ids_stay_on_record(plan: Plan) -> None:
    found = scan(plan("jinja2==2.10\n", ignore=("CVE-2019-1", "PYSEC-2", "PYSEC-9")))
    assert found.outcome is Outcome.PASSED, found
    assert {(f.rule, f.severity) for f in found.findings} == {("PYSEC-1", "ignored"), ("PYSEC-2", "ignored")}
    assert found.facts["ignored"] == "2"
    assert found.facts["ignore_without_effect"] == "PYSEC-9"


def test_what_is_not_pinned_is_not_checked_and_not_passed(plan: Plan) -> None:
    found = scan(plan("jinja2==2.10\nflask>=1\n"))
    assert found.outcome is Outcome.ERROR
    assert "not checked: 1 requirement, first 'flask>=1' (requirements.txt:2, not pinned" in found.reason
    assert "2 known vulnerabilities in the others" in found.reason
    assert [f.rule for f in found.findings][-1] == "not-checked"
    assert scan(plan("flask\n")).outcome is Outcome.ERROR


def test_no_package_is_inconclusive(plan: Plan) -> None:
    found = scan(plan("# none\n"))
    assert (found.outcome, found.cause) == (Outcome.INCONCLUSIVE, Cause.NOTHING_CHECKED)


def test_without_an_advisory_source_the_check_is_unavailable(plan: Plan, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for where in (None, tmp_path / "nowhere", empty):
        found = scan(plan("jinja2==2.11.3\n", mirror=where))
        assert (found.outcome, found.cause) == (Outcome.INCONCLUSIVE, Cause.UNAVAILABLE)
        assert "gonogo advisories build" in found.hint


@pytest.mark.parametrize(
    ("floor", "later", "said"),
    [
        ({"min_records": 4}, 0, "holds 3 records, the profile wants at least 4"),
        ({"max_age": 86400.0}, 3, "is 3 days old"),
        ({"max_age": 86400.0}, -3, "dated in the future"),
    ],
)
def test_a_source_below_the_floor_is_unavailable(
    plan: Plan, floor: Mapping[str, Any], later: int, said: str
) -> None:
    now = datetime.fromisoformat(NEWEST) + timedelta(days=later)
    found = scan(plan("jinja2==2.10\n", **floor), now=now)
    assert (found.outcome, found.cause) == (Outcome.INCONCLUSIVE, Cause.UNAVAILABLE)
    assert said in found.reason
    assert found.facts["advisory_records"] == "3"


def test_a_source_at_the_floor_is_believed(plan: Plan, mirror: Path) -> None:
    now = datetime.fromisoformat(NEWEST) + timedelta(days=1)
    assert not safety._unmet(read_mirror(mirror), plan("", max_age=86400.0), now)


def test_a_damaged_source_is_an_error(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/insecure.json").write_text("{}")
    assert attempt(scan, plan("jinja2==2.10\n", mirror=tmp_path / "bad")).outcome is Outcome.ERROR


def test_a_missing_safety_is_an_error(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(ToolError, match="Safety is not installed"):
        scan(plan("jinja2==2.10\n"))


STUB = """import pathlib, sys
report = {report!r}
if report is not None:
    pathlib.Path(sys.argv[sys.argv.index("--save-json") + 1]).write_text(report)
sys.exit({code})
"""
PACKAGES = {"jinja2": {"requirements": [{"name": "jinja2", "specifier": "==2.10"}]}}
WHOLE = {
    "scanned_packages": PACKAGES,
    "vulnerabilities": [],
    "ignored_vulnerabilities": [],
    "announcements": [],
}


@pytest.mark.parametrize(
    ("report", "code", "said"),
    [
        (None, 0, "exit code 0 and left no whole report"),
        (json.dumps(WHOLE)[:40], 0, "left no whole report"),
        (json.dumps({**WHOLE, "vulnerabilities": [{}]}), 64, "left no whole report"),
        (json.dumps(WHOLE), 1, "exit code 1\n"),
        (json.dumps(WHOLE), 64, "exit code 64, but its report lists 0 vulnerabilities"),
        (json.dumps({**WHOLE, "scanned_packages": {}}), 0, "but skipped jinja2==2.10"),
        (json.dumps({**WHOLE, "announcements": [{"message": "is invalid"}]}), 0, "complained: is invalid"),
    ],
)
def test_a_safety_that_broke_did_not_pass(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: Any, code: int, said: str
) -> None:
    """What a real Safety cannot be made to do."""
    stub = tmp_path / "modules/safety"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text("")
    (stub / "__main__.py").write_text(STUB.format(report=report, code=code))
    monkeypatch.setenv("PYTHONPATH", str(stub.parent))
    with pytest.raises(BrokenToolError, match=said):
        scan(plan("jinja2==2.10\n"))
