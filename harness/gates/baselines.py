"""Before a load gate's checks: the run that each of its scenarios is compared with, or why there is none.

The baseline is the last GO of the same environment, profile and phase in which the scenario passed. What it left must be
what its verdict lists, and the traffic must be the same; otherwise there is no baseline, and no older one takes its place:
removing or damaging evidence must not choose what a release is compared with.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.gates.context import GateContext
from harness.gates.load import LoadConfig
from harness.load.baseline import differences, traffic
from harness.load.scenario import Scenario
from harness.masking import mask
from harness.model import CheckResult, Evidence, Outcome
from harness.verdict.history import go_runs
from harness.verdict.info import emulated, resource_uri
from harness.verdict.statement import Verdict
from harness.verdict.store import folder_of, write_atomic

KEY = "baselines"
SCENARIO = "scenario.json"
RESULT = "result.json"
_FIRST = "the first GO of this scenario becomes the baseline; it is kept in the reports folder, so keep that between runs"
_AGAIN = "the next GO of this scenario becomes the baseline"


class NoBaseline(Exception):  # noqa: N818 - an answer, not an error
    """There is nothing to compare with, and why."""

    def __init__(self, why: str, hint: str = _AGAIN) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint


def copy_of(context: GateContext, scenario: str) -> Path:
    """Where this run keeps the baseline's result, so that it outlives the run it came from."""
    return context.work / KEY / scenario / RESULT


def find(context: GateContext) -> Mapping[str, Any]:
    """For each scenario with rules on a baseline: which run that is, or why there is none; facts for the ledger."""
    config = context.profile.gate(context.gate, LoadConfig)
    wanted = [scenario for scenario in config.running(context.profile) if scenario.baseline_rules]
    if not wanted:
        return {}
    reports = (context.root / context.profile.reports.path).resolve()
    runs = go_runs(folder_of(reports, context.profile.name, context.phase))
    return {KEY: {scenario.name: _found(context, scenario, runs) for scenario in wanted}}


def _found(
    context: GateContext, scenario: Scenario, runs: Iterable[tuple[Path, Verdict]]
) -> Mapping[str, str]:
    try:
        folder, verdict, checks = _last(context, scenario, runs)
        said = _evidence(folder, checks, SCENARIO)
        if said is None:
            raise NoBaseline(f"run {folder.name}, the last GO, does not say what it sent")
        _require_alike(folder, said, scenario)
        raw = _evidence(folder, checks, RESULT)
        if raw is None:
            raise NoBaseline(f"run {folder.name}, the last GO, lists no {RESULT} of this scenario")
    except NoBaseline as none:
        return {"missing": mask(none.why), "hint": none.hint}
    write_atomic(copy_of(context, scenario.name), raw)
    finished = verdict.info.finished or verdict.info.started
    return {
        "run": folder.name,
        "finished": f"{finished:%Y-%m-%d %H:%M} UTC",
        "sha256": hashlib.sha256(raw).hexdigest(),
    }


def _last(
    context: GateContext, scenario: Scenario, runs: Iterable[tuple[Path, Verdict]]
) -> tuple[Path, Verdict, tuple[CheckResult, ...]]:
    """The last GO that may be a baseline at all, with its checks of the scenario."""
    gate, passed_over = context.gate, ""
    for folder, verdict in runs:
        why = _unfit(context, verdict)
        results = {result.id: result for result in verdict.record.results}
        own = results.get(f"{gate}.scenarios.keeps_its_rules[{scenario.name}]")
        against = results.get(f"{gate}.baseline.keeps_its_baseline[{scenario.name}]")
        if not why and (own is None or own.outcome is not Outcome.PASSED):
            why = "the scenario did not pass in it"
        if not why and against is not None and against.outcome not in (Outcome.PASSED, Outcome.SKIPPED):
            why = "it did not keep the baseline of its time"
        if not why:
            return folder, verdict, tuple(each for each in (own, against) if each is not None)
        passed_over = passed_over or f"; run {folder.name} does not count: {why}"
    raise NoBaseline(
        f"no earlier GO of {context.profile.name} {context.phase} with this scenario{passed_over}", _FIRST
    )


def _unfit(context: GateContext, verdict: Verdict) -> str:
    """Why a GO is nobody's baseline here; empty where it may be one. A run of only some gates is never GO."""
    info = verdict.info
    if info.overrides:
        return f"the profile was overridden ({', '.join(sorted(info.overrides))})"
    here = (context.profile.name, context.phase, resource_uri(context.profile), emulated(context.profile))
    if (info.profile, info.phase, info.resource_uri, info.stand_in) != here:
        return f"it speaks of another environment ({info.resource_uri})"
    return ""


def _evidence(folder: Path, checks: Iterable[CheckResult], name: str) -> bytes | None:
    """The bytes that a check of a run left under a name; ``None`` where its verdict lists none."""
    listed = [each for check in checks for each in check.evidence if each.name == name]
    return _intact(folder, listed[0]) if listed else None


def _intact(folder: Path, listed: Evidence) -> bytes:
    path = (folder / listed.path).resolve()
    try:
        raw = path.read_bytes() if path.is_relative_to(folder.resolve()) else None
    except OSError:
        raw = None
    if raw is None:
        raise NoBaseline(f"run {folder.name}, the last GO, has lost its {listed.path}")
    if hashlib.sha256(raw).hexdigest() != listed.sha256:
        raise NoBaseline(
            f"{listed.path} of run {folder.name}, the last GO, is not the file that its verdict lists: it was changed "
            "afterwards",
            f"find out who changed it; {_AGAIN}",
        )
    return raw


def _require_alike(folder: Path, said: bytes, scenario: Scenario) -> None:
    try:
        then = json.loads(said)
    except ValueError:
        then = None
    if not isinstance(then, dict):
        raise NoBaseline(f"what run {folder.name}, the last GO, sent cannot be read")
    if changed := differences(then, traffic(scenario)):
        raise NoBaseline(f"run {folder.name}, the last GO, sent something else: {'; '.join(changed)}")
