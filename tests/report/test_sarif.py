"""SARIF: the shape that code scanning needs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.model import CheckResult, Finding, Outcome
from harness.report import sarif


def rendered(run: Any, folder: Path) -> Any:
    log = json.loads(sarif.render(folder, *run).read_text())
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    return log["runs"][0]


def of_finding(good: Any, of_record: Any, finding: Finding, gate: str = "security") -> Any:
    check = CheckResult(f"{gate}.tool.findings", gate, Outcome.FAILED, reason="found", findings=(finding,))
    return of_record(replace(good.record, results=(*good.record.results, check)))


def test_findings_of_a_bad_run(bad: Any, tmp_path: Path) -> None:
    run = rendered(bad, tmp_path)
    assert [result["ruleId"] for result in run["results"]] == [
        "tests/unit/test_api.py::test_health",
        "tests/unit/test_web.py::test_title",
        "B602",
    ]
    bandit = run["results"][2]
    assert bandit["level"] == "error"
    assert bandit["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "apps/api/run.py", "uriBaseId": "APP"},
                "region": {"startLine": 31},
            }
        }
    ]
    assert bandit["suppressions"] == [
        {
            "kind": "external",
            "justification": "by W-7 (ana, until 2026-03-31 09:30 UTC: only build scripts): 1 finding of severity HIGH",
        }
    ]
    rule = run["tool"]["driver"]["rules"][bandit["ruleIndex"]]
    assert rule["id"] == "B602"
    assert rule["properties"] == {"tags": ["security"], "security-severity": "8.0"}
    assert run["invocations"][0]["executionSuccessful"] is False
    told = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    assert "unit.unit.coverage: coverage is 79.996 %, the rule is coverage >= 80%" in told


def test_a_clean_release_has_a_run_without_results(good: Any, tmp_path: Path) -> None:
    run = rendered(good._replace(info=replace(good.info, finished=None, expires=None)), tmp_path)
    assert run["results"] == []
    assert run["properties"]["decision"] == "GO"
    assert run["invocations"] == [
        {
            "executionSuccessful": True,
            "startTimeUtc": "2026-03-01T09:30:00Z",
            "toolExecutionNotifications": [],
        }
    ]


@pytest.mark.parametrize(
    ("severity", "level"),
    [("CRITICAL", "error"), ("Medium", "warning"), ("low", "note"), ("", "error"), ("odd", "error")],
)
def test_levels(good: Any, of_record: Any, tmp_path: Path, severity: str, level: str) -> None:
    run = of_finding(good, of_record, Finding("R1", "message", severity))
    assert rendered(run, tmp_path)["results"][0]["level"] == level


@pytest.mark.parametrize(
    ("path", "artifact"),
    [
        ("a b/ü.py", {"uri": "a%20b/%C3%BC.py", "uriBaseId": "APP"}),
        ("./x.py", {"uri": "x.py", "uriBaseId": "APP"}),
        ("/abs/x.py", {"uri": "file:///abs/x.py"}),
    ],
)
def test_locations(good: Any, of_record: Any, tmp_path: Path, path: str, artifact: dict[str, str]) -> None:
    run = of_finding(good, of_record, Finding("R1", "message", path=path))
    location = rendered(run, tmp_path)["results"][0]["locations"][0]["physicalLocation"]
    assert location == {"artifactLocation": artifact}


def test_a_rule_shared_by_gates_and_a_finding_without_words(
    good: Any, of_record: Any, tmp_path: Path
) -> None:
    first = CheckResult(
        "lint.a.b", "security", Outcome.PASSED, findings=(Finding("R1", "m", "low"), Finding("", ""))
    )
    second = CheckResult(
        "x.a.b", "unit", Outcome.PASSED, findings=(Finding("R1", "m"), Finding("R1", "m", "high"))
    )
    third = CheckResult("y.a.b", "security", Outcome.PASSED, findings=(Finding("R1", "m", "critical"),))
    run = rendered(of_record(replace(good.record, results=(first, second, third))), tmp_path)
    rules = {rule["id"]: rule["properties"] for rule in run["tool"]["driver"]["rules"]}
    assert rules["R1"] == {"tags": ["unit", "security"], "security-severity": "9.5"}
    assert {result["message"]["text"] for result in run["results"]} == {"m", "lint.a.b"}
