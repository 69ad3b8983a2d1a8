"""The journey, made for real through the stand-in's application; each step broken once, and nothing left after any."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from harness import codec
from harness.aws import activation
from harness.aws.activation import Activation, Journey, StepFailed
from harness.aws.control import control_client
from harness.aws.faults import Denied, Fault
from harness.aws.journey import DomainJourney, probe_domain
from harness.aws.session import Aws
from harness.gates import tables
from harness.gates.context import GateContext
from harness.local import StandInInfo, start
from harness.model import CheckResult, Outcome, Phase
from harness.profile import Profile
from harness.profile.loader import load_profile
from harness.run import session

pytestmark = pytest.mark.stand_in
CHECK = "integration.journey.activates_and_deactivates_a_domain[domain-activation]"
SUFFIX = "journey.local.example.com"
QUEUES = {
    step: f"storefront-local-{step}-queue.fifo"
    for step in ("database-operations", "route53-operations", "github-workflow")
}
DEAD_LETTERS = "storefront-local-fifo-dlq.fifo"
PROFILE = """
description = "The journey alone"
[phases]
pre-deploy = [["integration"]]
[aws]
account = "000000000000"
access = "{access}"
endpoint_url = "{aws}"
[[journeys.domains]]
name = "domain-activation"
url = "{web}"
suffix = "{suffix}"
secret = "storefront/local/rds-credentials"
timeout = "{timeout}"
[journeys.domains.queues]
{queues}
"""
WORKER = """
import sys, time
from apps.domains import Status, Unavailable
from apps.messaging import SqsInbox
from apps.worker import __main__ as program
from apps.worker.worker import HostedZone

class Quick(SqsInbox):
    def __init__(self, queue, url, *, wait):
        super().__init__(queue, url, wait=0)

    def receive(self):
        time.sleep(0.03)
        yield from super().receive()

program.SqsInbox = Quick
make_or_remove = HostedZone.carry_out
def carry_out(self, change):
    {broken}
    make_or_remove(self, change)
HostedZone.carry_out = carry_out
sys.exit(program.main(sys.argv[1:]))
"""
"""The application's own worker, which does not linger at its queues, with one thing broken."""


