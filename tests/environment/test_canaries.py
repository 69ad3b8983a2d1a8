"""Planted secrets are in no file of a run and on no screen, whether it goes well or badly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from breakages.parts import PROFILE, SETTLE, world
from product_parts import Product

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

SECRET, PARAMETER = "storefront/staging/careless", "/storefront-staging/careless"


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


@pytest.mark.parametrize("well", [True, False], ids=["a run that goes well", "a run that fails"])
def test_no_planted_secret_is_said_anywhere(
    stack_url: str,
    credentials: str,
    owner: Callable[[str], Any],
    database: Any,
    tmp_path: Path,
    well: bool,
) -> None:
    root = tmp_path / "repository"
    (root / "profiles").mkdir(parents=True)
    text = PROFILE.format(account=credentials, url=stack_url, settle=SETTLE)
    allowed = '[gates.integration]\nexclude_markers = ["destructive"]'
    text = text.replace("[gates.integration]", allowed)
    (root / "profiles" / "broken.toml").write_text(text)
    with world(tmp_path, credentials, stack_url, owner, database) as made:
        owner("secretsmanager").create_secret(
            Name="storefront/staging/careless", SecretString=json.dumps({"api_token": API_TOKEN})
        )
        owner("ssm").put_parameter(Name="/storefront-staging/careless", Value=SECURE, Type="SecureString")
        if not well:
            _break(owner, made)
            (root / "suites" / "integration").mkdir(parents=True)
            (root / "suites" / "integration" / "test_careless.py").write_text(LEAKING)
        keys = {"AWS_ACCESS_KEY_ID": credentials, "AWS_SECRET_ACCESS_KEY": AWS_KEY}
        done = Product(root).gate(
            "broken", "--set", "app.path=.", environ={**keys, "AWS_EC2_METADATA_DISABLED": "true"}
        )
    assert done.code in ((0, 11) if well else (12,)), done.stdout + done.stderr
    if not well:
        assert done.results["integration.careless.raises_it"].outcome == "error"
        assert "****" in done.results["integration.careless.asserts_it"].reason
    said = everything(root / "reports") + done.stdout.encode() + done.stderr.encode()
    assert b"allure" in said
    for secret in (AWS_KEY, API_TOKEN, SECURE, PRINTED, database.password):
        for form in (secret, json.dumps(secret)[1:-1]):
            assert form.encode() not in said, f"{secret} was said"


def _break(owner: Callable[[str], Any], made: Any) -> None:
    """A wrong password, and secrets in what AWS says of why things stopped."""
    ecs, service = owner("ecs"), made.plan.services[0]
    while not (tasks := ecs.list_tasks(cluster=service.cluster, serviceName=service.name)["taskArns"]):
        pass
    reason = f"exited: could not log in with password={PRINTED} as {made.database.password}"
    ecs.stop_task(cluster=service.cluster, task=tasks[0], reason=reason)
    logs = owner("logs")
    stream = logs.describe_log_streams(logGroupName=service.log_group)["logStreams"][0]["logStreamName"]
    logs.put_log_events(
        logGroupName=service.log_group,
        logStreamName=stream,
        logEvents=[{"timestamp": 1, "message": f"connecting to postgres://app:{PRINTED}@db/x"}],
    )
