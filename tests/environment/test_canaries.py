"""Planted secrets are in no file of a run and on no screen, whether it goes well or badly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aws_parts import owner_of
from harness import local
from harness.gates import tables
from harness.profile.loader import load_profile
from own_tmp import own_tmp  # noqa: F401 - a fixture
from product_parts import Product

PROFILE = """
extends = "local"
[phases]
pre-deploy = [["integration"]]
[gates.integration]
settle = "2s"
"""
AWS_KEY = "canary+aws/wJalrXUtnFEMIK7MDENG0001"
API_TOKEN = "canary-api-9f8e7d6c5b4a"
SECURE = "canary-secure-string-77aa"
PRINTED = "canary-printed-4242"
LEAKING = '''
"""Checks that are careless with what they read."""

import logging
import warnings

from harness.aws.session import Aws
from harness.fixtures import Check

SECRET, PARAMETER = "storefront/local/careless", "/storefront-local/careless"


def read(aws: Aws) -> tuple[str, str]:
    secret = aws.call("secretsmanager:GetSecretValue", SECRET, SecretId=SECRET)["SecretString"]
    answer = aws.call("ssm:GetParameters", PARAMETER, Names=[PARAMETER], WithDecryption=True)
    return secret, answer["Parameters"][0]["Value"]


def test_says_it_everywhere(aws: Aws, check: Check) -> None:
    secret, value = read(aws)
    print(secret, value, "password=canary-printed-4242")
    logging.getLogger("careless").error("%s %s", secret, value)
    check.fact("read", secret)
    check.diagnose([secret, value])
    check.evidence("bytes.bin", (secret + value).encode())
    check.snapshot("answer", {"value": value, "secret": secret})


def test_raises_it(aws: Aws, check: Check) -> None:
    secret, value = read(aws)
    local_variable = {"secret": secret, "value": value}
    raise RuntimeError(f"cannot handle {local_variable}")


def test_asserts_it(aws: Aws, check: Check) -> None:
    secret, value = read(aws)
    warnings.warn(value)
    assert secret == value, f"{secret} is not {value}"
'''


def everything(root: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


@pytest.mark.parametrize(
    "well",
    [pytest.param(True, marks=pytest.mark.slow), False],
    ids=["a run that goes well", "a run that fails"],
)
def test_no_planted_secret_is_said_anywhere(tmp_path: Path, own_tmp: Path, well: bool) -> None:  # noqa: F811
    root = tmp_path / "repository"
    (root / "profiles").mkdir(parents=True)
    (root / "profiles" / "mine.toml").write_text(PROFILE)
    profile = load_profile("mine", tables(), folder=root / "profiles", environ={})
    with local.running(profile, tmp_path / "stand-in") as info:
        owner = owner_of(info.environ["AWS_ENDPOINT_URL"], "000000000000")
        planted = _plant(owner)
        if not well:
            _break(owner, planted)
            (root / "suites" / "integration").mkdir(parents=True)
            (root / "suites" / "integration" / "test_careless.py").write_text(LEAKING)
        done = Product(root).gate(
            "mine", "--stand-in", str(tmp_path / "stand-in"), environ={"AWS_SECRET_ACCESS_KEY": AWS_KEY}
        )
    assert done.code == (0 if well else 12), done.stdout + done.stderr
    if not well:
        assert done.results["integration.careless.raises_it"].outcome == "error"
        assert "****" in done.results["integration.careless.asserts_it"].reason
        assert "integration.ecs.running_count[api-service-local]" in done.not_passed
    said = everything(root / "reports") + done.stdout.encode() + done.stderr.encode()
    assert b"allure" in said
    for secret in (AWS_KEY, API_TOKEN, SECURE, PRINTED, planted):
        for form in (secret, json.dumps(secret)[1:-1]):
            assert form.encode() not in said, f"{secret} was said"


def _plant(owner: Callable[[str], Any]) -> str:
    """More secrets beside the database's password, which is returned."""
    manager = owner("secretsmanager")
    held = json.loads(manager.get_secret_value(SecretId="storefront/local/rds-credentials")["SecretString"])
    manager.create_secret(Name="storefront/local/careless", SecretString=json.dumps({"api_token": API_TOKEN}))
    owner("ssm").put_parameter(Name="/storefront-local/careless", Value=SECURE, Type="SecureString")
    return str(held["password"])


def _break(owner: Callable[[str], Any], password: str) -> None:
    """A task that stopped, and secrets in what AWS and the logs say of it."""
    ecs = owner("ecs")
    cluster, service = "storefront-cluster-local", "api-service-local"
    while not (tasks := ecs.list_tasks(cluster=cluster, serviceName=service)["taskArns"]):
        pass
    ecs.stop_task(
        cluster=cluster,
        task=tasks[0],
        reason=f"exited: could not log in with password={PRINTED} as {password}",
    )
    logs, group = owner("logs"), f"/ecs/{service}"
    stream = logs.describe_log_streams(logGroupName=group)["logStreams"][0]["logStreamName"]
    logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": 1, "message": f"connecting to postgres://app:{PRINTED}@db/x"}],
    )