@dataclass
class World:
    """A stand-in whose application's worker the test starts, whole or broken."""

    info: StandInInfo
    profile: Profile
    worker_environ: dict[str, str]
    own_zones: list[str] = field(default_factory=list)
    sessions: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def journey(self) -> DomainJourney:
        (journey,) = self.profile.of(DomainJourney)
        return journey

    def client(self, service: str) -> Any:
        environ = self.info.environ
        return control_client(
            service,
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            region=environ["AWS_DEFAULT_REGION"],
            account=environ["AWS_ACCESS_KEY_ID"],
        )

    def travel(self, **changes: Any) -> Journey:
        """Make the journey here, with keys of its declaration changed."""
        journey = self.journey.model_copy(update=changes)
        return Activation(journey, Aws(self.profile), "run-1").run()

    @contextmanager
    def worker(self, *queues: str, broken: str = "pass") -> Iterator[None]:
        """Run the worker of these queues, or of all."""
        with tempfile.NamedTemporaryFile("w+") as log:
            child = subprocess.Popen(
                [sys.executable, "-c", WORKER.format(broken=broken), *queues],
                cwd=self.info.environ["STOREFRONT"],
                env=self.worker_environ,
                stderr=log,
            )
            until(lambda: Path(log.name).read_text().count("reading") == len(queues or QUEUES))
        try:
            yield
            until(
                lambda: self.messages() == {}
            )  # those it still holds come again, and find the domain purged
        finally:
            child.kill()
            child.wait()

    @contextmanager
    def sql(self, before: str, after: str) -> Iterator[None]:
        """Run SQL, and other SQL afterwards."""
        self.execute(before)
        try:
            yield
        finally:
            self.execute(after)

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        text = self.client("secretsmanager").get_secret_value(SecretId="storefront/local/rds-credentials")
        secret = json.loads(text["SecretString"])
        with psycopg.connect(
            host=secret["host"],
            port=secret["port"],
            dbname=secret["dbname"],
            user=secret["username"],
            password=secret["password"],
            autocommit=True,
        ) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def zones(self) -> list[str]:
        """All but the environment's own."""
        found = [zone["Name"] for zone in self.client("route53").list_hosted_zones()["HostedZones"]]
        return [name for name in found if name not in self.own_zones]

    def messages(self) -> dict[str, int]:
        """The messages that wait or are held, in the queues that are not empty."""
        sqs = self.client("sqs")
        found = {}
        for name in (*QUEUES.values(), DEAD_LETTERS):
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            held = int(attributes["ApproximateNumberOfMessagesNotVisible"])
            found[name] = int(attributes["ApproximateNumberOfMessages"]) + held
        return {name: count for name, count in found.items() if count}

    def nothing_is_left(self) -> None:
        assert self.zones() == []
        assert self.execute("SELECT name FROM domains") == []
        assert self.execute("SELECT name FROM domain_steps") == []
        assert self.messages() == {}


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def profile_of(
    folder: Path, info: StandInInfo, *, timeout: str = "2s", access: str = "read-write"
) -> Profile:
    (folder / "profiles").mkdir(parents=True, exist_ok=True)
    text = PROFILE.format(
        access=access,
        aws=info.environ["AWS_ENDPOINT_URL"],
        web=info.environ["WEB_ENDPOINT"],
        suffix=SUFFIX,
        timeout=timeout,
        queues="\n".join(f'{step} = "{queue}"' for step, queue in QUEUES.items()),
    )
    (folder / "profiles" / "p.toml").write_text(text)
    return load_profile("p", tables(), folder=folder / "profiles", environ={})


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("journey")
    local = load_profile("local", tables(), folder=Path("profiles"), environ={})
    with start(local, folder) as info:
        (program,) = (
            child for child in psutil.Process(info.pid).children() if "apps.worker" in child.cmdline()
        )
        environ = program.environ()
        world = World(info, profile_of(folder, info), environ)
        log = Path(info.logs) / "worker.log"
        until(lambda: log.read_text().count("reading") == len(QUEUES))
        world.own_zones = world.zones()
        sqs = world.client("sqs")
        url = sqs.get_queue_url(QueueName=QUEUES["route53-operations"])["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "2"})
        program.terminate()  # in order: a receive that nobody waits for any more would swallow a message
        until(lambda: program.status() == psutil.STATUS_ZOMBIE)
        yield world


@pytest.fixture
def world(stand_in: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The stand-in, with nothing in it before and nothing after."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in stand_in.info.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setattr(activation, "CLEANING", 0.3)
    yield stand_in
    while stand_in.sessions:
        child = stand_in.sessions.pop()
        child.kill()
        child.wait()
    stand_in.nothing_is_left()


def failed(seen: Journey, step: str, *said: str) -> Fault:
    """The journey failed in this step, saying this, and left nothing."""
    assert seen.fault is not None
    assert seen.fault.outcome is Outcome.FAILED
    assert seen.fault.message.startswith(f"step {step}: "), seen.fault.message
    for text in said:
        assert text in seen.fault.message
    assert seen.fault.hint.startswith("look at ")
    assert seen.left == []
    return seen.fault


def test_a_domain_comes_and_goes(world: World) -> None:
    with world.worker():
        seen = world.travel(timeout=20.0)
    assert seen.fault is None
    assert seen.left == []
    assert list(seen.taken) == [
        *("request", "row", "messages", "workers", "zone", "active", "deactivation", "removal"),
    ]
    assert "with 4 name servers" in seen.taken["zone"][2]
    assert 0 < sum(seconds for _, seconds, _ in seen.taken.values()) <= seen.seconds
    dids = [line["did"] for line in seen.as_json()["transcript"]]
    assert dids[0] == "POST /v1/api/domains"
    assert any(did.endswith("?purge=true") for did in dids)
    assert not any(did.endswith("?purge=force") for did in dids)


@pytest.mark.slow
def test_without_zone_row_and_queues_there_are_fewer_steps(world: World) -> None:
    with world.worker():
        seen = world.travel(timeout=20.0, hosted_zone=False, secret="", queues={})
    assert (seen.fault, seen.left) == (None, [])
    assert list(seen.taken) == ["request", "active", "deactivation", "removal"]


@pytest.mark.slow
def test_a_web_endpoint_that_is_gone_fails_the_request(world: World) -> None:
    seen = world.travel(url="http://127.0.0.1:1", timeout=0.2)
    failed(seen, "1 of 8, request through the web endpoint", "no answer", "refused")


@pytest.mark.slow
def test_an_endpoint_that_answers_otherwise_fails_the_request(world: World) -> None:
    failed(world.travel(path="/health", timeout=2.0), "1 of 8, request through the web endpoint", "405")


@pytest.mark.slow
def test_a_request_that_never_became_a_row_fails_there(world: World) -> None:
    lose = "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
    on = "CREATE TRIGGER lose BEFORE INSERT ON domains FOR EACH ROW EXECUTE FUNCTION lose()"
    with world.worker(), world.sql(lose + on, "DROP FUNCTION lose CASCADE"):
        seen = world.travel()
    failed(seen, "2 of 8, row in PostgreSQL", "table domains has no row of gonogo-", SUFFIX)


@pytest.mark.slow
def test_a_secret_that_does_not_exist_fails_the_row(world: World) -> None:
    seen = world.travel(secret="nobody/knows", timeout=2.0)
    assert seen.fault is not None
    assert "step 2 of 8, row in PostgreSQL: " in seen.fault.message
    assert [text for text in seen.left if "nobody/knows" in text], "what could not be looked up is told"


def test_a_worker_that_is_stopped_fails_all_messages(world: World) -> None:
    seen = world.travel(timeout=2.0)
    fault = failed(seen, "3 of 8, messages on the 3 queues", *(f"{step} (waiting)" for step in QUEUES))
    assert "worker's logs" in fault.hint
    assert [line for line in seen.notes if QUEUES["github-workflow"] in line and "1 messages wait" in line]


@pytest.mark.slow
def test_a_worker_that_reads_two_queues_names_the_third(world: World) -> None:
    with world.worker("database-operations", "route53-operations"):
        seen = world.travel()
    fault = failed(seen, "3 of 8, messages on the 3 queues", "github-workflow (waiting) did not receive")
    assert "route53-operations" not in fault.message


def test_a_missing_subscription_names_its_queue(world: World) -> None:
    sns = world.client("sns")
    arn = world.client("ssm").get_parameter(Name="/storefront-local/sns/domain-changes-topic-arn")
    topic = arn["Parameter"]["Value"]
    (lost,) = (
        one
        for one in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        if one["Endpoint"].endswith(QUEUES["github-workflow"])
    )
    sns.unsubscribe(SubscriptionArn=lost["SubscriptionArn"])
    try:
        with world.worker():
            seen = world.travel()
    finally:
        raw = {"RawMessageDelivery": "true"}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=lost["Endpoint"], Attributes=raw)
    failed(seen, "3 of 8, messages on the 3 queues", "github-workflow (waiting) did not receive")
    assert [line for line in seen.notes if "0 messages wait, 0 are with consumers" in line]


@pytest.mark.slow
def test_a_worker_that_cannot_make_zones_is_named(world: World) -> None:
    with world.worker(broken='raise Unavailable("Route 53 says no")'):
        seen = world.travel()
    failed(seen, "4 of 8, workers of the 3 queues", "route53-operations (received)", "is not done with it")
    assert [line for line in seen.notes if "1 are with consumers" in line]


def test_a_zone_that_was_not_made_fails_there(world: World) -> None:
    with world.worker(broken="return"):
        seen = world.travel()
    failed(seen, "5 of 8, hosted zone", "has no hosted zone")


@pytest.mark.slow
def test_a_row_that_does_not_become_active_fails_there(world: World) -> None:
    keep = (
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN IF NEW.status = ''active'' THEN NEW.status = OLD.status; END IF; RETURN NEW; END';"
    )
    on = "CREATE TRIGGER keep BEFORE UPDATE ON domains FOR EACH ROW EXECUTE FUNCTION keep()"
    with world.worker(), world.sql(keep + on, "DROP FUNCTION keep CASCADE"):
        seen = world.travel()
    failed(seen, "6 of 8, verified active", "is not active after 2 s", "activating")


@pytest.mark.slow
def test_a_deactivation_that_is_not_carried_out_fails_there(world: World) -> None:
    with world.worker(broken='if change.wanted is Status.INACTIVE: raise Unavailable("no")'):
        seen = world.travel()
    failed(seen, "7 of 8, deactivation", "is not inactive after 2 s")
    assert "zone" in seen.taken


@pytest.mark.slow
def test_a_zone_that_outlives_its_domain_fails_the_deactivation(world: World) -> None:
    with world.worker(broken="if change.wanted is Status.INACTIVE: return"):
        seen = world.travel()
    failed(seen, "7 of 8, deactivation", "is inactive and still has hosted zone")


def test_what_cannot_be_removed_is_named(world: World) -> None:
    keep = "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
    on = "CREATE TRIGGER keep BEFORE DELETE ON domains FOR EACH ROW EXECUTE FUNCTION keep()"
    with world.worker(), world.sql(keep + on, "DROP FUNCTION keep CASCADE; DELETE FROM domains"):
        seen = world.travel()
    assert seen.fault is not None
    assert seen.fault.message.startswith("step 8 of 8, everything removed: purging gonogo-")
    assert f"row {seen.domain} in table domains (inactive)" in seen.left


def test_leftovers_of_killed_runs_are_swept_and_nothing_else(world: World) -> None:
    route53 = world.client("route53")
    old = probe_domain(SUFFIX, "run-0", datetime.now(UTC) - timedelta(minutes=61))
    young = probe_domain(SUFFIX, "run-0", datetime.now(UTC) - timedelta(minutes=59))
    others = (
        young,
        f"example.{SUFFIX}",
        f"x{old}",
        f"{old}.example.org",
        f"gonogo-20269999t999999z-1.{SUFFIX}",
    )
    ids = {
        name: route53.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"]
        for name in (old, *others)
    }
    record = {"Name": old, "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"x"'}]}
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=ids[old], ChangeBatch=batch)
    rows = ", ".join(f"('{name}', 'active', 1)" for name in (old, young))
    world.execute(f"INSERT INTO domains (name, status, revision) VALUES {rows}")
    try:
        with world.worker():
            seen = world.travel(timeout=20.0)
        assert (seen.fault, seen.left, seen.swept) == (None, [], [old])
        assert sorted(world.zones()) == sorted(f"{name}." for name in others)
        assert world.execute("SELECT name FROM domains") == [(young,)]
    finally:
        world.execute("DELETE FROM domains")
        for name in others:
            route53.delete_hosted_zone(Id=ids[name])


@pytest.mark.slow
def test_a_zone_of_a_killed_run_that_cannot_be_removed_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = probe_domain(SUFFIX, "run-0", datetime.now(UTC) - timedelta(hours=2))
    zone = world.client("route53").create_hosted_zone(Name=old, CallerReference=old)["HostedZone"]["Id"]
    call = Aws.call

    def denied(self: Aws, key: str, about: str, /, **parameters: object) -> dict[str, Any]:
        if key == "route53:DeleteHostedZone":
            raise Denied("access denied: route53:DeleteHostedZone", hint="allow it")
        return call(self, key, about, **parameters)

    monkeypatch.setattr(Aws, "call", denied)
    try:
        seen = world.travel(url="http://127.0.0.1:1", timeout=0.1)
    finally:
        world.client("route53").delete_hosted_zone(Id=zone)
    assert seen.left == [f"{old} of an earlier run (access denied: route53:DeleteHostedZone)"]


@pytest.mark.slow
def test_leftovers_that_cannot_be_looked_for_end_the_check_as_that_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> list[Any]:
        raise Denied("access denied: route53:ListHostedZones", hint="allow it")

    monkeypatch.setattr(Aws, "items", denied)
    with world.worker():
        seen = world.travel(timeout=20.0)
    assert isinstance(seen.fault, Denied)
    assert (len(seen.taken), seen.left) == (8, [])


@pytest.mark.slow
def test_messages_of_others_are_given_back(world: World) -> None:
    sqs = world.client("sqs")
    url = sqs.get_queue_url(QueueName=QUEUES["github-workflow"])["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="others", MessageGroupId="o", MessageDeduplicationId="o")
    try:
        failed(world.travel(timeout=2.0), "3 of 8, messages on the 3 queues")
        (kept,) = sqs.receive_message(QueueUrl=url)["Messages"]
        assert kept["Body"] == "others"
    finally:
        sqs.purge_queue(QueueUrl=url)


# As the gate runs it


def begin(world: World, folder: Path, **options: str) -> "tuple[subprocess.Popen[bytes], GateContext]":
    profile = profile_of(folder, world.info, **options)
    context = GateContext(
        "20261122T233000Z-abc123", "integration", Phase.PRE_DEPLOY, profile, folder, folder / "run", {}
    )
    context.work.mkdir(parents=True)
    child, _ = session.start(context, os.environ)
    world.sessions.append(child)
    return child, context


def results(context: GateContext) -> dict[str, CheckResult]:
    events = [json.loads(line) for line in context.ledger.read_text().splitlines()]
    found = [codec.load(CheckResult, event["result"]) for event in events if event["event"] == "check"]
    return {result.id: result for result in found}


@pytest.mark.slow
def test_the_check_records_every_step(world: World, tmp_path: Path) -> None:
    with world.worker():
        child, context = begin(world, tmp_path, timeout="20s")
        child.wait(60)
    assert [
        check.id
        for check in context.profile.gates["integration"].expected(
            "integration", context.profile, Phase.PRE_DEPLOY
        )
    ] == [CHECK]
    result = results(context)[CHECK]
    assert result.outcome is Outcome.PASSED
    measured = {m.metric: m for m in result.measurements}
    steps = ("request", "row", "messages", "workers", "zone", "active", "deactivation", "removal")
    assert set(measured) == {*(f"journey_{step}_time" for step in steps), "journey_time", "journey_steps"}
    assert measured["journey_steps"].value == measured["journey_steps"].sample == 8
    assert result.facts["domain"].startswith("gonogo-")
    assert "-abc123" in result.facts["domain"]
    assert result.facts["messages on the 3 queues"].startswith("database-operations ")
    (evidence,) = result.evidence
    kept = json.loads((tmp_path / "run" / evidence.path).read_text())
    assert [step["step"] for step in kept["steps"]][:2] == [
        "request through the web endpoint",
        "row in PostgreSQL",
    ]
    assert kept["transcript"]
    text = world.client("secretsmanager").get_secret_value(SecretId="storefront/local/rds-credentials")
    password = json.loads(text["SecretString"])["password"]
    everything = "".join(path.read_text() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert password not in everything


def test_the_check_fails_with_the_step_and_says_what_is_left(world: World, tmp_path: Path) -> None:
    keep = "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
    on = "CREATE TRIGGER keep BEFORE DELETE ON domains FOR EACH ROW EXECUTE FUNCTION keep()"
    with world.sql(keep + on, "DROP FUNCTION keep CASCADE; DELETE FROM domains"):
        child, context = begin(world, tmp_path, timeout="500ms")
        child.wait(60)
    result = results(context)[CHECK]
    assert result.outcome is Outcome.FAILED
    assert "journey domain-activation: step 3 of 8, messages on the 3 queues: " in result.reason
    assert "left behind: row gonogo-" in result.reason
    assert result.hint.startswith("remove what is left by hand; look at the topic's subscriptions")
    assert "journey_time" not in {m.metric for m in result.measurements}
    assert [line for line in result.diagnosis if "messages wait" in line]


@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_told_to_end_it_cleans_up_first(world: World, tmp_path: Path, number: signal.Signals) -> None:
    child, context = begin(world, tmp_path, timeout="60s")
    until(lambda: len(world.messages()) == len(QUEUES) or child.poll() is not None)
    assert child.poll() is None, (context.work / "session.log").read_text()
    asked = time.monotonic()
    child.send_signal(number)
    until(lambda: not world.messages() and not world.execute("SELECT name FROM domains"))
    assert time.monotonic() - asked < 2, "no longer than whoever ends a gate waits"
    assert child.wait(10) == 2  # pytest's code for an interrupted session


def test_it_is_left_out_where_access_is_read_only(world: World, tmp_path: Path) -> None:
    child, context = begin(world, tmp_path, access="read-only")
    child.wait(60)
    assert CHECK not in results(context)
    assert not list(
        context.profile.gates["integration"].expected("integration", context.profile, Phase.WATCH)
    )
    (collected,) = (
        event
        for event in map(json.loads, context.ledger.read_text().splitlines())
        if event["event"] == "collected"
    )
    assert CHECK in collected["excluded"]


def test_a_step_that_failed_is_a_failure() -> None:
    assert StepFailed("x", hint="y").outcome is Outcome.FAILED
