"""A healthy stand-in: everything the profile declares is there and the application works in it."""

import json
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from harness.errors import UsageError
from harness.local import StandInInfo, attach
from harness.local.application import manifest
from harness.local.resources import short_name
from harness.profile import Profile

pytestmark = pytest.mark.stand_in
Client = Callable[[StandInInfo, str], Any]


def web(info: StandInInfo) -> httpx.Client:
    return httpx.Client(base_url=info.environ["WEB_ENDPOINT"], timeout=10, trust_env=False)


def test_web_and_api_are_healthy(healthy: StandInInfo) -> None:
    with web(healthy) as http:
        assert http.get("/health").json() == {"status": "healthy"}
        assert http.get("/v1/api/health").json() == {"status": "healthy", "database": "ok"}
    api = httpx.get(f"{healthy.environ['API_ENDPOINT']}/v1/api/health", trust_env=False)
    assert api.status_code == 200


def test_a_domain_is_activated_all_the_way_and_deactivated(healthy: StandInInfo, client: Client) -> None:
    def until(status: str) -> dict[str, str]:
        deadline = time.monotonic() + 15
        while (seen := http.get("/v1/api/domains/shop.example.org").json())["status"] != status or set(
            seen["steps"].values()
        ) != {"done"}:
            assert time.monotonic() < deadline, seen
            time.sleep(0.05)
        steps: dict[str, str] = seen["steps"]
        return steps

    def zones() -> list[str]:
        return [zone["Name"] for zone in client(healthy, "route53").list_hosted_zones()["HostedZones"]]

    with web(healthy) as http:
        assert http.post("/v1/api/domains", json={"name": "shop.example.org"}).status_code == 202
        assert list(until("active")) == ["database-operations", "route53-operations", "github-workflow"]
        assert "shop.example.org." in zones()
        assert http.delete("/v1/api/domains/shop.example.org").status_code == 202
        until("inactive")
        assert "shop.example.org." not in zones()
        assert http.delete("/v1/api/domains/shop.example.org", params={"purge": "true"}).status_code == 204
        assert http.get("/v1/api/domains/shop.example.org").status_code == 404


def test_services_run_the_digest_that_ecr_has(healthy: StandInInfo, client: Client) -> None:
    ecs, ecr = client(healthy, "ecs"), client(healthy, "ecr")
    names = ["api-service-local", "web-service-local", "control-plane-service-local"]
    found = ecs.describe_services(cluster="storefront-cluster-local", services=names)
    assert not found["failures"]
    for service in found["services"]:
        assert service["status"] == "ACTIVE"
        assert service["runningCount"] == service["desiredCount"] == 2
        assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    definition = ecs.describe_task_definition(taskDefinition=found["services"][0]["taskDefinition"])
    image = definition["taskDefinition"]["containerDefinitions"][0]["image"]
    (pushed,) = ecr.describe_images(repositoryName="api", imageIds=[{"imageTag": "v1.2.3"}])["imageDetails"]
    assert image.endswith(f"/api:v1.2.3@{pushed['imageDigest']}")
    tasks = ecs.list_tasks(cluster="storefront-cluster-local", serviceName=names[0])["taskArns"]
    for task in ecs.describe_tasks(cluster="storefront-cluster-local", tasks=tasks)["tasks"]:
        assert task["containers"][0]["image"] == image


def test_the_database_is_as_declared_and_lets_only_its_credentials_in(
    healthy: StandInInfo, client: Client
) -> None:
    rds = client(healthy, "rds")
    (found,) = rds.describe_db_instances(DBInstanceIdentifier="rds-local")["DBInstances"]
    assert (found["DBInstanceStatus"], found["DBInstanceClass"]) == ("available", "db.t3.small")
    assert (found["StorageEncrypted"], found["MultiAZ"], found["DeletionProtection"]) == (True, False, False)
    assert found["BackupRetentionPeriod"] == 7
    secrets = client(healthy, "secretsmanager")
    secret = json.loads(secrets.get_secret_value(SecretId="storefront/local/rds-credentials")["SecretString"])
    assert (secret["host"], secret["port"]) == (found["Endpoint"]["Address"], found["Endpoint"]["Port"])
    login = {key: secret[key] for key in ("host", "port", "dbname")}
    with psycopg.connect(**login, user=secret["username"], password=secret["password"]) as connection:
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        assert row == (False,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**login, user=secret["username"], password="wrong")


