"""No report may look better than the verdict, whatever a run holds."""

import json
import re
from collections import Counter
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness.model import Decision
from harness.report import allure, junit, markdown, review, sarif
from harness.report.terminal import summary
from harness.report.view import view

Runs = st.SearchStrategy[Any]
EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@EXAMPLES
@given(data=st.data())
def test_view_shows_every_result_and_is_ok_only_for_go(data: st.DataObject, runs: Runs) -> None:
    run = data.draw(runs)
    seen = view(run.record, run.decided)
    shown = [case.result for case in seen.cases if case.result is not None]
    assert Counter(map(id, shown)) == Counter(map(id, run.record.results))
    assert {case.id for case in seen.cases} >= {
        check.id for check in run.record.checks if check.gate in seen_gates(run)
    }
    if run.record.gates:
        problem = any(not case.ok for case in seen.cases) or any(not reason.gate for reason in seen.general)
        assert problem == (run.decided.decision is not Decision.GO)


def seen_gates(run: Any) -> set[str]:
    return {gate.name for gate in run.record.gates} | {result.gate for result in run.record.results}


@EXAMPLES
@given(data=st.data())
def test_junit_fails_exactly_when_the_decision_is_not_go(
    data: st.DataObject, runs: Runs, scratch: Path
) -> None:
    run = data.draw(runs)
    root = ET.parse(junit.render(scratch, *run)).getroot()
    bad = len(root.findall(".//failure")) + len(root.findall(".//error"))
    assert (bad > 0) == (run.decided.decision is not Decision.GO)
    assert int(root.get("failures", "")) + int(root.get("errors", "")) == bad
    decision = root.find("./testsuite[@name='gonogo']/testcase[@name='decision']")
    assert decision is not None
    assert (decision.find("failure") is None and decision.find("error") is None) == (
        run.decided.decision is Decision.GO
    )


@EXAMPLES
@given(data=st.data())
def test_allure_tells_the_decision(data: st.DataObject, runs: Runs, scratch: Path) -> None:
    run = data.draw(runs)
    folder = allure.render(scratch, *run)
    results = [json.loads(path.read_text()) for path in folder.glob("*-result.json")]
    (decision,) = [result for result in results if result["fullName"].endswith("/decision")]
    assert decision["name"] == f"Decision: {run.decided.decision}"
    assert (decision["status"] == "passed") == (run.decided.decision is Decision.GO)
    bad = [result for result in results if result["status"] not in ("passed", "skipped")]
    assert bool(bad) == (run.decided.decision is not Decision.GO)
    assert len(results) == 1 + len(list(view(run.record, run.decided).cases))
    assert {result["status"] for result in results} <= {"passed", "skipped", "failed", "broken"}
    for attachment in (each for result in results for each in result.get("attachments", ())):
        assert (folder / attachment["source"]).is_file()


@EXAMPLES
@given(data=st.data())
def test_markdown_states_the_decision_once_and_exactly(
    data: st.DataObject, runs: Runs, scratch: Path
) -> None:
    run = data.draw(runs)
    text = markdown.render(scratch, *run).read_text()
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"^# (.*)$", outside, flags=re.MULTILINE) == [
        f"{run.decided.decision} · staging · pre-deploy"
    ]
    assert "<script" not in outside
    assert "\x1b" not in text


@EXAMPLES
@given(data=st.data())
def test_sarif_has_every_finding(data: st.DataObject, runs: Runs, scratch: Path) -> None:
    run = data.draw(runs)
    (log,) = json.loads(sarif.render(scratch, *run).read_text())["runs"]
    findings = [finding for result in run.record.results for finding in result.findings]
    assert len(log["results"]) == len(findings)
    rules = [rule["id"] for rule in log["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    for result in log["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["message"]["text"]
    assert log["properties"]["decision"] == run.decided.decision
    assert bool(log["invocations"][0]["toolExecutionNotifications"]) == (
        run.decided.decision is not Decision.GO
    )


@EXAMPLES
@given(data=st.data())
def test_review_page_states_the_decision_and_runs_nothing(
    data: st.DataObject, runs: Runs, scratch: Path
) -> None:
    run = data.draw(runs)
    page = review.render(scratch, *run).read_text()
    assert re.findall(r"<h1><strong>(.*?)</strong>", page) == [str(run.decided.decision)]
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["']?(https?:|//|javascript:)""", page)


@EXAMPLES
@given(data=st.data(), width=st.sampled_from([20, 60, 80, 120]), encoding=st.sampled_from(["utf-8", "ascii"]))
def test_terminal_states_the_decision(data: st.DataObject, runs: Runs, width: int, encoding: str) -> None:
    run = data.draw(runs)
    raw = BytesIO()
    out = TextIOWrapper(raw, encoding=encoding)
    console = Console(file=out, width=width)
    summary(console, run.info, run.record, run.decided, {"verdict": Path("verdict.json")})
    out.flush()
    text = raw.getvalue().decode(encoding)
    others = {str(decision) for decision in Decision} - {str(run.decided.decision)}
    assert f" {run.decided.decision} " in text.splitlines()[2]
    assert not any(line.startswith(tuple(f"{other} (exit" for other in others)) for line in text.splitlines())
    assert "\x1b" not in text
    assert all(len(line) <= width * 2 for line in text.splitlines())


@pytest.mark.parametrize("decision", list(Decision))
def test_every_decision_is_rendered(decision: Decision, good: Any, tmp_path: Path) -> None:
    """The renderers follow the decision they are given, not what the checks look like."""
    from dataclasses import replace

    run = good._replace(decided=replace(good.decided, decision=decision))
    root = ET.parse(junit.render(tmp_path, *run)).getroot()
    assert (root.get("failures") == root.get("errors") == "0") == (decision is Decision.GO)
    assert f"# {decision} ·" in markdown.render(tmp_path, *run).read_text()
    assert f"<strong>{decision}</strong>" in review.render(tmp_path, *run).read_text()
    out = StringIO()
    summary(Console(file=out, width=80), run.info, run.record, run.decided, {})
    assert f"\n{decision} (exit " in out.getvalue()
