"""The integration gate's own suite, run for real against an environment in the emulator."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.model import Cause, CheckResult, Outcome, Phase, Subject

RunGate = Callable[..., dict[str, CheckResult]]
Environment = Any
CHECKS = {
    "ecs.is_active[api]",
    "ecs.running_count[api]",
    "ecs.rollout_is_complete[api]",
    "ecs.running_digest[api]",
    "ecs.last_deployment_was_not_rolled_back[api]",
    "ecs.tasks_run_the_expected_revision[api]",
    "ecs.circuit_breaker_rolls_back[api]",
    "ecs.container_health_check_means_something[api]",
    "rds.is_available[db]",
    "rds.is_configured_as_declared[db]",
    "rds.is_private[db]",
    "rds.is_backed_up[db]",
    "rds.is_settled[db]",
    "rds.accepts_a_login[db]",
    "postgres.answers_in_time[db]",
    "sqs.is_of_its_kind[work.fifo]",
    "sqs.is_not_open_to_everybody[work.fifo]",
    "sqs.redrives_to_its_dead_letter_queue[work.fifo]",
    "sqs.dead_letters_are_kept_as_long[work.fifo]",
    "sqs.has_no_dead_letters[work.fifo]",
    "sqs.carries_a_message[work.fifo]",
}


def outcomes(results: dict[str, CheckResult]) -> set[Outcome]:
    return {result.outcome for result in results.values()}


def not_passed(results: dict[str, CheckResult]) -> dict[str, Outcome]:
    """Those that did not pass, but for what the emulator cannot show."""
    return {
        name: result.outcome
        for name, result in results.items()
        if result.outcome is not Outcome.PASSED and result.cause is not Cause.NOT_EMULATED
    }


def test_an_environment_as_declared_passes(
    environment: Environment, run_gate: RunGate, credentials: str, tmp_path: Path
) -> None:
    digest = environment.all()
    results = run_gate("integration", account=credentials)
    assert not_passed(results) == {}
    assert set(results) == CHECKS
    running = results["ecs.running_digest[api]"]
    assert running.facts["running_digest"] == digest
    assert running.facts["running_digest_source"] == "inferred from the task definition"
    measured = {m.metric: m for result in results.values() for m in result.measurements}
    assert measured["running_tasks"].value == measured["desired_tasks"].value == 2
    assert measured["dead_letters"].value == 0
    assert measured["login_time"].value
    assert measured["message_latency"].value
    not_emulated = {name for name, result in results.items() if result.cause is Cause.NOT_EMULATED}
    assert "ecs.last_deployment_was_not_rolled_back[api]" in not_emulated
    for name in CHECKS - not_emulated:
        (evidence,) = results[name].evidence
        assert json.loads((tmp_path / "run" / evidence.path).read_text())
    everything = "".join(path.read_text() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert environment.database.password not in everything
    assert environment.owner("sqs").list_queues()["QueueUrls"], "the queues are still there"


def test_everything_that_is_wrong_fails_by_name_and_explains_itself(
    environment: Environment, run_gate: RunGate, credentials: str, tmp_path: Path
) -> None:
    environment.service(f"api@{environment.push('v1')}", count=1)
    environment.instance(password="wrong-password", DBInstanceClass="db.t3.small", StorageEncrypted=False)
    environment.queues(redrive=False)
    dead = environment.owner("sqs").get_queue_url(QueueName="dead.fifo")["QueueUrl"]
    environment.owner("sqs").send_message(
        QueueUrl=dead, MessageBody="x", MessageGroupId="x", MessageDeduplicationId="x"
    )
    results = run_gate("integration", account=credentials)
    assert set(not_passed(results)) == {
        "ecs.running_count[api]",
        "rds.is_configured_as_declared[db]",
        "rds.accepts_a_login[db]",
        "postgres.answers_in_time[db]",
        "sqs.redrives_to_its_dead_letter_queue[work.fifo]",
        "sqs.has_no_dead_letters[work.fifo]",
    }
    failed = {name: result for name, result in results.items() if result.outcome is Outcome.FAILED}
    assert set(not_passed(results)) - set(failed) == {"postgres.answers_in_time[db]"}, "nobody could log in"
    assert "1 tasks are desired, the profile wants at least 2" in failed["ecs.running_count[api]"].reason
    assert "differs in 2 settings" in failed["rds.is_configured_as_declared[db]"].reason
    assert "class is db.t3.small, declared db.t3.micro" in failed["rds.is_configured_as_declared[db]"].reason
    assert "refuses the credentials" in failed["rds.accepts_a_login[db]"].reason
    assert "it has no redrive policy" in failed["sqs.redrives_to_its_dead_letter_queue[work.fifo]"].reason
    assert failed["sqs.has_no_dead_letters[work.fifo]"].measurements[0].value == 1
    assert all(result.hint for result in failed.values())
    everything = "".join(path.read_text() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert "wrong-password" not in everything


def test_a_service_that_lost_a_task_fails_with_what_stopped_it(
    environment: Environment, run_gate: RunGate, credentials: str
) -> None:
    environment.all()
    ecs = environment.owner("ecs")
    while len(arns := ecs.list_tasks(cluster="main", serviceName="api")["taskArns"]) < 2:
        pass
    ecs.stop_task(cluster="main", task=arns[0], reason="killed by the test, password=hunter2-canary")
    results = run_gate("integration", account=credentials)
    assert set(not_passed(results)) == {"ecs.running_count[api]", "ecs.rollout_is_complete[api]"}
    count = results["ecs.running_count[api]"]
    assert "1 of 2 desired tasks run" in count.reason
    assert any("killed by the test, password=****" in line for line in count.diagnosis)


@pytest.mark.parametrize(
    ("released", "resolved"),
    [("v1", True), ("v2", True), ("v2", False)],
    ids=["it runs", "another runs", "another runs, and the check resolves the tag"],
)
def test_after_a_deploy_the_released_image_must_run(
    environment: Environment, run_gate: RunGate, credentials: str, released: str, resolved: bool
) -> None:
    digests = {"v1": environment.all(), "v2": environment.push("v2")}
    subject = Subject("api", {"sha256": digests[released].removeprefix("sha256:")})
    results = run_gate(
        "integration",
        account=credentials,
        phase=Phase.POST_DEPLOY,
        images={"api": released},
        subjects=(subject,) if resolved else (),
    )
    running = results["ecs.running_digest[api]"]
    assert running.facts["released_digest"] == digests[released]
    if released == "v1":
        assert not_passed(results) == {}
    else:
        assert not_passed(results) == {"ecs.running_digest[api]": Outcome.FAILED}
        assert f"runs {digests['v1']}, released is {digests['v2']}" in running.reason


def test_before_a_deploy_another_image_runs_and_that_is_no_fault(
    environment: Environment, run_gate: RunGate, credentials: str
) -> None:
    old = environment.all()
    environment.push("v2")
    results = run_gate("integration", account=credentials, images={"api": "v2"})
    assert not_passed(results) == {}
    assert results["ecs.running_digest[api]"].facts["running_digest"] == old


def test_nothing_deployed_is_a_clean_skip(run_gate: RunGate, credentials: str) -> None:
    results = run_gate("integration", account=credentials)
    assert set(results) == CHECKS
    assert outcomes(results) == {Outcome.SKIPPED}
    assert {result.cause for result in results.values()} == {Cause.ABSENT}


def test_half_deployed_names_what_is_missing(
    environment: Environment, run_gate: RunGate, credentials: str
) -> None:
    environment.instance()
    results = run_gate("integration", account=credentials)
    assert set(not_passed(results)) == {name for name in CHECKS if not name.startswith(("rds", "postgres"))}
    for name, result in results.items():
        if not name.startswith(("rds", "postgres")):
            assert result.outcome is Outcome.FAILED
            assert result.reason.startswith("half deployed: ")
            assert result.resource in result.reason


def test_no_credentials_skips_everything_and_sends_nothing(
    run_gate: RunGate, stub: Callable[..., Any]
) -> None:
    server = stub(lambda _: b"")
    results = run_gate("integration", url=server.url)
    assert {(result.outcome, result.cause) for result in results.values()} == {
        (Outcome.SKIPPED, Cause.NO_CREDENTIALS)
    }
    assert server.asked == 0


def test_no_answer_skips_everything(run_gate: RunGate, credentials: str) -> None:
    results = run_gate("integration", url="http://127.0.0.1:9")
    assert {(result.outcome, result.cause) for result in results.values()} == {
        (Outcome.SKIPPED, Cause.UNREACHABLE)
    }


def test_another_account_is_an_error_of_every_check(run_gate: RunGate, credentials: str) -> None:
    results = run_gate("integration", account="999999999999")
    assert outcomes(results) == {Outcome.ERROR}
    assert all("999999999999" in result.reason for result in results.values())


def test_before_a_deploy_read_only_neither_a_probe_is_sent_nor_what_is_to_come_is_missed(
    environment: Environment, run_gate: RunGate, credentials: str
) -> None:
    environment.all()
    later = '[[sqs.queues]]\nqueue = "later"\nexpect = "after-deploy"\n'
    results = run_gate("integration", 'aws.access="read-only"', account=credentials, more=later)
    assert not_passed(results) == {}
    assert set(results) == CHECKS - {"sqs.carries_a_message[work.fifo]"}


def test_several_workers_come_to_the_same(
    environment: Environment, run_gate: RunGate, credentials: str
) -> None:
    environment.all()
    results = run_gate("integration", "gates.integration.workers=2", account=credentials)
    assert set(results) == CHECKS
    assert not_passed(results) == {}


def test_a_queue_in_use_proves_nothing(environment: Environment, run_gate: RunGate, credentials: str) -> None:
    environment.all()
    sqs = environment.owner("sqs")
    url = sqs.get_queue_url(QueueName="work.fifo")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="theirs", MessageGroupId="x", MessageDeduplicationId="x")
    results = run_gate("integration", account=credentials)
    assert not_passed(results) == {"sqs.carries_a_message[work.fifo]": Outcome.INCONCLUSIVE}
    assert "is in use: 1 messages of others" in results["sqs.carries_a_message[work.fifo]"].reason


def test_what_comes_with_the_release_is_missing_after_it(
    environment: Environment, run_gate: RunGate, credentials: str
) -> None:
    environment.all()
    later = '[[sqs.queues]]\nqueue = "later"\nexpect = "after-deploy"\n'
    results = run_gate("integration", account=credentials, more=later, phase=Phase.POST_DEPLOY)
    assert not_passed(results) == {
        "sqs.is_of_its_kind[later]": Outcome.FAILED,
        "sqs.is_not_open_to_everybody[later]": Outcome.FAILED,
    }
