"""The policy that `gonogo iam-policy` prints is enough, and nothing in it is too much."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aws_parts import owner_of
from breakages.parts import not_passed, run_gate
from harness.aws.iam import needed, policy

BLIND = ("Ssm",)
GIVING_BACK = {"sqs:ChangeMessageVisibility"}
"""Asked only where a probe met somebody else's message."""


def _become(
    monkeypatch: pytest.MonkeyPatch, iam: Any, document: dict[str, Any], *, user: str = "gate"
) -> None:
    """Go on as an IAM user who may do what the document says."""
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="gonogo", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])


def _without_load(gates: Mapping[str, Any]) -> dict[str, Any]:
    """What is run here is the integration gate."""
    return {name: gate for name, gate in gates.items() if name != "load"}


def _as_the_emulator_reads_it(document: dict[str, Any]) -> dict[str, Any]:
    """The emulator looks at no resource but ``*`` for some services; AWS does."""
    for statement in document["Statement"]:
        if any(statement["Sid"].endswith(name) for name in BLIND):
            statement["Resource"] = ["*"]
    return document


def test_a_run_with_exactly_this_policy_passes_and_uses_all_of_it(
    behind: Any, guarded_url: str, credentials: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = owner_of(guarded_url, credentials)
    with behind(guarded_url, credentials, owner) as (environment, proxy):
        judged = replace(environment.profile, gates=_without_load(environment.profile.gates))
        document = _as_the_emulator_reads_it(policy(judged))
        _become(monkeypatch, owner("iam"), document)
        results = run_gate(environment, tmp_path)
        shown = {name: (r.outcome.value, r.reason) for name, r in not_passed(results).items()}
        assert shown == {}
        rows = needed(judged)
        emulated = {row.key for row in rows if row.emulated and not row.diagnosis}
        assert proxy.keys | GIVING_BACK == emulated | GIVING_BACK, "what a run asks is what the policy allows"
        assert emulated >= GIVING_BACK


@pytest.mark.slow
def test_without_one_action_its_check_says_which_is_missing(
    behind: Any, guarded_url: str, credentials: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = owner_of(guarded_url, credentials)
    with behind(guarded_url, credentials, owner) as (environment, _):
        document = _as_the_emulator_reads_it(policy(environment.profile))
        for statement in document["Statement"]:
            statement["Action"] = [item for item in statement["Action"] if item != "rds:DescribeDBInstances"]
        _become(monkeypatch, owner("iam"), document)
        results = run_gate(environment, tmp_path)
    broken = not_passed(results)
    assert broken
    assert all(name.startswith(("rds.", "postgres.", "quotas.")) for name in broken)
    for result in broken.values():
        assert result.outcome == "error"
        assert "allow rds:DescribeDBInstances on RDS" in result.hint
