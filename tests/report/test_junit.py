"""JUnit: parsed back, it says what the verdict says."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from harness.report import junit


def cases(run: Any, folder: Path) -> dict[str, ET.Element]:
    root = ET.parse(junit.render(folder, *run)).getroot()
    return {case.get("name", ""): case for case in root.iter("testcase")}


def test_a_go_is_green(good: Any, tmp_path: Path) -> None:
    root = ET.parse(junit.render(tmp_path, *good)).getroot()
    figures = [root.get(key) for key in ("tests", "failures", "errors", "skipped")]
    assert figures == ["8", "0", "0", "0"]
    assert [suite.get("name") for suite in root] == [
        "gonogo",
        "subject",
        "unit",
        "security",
        "integration",
        "load",
    ]
    assert root.find("testsuite[@name='load']").get("time") == "75.000"  # type: ignore[union-attr]


def test_each_state_has_its_element(bad: Any, tmp_path: Path) -> None:
    found = {
        name: [child.tag for child in case if child.tag != "system-out"]
        for name, case in cases(bad, tmp_path).items()
    }
    assert found == {
        "decision": ["error"],
        "subject.source.clean": [],
        "unit.unit.tests": ["failure"],
        "unit.unit.coverage": ["failure"],
        "security.bandit.findings": ["skipped"],
        "security.safety.advisories": ["error"],
        "security.safety.retried": [],
        "integration": ["error"],
        "integration.ecs.active[api-service-staging]": ["error"],
        "integration.sqs.redrive[orders.fifo]": ["skipped"],
        "integration.rds.login[rds-staging]": ["error"],
        "integration.rds.encrypted[rds-staging]": ["error"],
        "load": ["error"],
        "load.load.thresholds[api-health]": ["skipped"],
    }


def test_what_a_failure_says(bad: Any, tmp_path: Path) -> None:
    case = cases(bad, tmp_path)["unit.unit.tests"]
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == "failed: 2 of 41 tests failed"
    assert "→ run them by hand: python -m pytest tests/unit" in (failure.text or "")
    assert "tests/unit/test_web.py:7: tests/unit/test_web.py::test_title KeyError: 'title' | <b>`x`</b>" in (
        failure.text or ""
    )
    assert "evidence unit/evidence/junit.xml sha256:9f86d0" in case.findtext("system-out", "")
    assert case.get("time") == "38.250"
    skip = cases(bad, tmp_path)["integration.ecs.active[api-service-staging]"].find("error")
    assert skip is not None
    assert skip.get("type") == "no_credentials"


def test_the_decision_says_what_it_rests_on(bad: Any, tmp_path: Path) -> None:
    error = cases(bad, tmp_path)["decision"].find("error")
    assert error is not None
    assert error.get("type") == "ERROR"
    assert "NO_GO: not started, because unit came to fail" in (error.text or "")
    assert "failed: unit.unit.coverage: coverage is 79.996 %" in (error.text or "")
