"""``findings.sarif``: what tools found at places, for code scanning (SARIF 2.1.0, OASIS standard, 27 March 2020).

Every finding of every check is there, those of waived checks as suppressed. The decision and its reasons stand in the
run's invocation, so that a file without results is not taken for a clean release.
"""

import hashlib
import json
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import quote

from harness.model import Decided, Decision, Finding, Record
from harness.report.files import write
from harness.report.text import clean, one_line
from harness.report.view import Case, State, View, view
from harness.verdict.info import RunInfo

NAME = "findings.sarif"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_BASE = "APP"
_LEVELS = {
    **dict.fromkeys(("critical", "high", "error", "failed", "fatal"), "error"),
    **dict.fromkeys(("medium", "moderate", "warning"), "warning"),
    **dict.fromkeys(("low", "note", "info", "minor", "style", "convention"), "note"),
}
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "moderate": "5.5", "low": "2.0"}
"""GitHub orders security findings by a number; these lie inside its bands."""


def render(folder: Path, info: RunInfo, record: Record, decided: Decided) -> Path:
    """Write ``findings.sarif``."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(info, view(record, decided))]}
    return write(folder / NAME, json.dumps(log, indent=1, ensure_ascii=False) + "\n")


def _run(info: RunInfo, seen: View) -> dict[str, Any]:
    found = [(case, finding) for case in seen.cases if case.result for finding in case.result.findings]
    rules: dict[str, dict[str, Any]] = {}
    for case, finding in found:
        _rule(rules, case, finding)
    order = {rule: index for index, rule in enumerate(rules)}
    return {
        "tool": {
            "driver": {
                "name": "gonogo",
                "version": info.version,
                "rules": list(rules.values()),
            }
        },
        "automationDetails": {"id": f"gonogo/{info.profile}/{info.phase}/{info.run_id}"},
        "invocations": [_invocation(info, seen)],
        "originalUriBaseIds": {_BASE: {"description": {"text": "the application's repository"}}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(case, finding, order) for case, finding in found],
        "properties": {"decision": str(seen.decision), "profile": info.profile, "phase": str(info.phase)},
    }


def _invocation(info: RunInfo, seen: View) -> dict[str, Any]:
    notifications = [
        {"level": "error", "message": {"text": clean(reason.text)}, "descriptor": {"id": reason.code}}
        for reason in seen.general
    ]
    notifications += [
        {
            "level": "error",
            "message": {"text": clean(f"{case.id}: {case.reason}")},
            "descriptor": {"id": str(case.state)},
        }
        for case in seen.failures
    ]
    invocation: dict[str, Any] = {
        "executionSuccessful": seen.decision in (Decision.GO, Decision.NO_GO),
        "startTimeUtc": f"{info.started:%Y-%m-%dT%H:%M:%SZ}",
        "toolExecutionNotifications": notifications,
    }
    if info.finished:
        invocation["endTimeUtc"] = f"{info.finished:%Y-%m-%dT%H:%M:%SZ}"
    return invocation


def _id(case: Case, finding: Finding) -> str:
    return one_line(finding.rule) or case.id


def _rule(rules: dict[str, dict[str, Any]], case: Case, finding: Finding) -> None:
    rule = rules.setdefault(
        _id(case, finding),
        {
            "id": _id(case, finding),
            "shortDescription": {"text": one_line(finding.message, 200) or _id(case, finding)},
            "properties": {"tags": [case.gate]},
        },
    )
    properties = rule["properties"]
    if case.gate not in properties["tags"]:
        properties["tags"].append(case.gate)
    if case.gate == "security" and (score := _SCORES.get(finding.severity.lower())):
        properties["security-severity"] = max(score, properties.get("security-severity", score), key=float)


def _result(case: Case, finding: Finding, order: dict[str, int]) -> dict[str, Any]:
    rule = _id(case, finding)
    place = f"{case.id}\0{rule}\0{finding.path}\0{finding.message}"
    result: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": order[rule],
        "level": _LEVELS.get(finding.severity.lower(), "warning" if case.ok else "error"),
        "message": {"text": clean(finding.message) or rule},
        "partialFingerprints": {"gonogo/v1": hashlib.sha256(place.encode(errors="replace")).hexdigest()},
        "properties": {"check": case.id, "gate": case.gate, "severity": finding.severity},
    }
    if finding.path:
        result["locations"] = [{"physicalLocation": _location(finding)}]
    if case.state is State.WAIVED:
        result["suppressions"] = [{"kind": "external", "justification": clean(case.reason)}]
    return result


def _location(finding: Finding) -> dict[str, Any]:
    path = PurePosixPath(PurePath(clean(finding.path).replace("\n", " ")).as_posix())
    artifact = (
        {"uri": f"file://{quote(str(path))}"}
        if path.is_absolute()
        else {"uri": quote(str(path)), "uriBaseId": _BASE}
    )
    location: dict[str, Any] = {"artifactLocation": artifact}
    if finding.line > 0:
        location["region"] = {"startLine": finding.line}
    return location
