"""Two deployed environments are alike, but for what their profiles say."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from breakages.parts import World, only, run_gate
from harness.gates import tables
from harness.local import resources
from harness.local.plan import plan
from harness.local.resources import Credentials, Emulator
from harness.model import CheckResult, Outcome
from harness.profile import Profile
from harness.profile.loader import load_profile

KINDS = ("ecs.services", "rds.instances", "sqs.queues")
TEXT = """
extends = "{name}"
[phases]
pre-deploy = [["integration"]]
[aws]
account = "{account}"
endpoint_url = "{url}"
[local]
stand_in = true
[gates.integration]
settle = "1s"
parity = {parity}
"""
Check = Callable[[], CheckResult]


@pytest.fixture
def environments(
    stack_url: str, credentials: str, database: Any, owner: Callable[[str], Any], tmp_path: Path
) -> dict[str, World]:
    """`staging` and `dev` in one account: their services, databases and queues, as the shipped profiles declare them."""
    made = {}
    for name, parity in (("staging", '["dev"]'), ("dev", "[]")):
        profile = _profile(tmp_path, name, credentials, stack_url, parity)
        wanted = replace(plan(profile, {}), images=(), declared={}, topic="")
        login = Credentials(
            database.host, database.port, wanted.instances[0].database, database.user, database.password
        )
        aws = Emulator(stack_url, wanted.region, credentials)
        resources.messaging(aws, wanted)
        resources.database(aws, wanted, login)
        for cluster in sorted({service.cluster for service in wanted.services}):
            resources.cluster(aws, cluster)
        for service in wanted.services:
            resources.service(aws, service, {})
        for instance in wanted.instances:
            resources.instance(aws, instance, login)
        made[name] = World(stack_url, credentials, wanted, profile, owner, login)
    return made


def _profile(folder: Path, name: str, account: str, url: str, parity: str) -> Profile:
    (folder / "profiles").mkdir(exist_ok=True)
    text = TEXT.format(name=name, account=account, url=url, parity=parity)
    (folder / "profiles" / f"{name}.toml").write_text(text)
    profile = load_profile(name, tables(), folder=folder / "profiles", environ={})
    return only(profile, KINDS)


@pytest.fixture
def check(environments: dict[str, World], tmp_path: Path) -> Check:
    def run() -> CheckResult:
        results = run_gate(environments["staging"], tmp_path, counterparts=(environments["dev"].profile,))
        return results["parity.is_like[dev]"]

    return run


def test_what_the_profiles_declare_differently_is_no_drift(check: Check) -> None:
    result = check()
    assert result.outcome is Outcome.PASSED, result.reason
    measured = {item.metric: item.value for item in result.measurements}
    assert (measured["compared_attributes"] or 0) > 20
    assert measured["drifted_attributes"] == 0


def test_what_no_profile_declares_must_be_alike(
    check: Check, environments: dict[str, World], owner: Callable[[str], Any]
) -> None:
    owner("rds").modify_db_instance(
        DBInstanceIdentifier="rds-dev", EngineVersion="17.2", ApplyImmediately=True
    )
    sqs = owner("sqs")
    url = sqs.get_queue_url(QueueName="storefront-dev-fifo-dlq.fifo")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "600"})
    result = check()
    assert result.outcome is Outcome.FAILED
    assert "staging and dev have drifted apart in 2 attributes" in result.reason
    assert "RDS instance rds-staging: engine version is 17.4 here, 17.2 there" in result.reason
    assert "SQS queue storefront-staging-fifo-dlq.fifo: retention is 1209600 here, 600 there" in result.reason
    assert result.hint


def test_one_that_is_missing_there_is_a_drift(
    check: Check, environments: dict[str, World], owner: Callable[[str], Any]
) -> None:
    owner("rds").delete_db_instance(DBInstanceIdentifier="rds-dev", SkipFinalSnapshot=True)
    result = check()
    assert result.outcome is Outcome.FAILED
    assert "RDS instance rds-staging exists here only" in result.reason


def test_another_environment_that_is_not_deployed_is_a_skip(
    stack_url: str, credentials: str, environments: dict[str, World], tmp_path: Path
) -> None:
    nowhere = _profile(tmp_path, "prod", credentials, stack_url, "[]")
    here = replace(
        environments["staging"],
        profile=_profile(tmp_path, "staging", credentials, stack_url, '["prod"]'),
    )
    results = run_gate(here, tmp_path, counterparts=(nowhere,))
    result = results["parity.is_like[prod]"]
    assert (result.outcome, result.cause) == (Outcome.SKIPPED, "absent")
