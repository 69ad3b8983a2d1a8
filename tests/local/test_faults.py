"""Each fault breaks what its row says, in a running stand-in."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from harness.errors import ToolError
from harness.local import StandIn, StandInInfo
from harness.local.application import copy

pytestmark = pytest.mark.stand_in
Start = Callable[..., StandIn]
Client = Callable[[StandInInfo, str], Any]


def health(info: StandInInfo) -> httpx.Response:
    return httpx.get(f"{info.environ['WEB_ENDPOINT']}/v1/api/health", timeout=10, trust_env=False)


@pytest.mark.slow
def test_slow_and_failing_api(begin: Start) -> None:
    info = begin("api-slow", "api-errors").info
    started = time.monotonic()
    codes = {health(info).status_code for _ in range(2)}
    assert codes == {200, 500}
    assert time.monotonic() - started > 5


def test_database_down_queue_missing_and_service_degraded(begin: Start, client: Client) -> None:
    info = begin("db-down", "queue-missing", "service-degraded").info
    assert info.faults == ("db-down", "queue-missing", "service-degraded")
    assert health(info).status_code == 503
    (found,) = client(info, "rds").describe_db_instances(DBInstanceIdentifier="rds-local")["DBInstances"]
    assert found["DBInstanceStatus"] == "available"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=found["Endpoint"]["Port"], user="x", dbname="x")
    urls = client(info, "sqs").list_queues()["QueueUrls"]
    assert not [url for url in urls if "github-workflow" in url]
    ecs = client(info, "ecs")
    cluster = "storefront-cluster-local"
    (service,) = ecs.describe_services(cluster=cluster, services=["api-service-local"])["services"]
    assert (service["desiredCount"], service["runningCount"]) == (2, 1)
    stopped = ecs.list_tasks(cluster=cluster, serviceName="api-service-local", desiredStatus="STOPPED")[
        "taskArns"
    ]
    (task,) = ecs.describe_tasks(cluster=cluster, tasks=stopped)["tasks"]
    assert "OutOfMemoryError" in task["stoppedReason"]
    events = client(info, "logs").filter_log_events(logGroupName="/ecs/api-service-local")["events"]
    assert "memory limit" in events[-2]["message"]


def test_nothing_deployed(begin: Start, client: Client) -> None:
    info = begin("nothing-deployed").info
    assert not client(info, "sqs").list_queues().get("QueueUrls")
    assert not client(info, "ecs").list_clusters()["clusterArns"]
    assert not client(info, "rds").describe_db_instances()["DBInstances"]
    for key in ("WEB_ENDPOINT", "API_ENDPOINT"):
        with pytest.raises(httpx.ConnectError):
            httpx.get(info.environ[key], trust_env=False)
    assert (Path(info.environ["STOREFRONT"]) / "apps").is_dir()


def test_half_deployed(begin: Start, client: Client) -> None:
    info = begin("half-deployed").info
    names = ["api-service-local", "web-service-local", "control-plane-service-local"]
    found = client(info, "ecs").describe_services(cluster="storefront-cluster-local", services=names)
    assert [service["serviceName"] for service in found["services"]] == [names[0], names[2]]
    assert [failure["reason"] for failure in found["failures"]] == ["MISSING"]
    assert len(client(info, "sqs").list_queues()["QueueUrls"]) == 1


def run(app: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=app, capture_output=True, text=True, check=False
    )


def test_source_faults(tmp_path: Path) -> None:
    app = tmp_path / "app"
    copy(app, ("low-coverage", "vulnerable-dependency", "insecure-code"))
    assert [path.name for path in (app / "tests" / "unit").glob("test_*.py")] == ["test_stacks.py"]
    requirements = (app / "requirements.txt").read_text().split()
    assert "starlette==0.36.3" in requirements
    bandit = run(app, "bandit", "-q", "-r", "apps", "-f", "json")
    assert [result["issue_severity"] for result in json.loads(bandit.stdout)["results"]].count("HIGH") == 1
    assert run(app, "ruff", "check", ".").returncode == 0
    assert run(app, "ruff", "format", "--check", ".").returncode == 0


def test_a_part_that_does_not_come_up_is_said_with_its_own_words(
    begin: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "botocore").mkdir()
    (tmp_path / "botocore" / "__init__.py").write_text("raise ImportError('no botocore here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"provision broke: .*no botocore here"):
        begin()


def test_a_supervisor_that_does_not_start_is_said(begin: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    with pytest.raises(ToolError, match="supervisor ended before it was ready"):
        begin()