def test_queues_are_as_declared(healthy: StandInInfo, client: Client, local_profile: Profile) -> None:
    sqs, ssm = client(healthy, "sqs"), client(healthy, "ssm")
    for declared in local_profile.resources["sqs.queues"]:
        url = sqs.get_queue_url(QueueName=declared.id)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert attributes["FifoQueue"] == "true"
        assert attributes["MessageRetentionPeriod"] == "1209600"
        key = f"/storefront-local/sqs/{short_name(declared.id, 'storefront-local')}-url"
        assert ssm.get_parameter(Name=key)["Parameter"]["Value"] == url
        if "queue" in key:
            redrive = json.loads(attributes["RedrivePolicy"])
            assert redrive["deadLetterTargetArn"].endswith(":storefront-local-fifo-dlq.fifo")
            assert int(redrive["maxReceiveCount"]) == 3


def test_parameters_are_where_the_application_looks(healthy: StandInInfo, client: Client) -> None:
    ssm = client(healthy, "ssm")
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/storefront-local", Recursive=True)
    names = {parameter["Name"] for page in pages for parameter in page["Parameters"]}
    assert names == {
        *(f"/storefront-local/database/{key}" for key in ("host", "port", "name", "username", "password")),
        *(
            f"/storefront-local/sqs/{key}-queue-url"
            for key in ("database-operations", "route53-operations", "github-workflow")
        ),
        "/storefront-local/sqs/fifo-dlq-url",
        "/storefront-local/sns/domain-changes-topic-arn",
    }


def test_services_have_logged(healthy: StandInInfo, client: Client) -> None:
    logs = client(healthy, "logs")
    events = logs.filter_log_events(logGroupName="/ecs/api-service-local")["events"]
    assert [event["message"] for event in events][-1] == "api-service-local: listening"


def test_another_account_sees_nothing(healthy: StandInInfo, client: Client) -> None:
    from dataclasses import replace

    other = replace(healthy, environ={**healthy.environ, "AWS_ACCESS_KEY_ID": "111122223333"})
    assert not client(other, "sqs").list_queues().get("QueueUrls")


def test_the_application_is_a_copy_with_its_advisories_compiled(healthy: StandInInfo) -> None:
    app = Path(healthy.environ["STOREFRONT"])
    assert app.is_relative_to(healthy.folder)
    assert (app / "apps" / "api" / "app.py").is_file()
    mirror = json.loads((app / "advisories" / "insecure.json").read_text())
    assert "starlette" in mirror["vulnerable_packages"]
    assert not list(app.rglob("__pycache__"))


def test_equal_sources_are_equal_images(healthy: StandInInfo) -> None:
    app = Path(healthy.environ["STOREFRONT"])
    assert manifest(app, "api") == manifest(app, "api") != manifest(app, "web")


def test_the_state_file_leads_to_it_and_is_ours_alone(healthy: StandInInfo) -> None:
    state = Path(healthy.logs).parent / "stand-in.json"
    assert attach(state) == attach(state.parent) == healthy
    assert stat.S_IMODE(state.stat().st_mode) == 0o600


def test_secrets_are_in_no_log(healthy: StandInInfo, client: Client) -> None:
    secrets = client(healthy, "secretsmanager")
    secret = secrets.get_secret_value(SecretId="storefront/local/rds-credentials")["SecretString"]
    password = json.loads(secret)["password"]
    files = [*Path(healthy.logs).iterdir(), Path(healthy.logs).parent / "stand-in.json"]
    assert not [file for file in files if password in file.read_text(errors="replace")]


@pytest.mark.parametrize("content", [None, "", "{}", '{"pid": "x"}'])
def test_a_state_file_that_cannot_be_used_is_said(tmp_path: Path, content: str | None) -> None:
    state = tmp_path / "stand-in.json"
    if content is not None:
        state.write_text(content)
    with pytest.raises(
        UsageError, match="no such file" if content is None else "not a stand-in's state file"
    ):
        attach(state)


def test_a_state_file_of_a_stand_in_that_is_gone_is_said(healthy: StandInInfo, tmp_path: Path) -> None:
    state = Path(healthy.logs).parent / "stand-in.json"
    data = json.loads(state.read_text())
    for change in ({"pid": 2**22 + 1}, {"started": data["started"] + 1}):
        (tmp_path / "old.json").write_text(json.dumps({**data, **change}))
        with pytest.raises(UsageError, match="does not run any more"):
            attach(tmp_path / "old.json")
