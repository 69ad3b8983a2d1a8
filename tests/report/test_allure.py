"""Allure results: what Allure will show for each state."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from harness.report import allure


def results(run: Any, folder: Path) -> dict[str, Any]:
    target = allure.render(folder, *run)
    found = [json.loads(path.read_text()) for path in target.glob("*-result.json")]
    return {result["fullName"].removeprefix("staging/pre-deploy/"): result for result in found}


def labels(result: Any, name: str) -> list[str]:
    return [label["value"] for label in result["labels"] if label["name"] == name]


def test_statuses(bad: Any, tmp_path: Path) -> None:
    assert {name: result["status"] for name, result in results(bad, tmp_path).items()} == {
        "decision": "broken",
        "subject.source.clean": "passed",
        "unit.unit.tests": "failed",
        "unit.unit.coverage": "failed",
        "security.bandit.findings": "skipped",
        "security.safety.advisories": "broken",
        "security.safety.retried": "passed",
        "integration": "broken",
        "integration.ecs.active[api-service-staging]": "broken",
        "integration.sqs.redrive[orders.fifo]": "skipped",
        "integration.rds.login[rds-staging]": "broken",
        "integration.rds.encrypted[rds-staging]": "broken",
        "load": "broken",
        "load.load.thresholds[api-health]": "skipped",
    }


def test_a_check_with_everything(bad: Any, good: Any, tmp_path: Path) -> None:
    tests = results(bad, tmp_path)["unit.unit.tests"]
    assert tests["name"] == "Every unit test passes"
    assert tests["statusDetails"]["message"] == "failed: 2 of 41 tests failed"
    assert tests["stop"] - tests["start"] == 38250
    assert labels(tests, "parentSuite") == ["staging/pre-deploy"]
    assert labels(tests, "suite") == labels(tests, "feature") == labels(tests, "story") == ["unit"]
    assert labels(tests, "severity") == ["critical"]
    attached = {each["name"]: each for each in tests["attachments"]}
    folder = tmp_path / "allure-results"
    assert (folder / attached["junit.xml"]["source"]).read_text() == "<testsuites/>"
    assert attached["junit.xml"]["type"] == "application/xml"
    assert (
        "unit/evidence/gone.txt is not in the run's folder"
        in (folder / attached["gone.txt (missing)"]["source"]).read_text()
    )
    assert "test_health failed assert 404 == 200" in (folder / attached["findings"]["source"]).read_text()
    assert "where 404 = <Response [404]>" in (folder / attached["diagnosis"]["source"]).read_text()

    load = results(good, tmp_path)["load.load.thresholds[api-health]"]
    assert load["name"] == "load.load.thresholds[api-health]"
    assert [(step["name"], step["status"]) for step in load["steps"]] == [
        ("success_rate >= 95%: 99.87 %", "passed"),
        ("avg_response_time < 2s: 183.4 ms", "passed"),
        ("p95 < 5s: 412 ms", "passed"),
    ]
    assert "resource:api-health" in labels(load, "tag")
    assert {"name": "p95", "value": "412 ms (3,000 samples)", "excluded": True} in load["parameters"]


def test_flaky_waived_and_caused(bad: Any, tmp_path: Path) -> None:
    found = results(bad, tmp_path)
    retried = found["security.safety.retried"]
    assert retried["statusDetails"]["flaky"] is True
    assert [step["status"] for step in retried["steps"]] == ["failed", "passed"]
    waived = found["security.bandit.findings"]["statusDetails"]
    assert (waived["known"], waived["message"]) == (
        True,
        "waived: by W-7 (ana, until 2026-03-31 09:30 UTC: only build scripts): 1 finding of severity HIGH",
    )
    assert labels(found["security.safety.advisories"], "tag") == ["inconclusive", "unavailable"]


def test_a_resource_names_the_result_where_the_title_does_not(
    good: Any, of_record: Any, tmp_path: Path
) -> None:
    titled = [
        replace(result, title="It holds") if result.resource else result for result in good.record.results
    ]
    found = results(of_record(replace(good.record, results=tuple(titled))), tmp_path)
    assert found["load.load.thresholds[api-health]"]["name"] == "It holds [api-health]"


def test_history_follows_the_check_through_runs(good: Any, tmp_path: Path) -> None:
    later = replace(
        good.info,
        run_id="another",
        started=good.info.started + timedelta(days=1),
        finished=good.info.finished + timedelta(days=1),
        expires=good.info.expires + timedelta(days=1),
    )
    first, second = results(good, tmp_path / "1"), results(good._replace(info=later), tmp_path / "2")
    assert {name: r["historyId"] for name, r in first.items()} == {
        name: r["historyId"] for name, r in second.items()
    }
    assert len({result["historyId"] for result in first.values()}) == len(first)
    assert {r["uuid"] for r in first.values()}.isdisjoint(r["uuid"] for r in second.values())
    elsewhere = results(good._replace(info=replace(good.info, profile="prod")), tmp_path / "3")
    assert {r["historyId"] for r in first.values()}.isdisjoint(r["historyId"] for r in elsewhere.values())


def test_surroundings(bad: Any, tmp_path: Path) -> None:
    folder = allure.render(tmp_path, *bad._replace(info=replace(bad.info, images={"api": "v1=ü 😀"})))
    environment = (folder / "environment.properties").read_bytes()
    assert b"Decision=ERROR\n" in environment
    assert rb"Image.api=v1\=\u00fc\ \ud83d\ude00" in environment
    executor = json.loads((folder / "executor.json").read_text())
    assert executor["reportName"] == "ERROR: staging, pre-deploy"
    categories = json.loads((folder / "categories.json").read_text())
    assert categories[0]["name"] == "Decision"


def test_an_old_folder_is_replaced_whole(good: Any, bad: Any, tmp_path: Path) -> None:
    results(bad, tmp_path)
    assert len(results(good, tmp_path)) == 8
