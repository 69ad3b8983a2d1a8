"""An environment in the emulator, with a real database, whose gates run as the supervisor runs them."""

# ruff: noqa: F811 - a fixture's parameters are named like the fixtures they ask for
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aws_parts import (  # noqa: F401 - fixtures
    Database,
    aws,
    credentials,
    database,
    http,
    make_profile,
    no_inherited_aws,
    owner,
    stack_url,
    stub,
)
from harness import codec
from harness.gates import tables
from harness.gates.context import GateContext
from harness.model import CheckResult, Phase, Subject
from harness.profile.loader import load_profile
from harness.run import session
from suite_parts import check, markers_of_suites  # noqa: F401 - fixtures

PROFILE = """
description = "An environment in the emulator"
[phases]
pre-deploy = [["integration"]]
post-deploy = [["integration"], ["smoke"]]
[app]
images = { api = "api" }
[aws]
account = "ACCOUNT"
access = "read-write"
endpoint_url = "URL"
[local]
stand_in = true
[gates.integration]
settle = "1s"
[[ecs.services]]
cluster = "main"
service = "api"
image = "api"
min_tasks = 2
[[rds.instances]]
identifier = "db"
instance_class = "db.t3.micro"
database = "postgres"
secret = "db-credentials"
[[sqs.queues]]
queue = "work.fifo"
dead_letter_queue = "dead.fifo"
probe = true
"""
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {"mediaType": "application/json", "size": 1, "digest": "sha256:" + "0" * 64},
    "layers": [],
}
RunGate = Callable[..., dict[str, CheckResult]]


class Environment:
    """The environment's parts, made one by one."""

    def __init__(self, owner: Callable[[str], Any], account: str, database: Database) -> None:
        self.owner, self.account, self.database = owner, account, database

    def push(self, tag: str) -> str:
        """Push an image; gives its digest."""
        ecr = self.owner("ecr")
        if not ecr.describe_repositories()["repositories"]:
            ecr.create_repository(repositoryName="api")
        manifest = json.dumps({**MANIFEST, "annotations": {"tag": tag}})
        put = ecr.put_image(repositoryName="api", imageManifest=manifest, imageTag=tag)
        digest: str = put["image"]["imageId"]["imageDigest"]
        return digest

    def service(self, image: str, *, count: int = 2) -> None:
        ecs = self.owner("ecs")
        ecs.create_cluster(clusterName="main")
        ecs.register_task_definition(
            family="api", containerDefinitions=[{"name": "api", "image": image, "memory": 64}]
        )
        breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
        ecs.create_service(
            cluster="main",
            serviceName="api",
            taskDefinition="api",
            desiredCount=count,
            deploymentConfiguration=breaker,
        )

    def instance(self, *, password: str = "", **settings: Any) -> None:
        wanted = {
            "DBInstanceIdentifier": "db",
            "DBInstanceClass": "db.t3.micro",
            "Engine": "postgres",
            "DBName": "postgres",
            "MasterUsername": self.database.user,
            "MasterUserPassword": self.database.password,
            "AllocatedStorage": 20,
            "StorageEncrypted": True,
            "BackupRetentionPeriod": 7,
            "Port": self.database.port,
            **settings,
        }
        self.owner("rds").create_db_instance(**wanted)
        secret = {"username": self.database.user, "password": password or self.database.password}
        self.owner("secretsmanager").create_secret(Name="db-credentials", SecretString=json.dumps(secret))

    def queues(self, *, redrive: bool = True) -> None:
        sqs = self.owner("sqs")
        sqs.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})
        arn = f"arn:aws:sqs:us-east-1:{self.account}:dead.fifo"
        policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})}
        sqs.create_queue(
            QueueName="work.fifo", Attributes={"FifoQueue": "true", **(policy if redrive else {})}
        )

    def all(self) -> str:
        """Everything as declared; gives the running digest."""
        digest = self.push("v1")
        self.service(f"{self.account}.dkr.ecr.us-east-1.amazonaws.com/api:v1@{digest}")
        self.instance()
        self.queues()
        return digest


@pytest.fixture
def environment(owner: Callable[[str], Any], credentials: str, database: Database) -> Environment:
    return Environment(owner, credentials, database)


@pytest.fixture
def run_gate(tmp_path: Path, stack_url: str, no_inherited_aws: None) -> RunGate:
    """Run one gate's session; gives its results by id without the gate's name."""
    (tmp_path / "profiles").mkdir()

    def run(
        gate: str,
        *overrides: str,
        account: str = "",
        url: str = "",
        phase: Phase = Phase.PRE_DEPLOY,
        images: Mapping[str, str] | None = None,
        subjects: tuple[Subject, ...] = (),
        more: str = "",
    ) -> dict[str, CheckResult]:
        text = PROFILE.replace("ACCOUNT", account).replace("URL", url or stack_url) + more
        (tmp_path / "profiles" / "p.toml").write_text(text)
        profile = load_profile("p", tables(), folder=tmp_path / "profiles", overrides=overrides, environ={})
        folder = tmp_path / "run"
        context = GateContext("run-1", gate, phase, profile, tmp_path, folder, images or {}, subjects)
        context.work.mkdir(parents=True)
        child, _ = session.start(context, os.environ)
        try:
            child.wait(timeout=60)
        finally:
            child.kill()
            child.wait()
        if not context.ledger.is_file():
            pytest.fail((context.work / "session.log").read_text())
        events = [json.loads(line) for line in context.ledger.read_text().splitlines()]
        results = [codec.load(CheckResult, event["result"]) for event in events if event["event"] == "check"]
        expected = {check.id for check in profile.gates[gate].expected(gate, profile, phase)}
        assert expected <= {result.id for result in results}, "every mandatory check reported"
        return {result.id.removeprefix(f"{gate}."): result for result in results}

    return run
