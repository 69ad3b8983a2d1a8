"""Baselines by whole runs of the load gate against a real server: the first GO, the next runs, a damaged one."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine_parts import Repo
from harness.model import Cause, CheckResult, Decision, Outcome
from harness.verdict.store import prune

NAME = "load.baseline.keeps_its_baseline[api]"
PROFILE = """
description = "A load gate with rules on a baseline"
[phases]
pre-deploy = [["load"]]
[policy.skips]
no_baseline = "{no_baseline}"
[gates.load]
allowed_hosts = ["127.0.0.1"]
[[gates.load.scenarios]]
name = "api"
url = "{url}"
rate = "40/s"
duration = "1s"
timeout = "2s"
thresholds = ["success_rate >= 95%", "p50 <= baseline + 50% + 10ms", "success_rate >= baseline - 1%"]
"""


class Service:
    """Answers after `delay` seconds."""

    def __init__(self) -> None:
        self.delay = 0.0

    async def __call__(self, index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self.delay)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class Runs:
    """A repository whose load gate is run."""

    def __init__(self, root: Path, serve: Any) -> None:
        self.repo, self.service = Repo(root), Service()
        self.server = serve(self.service)
        self.profile()

    def profile(self, no_baseline: str = "allow") -> None:
        text = PROFILE.format(url=self.server.url, no_baseline=no_baseline)
        self.repo.write("profiles/p.toml", text)

    def go(self, *arguments: str) -> tuple[Decision, CheckResult]:
        """A run's decision, and its baseline check."""
        ran = self.repo.gate(*arguments)
        verdict = self.repo.verdict
        found = [result for result in verdict.record.results if result.id == NAME]
        assert found, ran.stdout + ran.stderr
        return verdict.decision, found[0]

    def folder(self) -> Path:
        return self.repo.root / "reports/p/pre-deploy/runs" / self.repo.verdict.info.run_id


@pytest.fixture
def runs(tmp_path: Path, serve: Callable[..., Any]) -> Runs:
    return Runs(tmp_path, serve)


def test_a_run_that_is_slower_than_the_first_go(runs: Runs) -> None:
    decision, first = runs.go()
    assert (decision, first.outcome, first.cause) == (Decision.GO, Outcome.SKIPPED, Cause.NO_BASELINE)
    assert "no earlier GO of p pre-deploy with this scenario" in first.reason
    assert "becomes the baseline" in first.hint

    runs.service.delay = 0.1
    decision, slower = runs.go()
    assert (decision, slower.outcome) == (Decision.NO_GO, Outcome.FAILED)
    assert "the rule is p50 <= baseline + 50% + 10ms: " in slower.reason
    assert "success_rate" not in slower.reason
    assert slower.facts["shift"].startswith(
        "a request is slower than one of the baseline with a probability of "
    )
    assert slower.facts["shift"].endswith("the whole distribution moved")
    assert any(line.strip().startswith("p95: ") for line in slower.diagnosis)


@pytest.mark.slow
def test_the_last_go_is_the_baseline_and_is_kept(runs: Runs) -> None:
    runs.go()
    baseline = runs.repo.verdict.info.run_id

    decision, same = runs.go()
    assert (decision, same.outcome) == (Decision.GO, Outcome.PASSED), same.reason
    assert same.facts["baseline"].startswith(f"run {baseline}, finished ")
    assert [rule.threshold for rule in same.thresholds] == [
        "p50 <= baseline + 50% + 10ms",
        "success_rate >= baseline - 1%",
    ]
    assert {"baseline_p50", "baseline_success_rate", "p50"} <= {each.metric for each in same.measurements}
    source = runs.repo.verdict.info.subject("source")
    assert source is not None
    (digest,) = source.digest.values()
    last_go = runs.repo.verdict.info.run_id
    accepted = runs.repo.run("verify", "--profile", "p", "--source", digest)
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr

    runs.service.delay = 0.1
    decision, _ = runs.go()
    assert decision is Decision.NO_GO

    # However few runs are kept, the last GO stays: it is what runs are compared with.
    kept = runs.folder().parent
    prune(kept.parent, 1)
    assert {run.name for run in kept.iterdir()} == {last_go, runs.repo.verdict.info.run_id}
    runs.profile("INCONCLUSIVE")
    (kept / last_go / "load/scenarios/api/result.json").write_text("{}")
    decision, tampered = runs.go()
    assert (decision, tampered.cause) == (Decision.INCONCLUSIVE, Cause.NO_BASELINE)
    assert (
        f"result.json of run {last_go}, the last GO, is not the file that its verdict lists"
        in tampered.reason
    )
