import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.aws
from harness.aws import RESOURCES, resource_types
from harness.aws.census import Census, Found, Retold, Status, Told, Unasked, judge, require
from harness.aws.ecs import EcsService
from harness.aws.faults import (
    Absent,
    Broken,
    Fault,
    NoCredentials,
    NotDeployed,
    NotEmulated,
    Unreachable,
)
from harness.aws.rds import RdsInstance
from harness.aws.resource import demanded
from harness.aws.session import Aws, Patience
from harness.aws.sqs import QueueState, SqsQueue
from harness.aws.survey import FILE, Survey, read_one
from harness.aws.survey import take as survey
from harness.gates.integration import IntegrationConfig
from harness.gates.integration import survey as prepare
from harness.model import Cause, Outcome, Phase
from harness.shapes import ValidationError

Owner = Callable[[str], Any]
MakeProfile = Callable[..., Any]
SERVICE = EcsService(cluster="c", service="api")
DATABASE = RdsInstance(identifier="db", instance_class="db.t3.micro")
QUEUE = SqsQueue(queue="work")
SHARED = SqsQueue(queue="shared", scope="shared")
LATER = SqsQueue(queue="later", expect="after-deploy")
PRE, POST = Phase.PRE_DEPLOY, Phase.POST_DEPLOY


def take(profile: Any, phase: Phase) -> Census:
    return survey(profile, phase).census


@pytest.fixture
def make(owner: Owner) -> Callable[..., None]:
    def create(*names: str) -> None:
        for name in names:
            if name == "api":
                ecs = owner("ecs")
                ecs.create_cluster(clusterName="c")
                ecs.register_task_definition(
                    family="api", containerDefinitions=[{"name": "c", "image": "i", "memory": 64}]
                )
                ecs.create_service(cluster="c", serviceName="api", taskDefinition="api", desiredCount=0)
            elif name == "db":
                owner("rds").create_db_instance(
                    DBInstanceIdentifier="db", DBInstanceClass="db.t3.micro", Engine="postgres"
                )
            else:
                owner("sqs").create_queue(QueueName=name)

    return create


@pytest.mark.parametrize(
    ("there", "phase", "status", "missing"),
    [
        (["api", "db", "work", "shared"], PRE, Status.PRESENT, []),
        (["api", "db", "work", "shared", "later"], POST, Status.PRESENT, []),
        (["api", "db", "work", "shared"], POST, Status.PARTIAL, ["later"]),
        (["api", "work"], PRE, Status.PARTIAL, ["db", "shared"]),
        (["api", "db", "work"], PRE, Status.PARTIAL, ["shared"]),
        (["shared"], PRE, Status.ABSENT, ["api", "db", "work"]),
        (["shared", "later"], PRE, Status.ABSENT, ["api", "db", "work"]),
        ([], PRE, Status.ABSENT, ["api", "db", "work", "shared"]),
    ],
)
def test_what_is_there(
    stack_url: str,
    credentials: str,
    make: Callable[..., None],
    make_profile: MakeProfile,
    there: list[str],
    phase: Phase,
    status: Status,
    missing: list[str],
) -> None:
    make(*there)
    profile = make_profile(stack_url, SERVICE, DATABASE, QUEUE, SHARED, LATER, account=credentials)
    found = take(profile, phase)
    assert found.status is status
    assert found.account == credentials
    assert [item.id for item in found.missing] == missing
    assert Census.from_json(json.loads(json.dumps(found.as_json()))) == found
    if status is Status.PARTIAL:
        assert all(name in found.message for name in missing)


def test_the_gate_asks_the_same_and_leaves_the_states_for_its_checks(
    stack_url: str, credentials: str, make: Callable[..., None], make_profile: MakeProfile, tmp_path: Path
) -> None:
    make("work", "api")

    class Context:
        profile = make_profile(stack_url, QUEUE, SERVICE, account=credentials)
        phase = PRE
        work = tmp_path

    context: Any = Context()
    facts = prepare(context)
    assert facts["status"] == "present"
    assert facts["calls"]["ecs:DescribeServices"] == 1
    read = Survey.load(tmp_path / FILE)
    state = read.state(QUEUE, QueueState)
    assert (state.name, state.messages) == ("work", 0)
    with pytest.raises(Absent, match="SQS queue shared does not exist"):
        read.state(SHARED, QueueState)


def test_looking_again_sees_what_has_changed(
    aws: Any, make: Callable[..., None], make_profile: MakeProfile, owner: Owner
) -> None:
    make("work")
    look = survey(aws.profile, PRE).live(aws, QUEUE, QueueState)
    with pytest.raises(Absent):
        look()
    assert look().messages == 0
    url = owner("sqs").get_queue_url(QueueName="work")["QueueUrl"]
    owner("sqs").send_message(QueueUrl=url, MessageBody="x")
    assert look().messages == 1
    with pytest.raises(Absent):
        read_one(aws, SHARED, QueueState)


@pytest.mark.parametrize("text", ["", "{}", '{"census": {}, "states": {}, "calls": {}}'])
def test_a_survey_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(Broken, match="missing or not whole"):
        Survey.load(tmp_path / FILE)


def test_nothing_declared_asks_nothing(make_profile: MakeProfile) -> None:
    found = take(make_profile("http://127.0.0.1:9"), PRE)
    assert (found.status, found.message) == (Status.PRESENT, "the profile declares no resources")


def test_no_credentials_sends_nothing_and_is_quick(
    make_profile: MakeProfile, stub: Callable[..., Any]
) -> None:
    server = stub(lambda _: b"")
    started = time.monotonic()
    found = take(make_profile(server.url, SERVICE, QUEUE), PRE)
    assert time.monotonic() - started < 3
    assert found.status is Status.NO_CREDENTIALS
    assert server.asked == 0


@pytest.mark.parametrize("answer", [None, b""], ids=["says nothing", "closes"])
def test_unreachable_is_quick(
    credentials: str, make_profile: MakeProfile, stub: Callable[..., Any], answer: bytes | None
) -> None:
    server = stub(lambda _: answer)
    started = time.monotonic()
    found = take(make_profile(server.url, SERVICE, QUEUE), PRE)
    assert time.monotonic() - started < 4
    assert found.status is Status.UNREACHABLE
    assert server.asked >= 2, "asked again before giving up"


def test_refused_is_unreachable(credentials: str, make_profile: MakeProfile) -> None:
    assert take(make_profile("http://127.0.0.1:9", QUEUE), PRE).status is Status.UNREACHABLE


def test_another_account_is_an_error(stack_url: str, credentials: str, make_profile: MakeProfile) -> None:
    found = take(make_profile(stack_url, QUEUE, account="999999999999"), PRE)
    assert found.status is Status.ERROR
    assert "999999999999" in found.message
    assert found.resources == ()


def test_denied_is_an_error_that_names_the_action_and_beats_no_answer(
    credentials: str,
    make_profile: MakeProfile,
    stub: Callable[..., Any],
    http: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hasty = partial(Aws, patience=Patience(connect=1, read=1, attempts=1))
    monkeypatch.setattr("harness.aws.survey.Aws", hasty)
    identity = (
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1</Account>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )

    def answer(request: bytes) -> bytes:
        if b"GetCallerIdentity" in request:
            return http("200 OK", identity, "text/xml")
        if b"DescribeServices" in request:
            return http("400 Bad Request", '{"__type": "AccessDeniedException", "message": "no"}')
        return http("502 Bad Gateway", "<html>", "text/html")

    server = stub(answer)
    found = take(make_profile(server.url, QUEUE, SERVICE, DATABASE), PRE)
    assert found.status is Status.ERROR
    assert "ecs:DescribeServices" in found.message
    without = take(make_profile(server.url, QUEUE, DATABASE), PRE)
    assert without.status is Status.UNREACHABLE


# Judging


def found(name: str, *, exists: bool, asked: bool = True, shared: bool = False) -> Found:
    return Found("sqs_queue", name, f"SQS queue {name}", exists, asked, shared)


things = st.lists(
    st.builds(
        Found,
        kind=st.just("sqs_queue"),
        id=st.text(min_size=1),
        home=st.text(),
        exists=st.booleans(),
        demanded=st.booleans(),
        shared=st.booleans(),
        fault=st.none(),
    )
)


@given(things)
def test_what_is_missing_is_never_present(items: list[Found]) -> None:
    status, message, _ = judge(items)
    missing = any(item.demanded and not item.exists for item in items)
    assert message
    assert (status is Status.PRESENT) == (not missing)


@given(things)
def test_absent_means_that_nothing_of_the_environment_is_there(items: list[Found]) -> None:
    own = [item for item in items if item.demanded and not item.shared]
    assert (judge(items)[0] is Status.ABSENT) == (bool(own) and not any(item.exists for item in own))


def test_shared_resources_alone_are_judged_alone() -> None:
    assert judge([found("s", exists=False, shared=True)])[0] is Status.PARTIAL
    assert judge([found("s", exists=True, shared=True)])[0] is Status.PRESENT


def unread(name: str, fault: Fault) -> Found:
    return Found("sqs_queue", name, f"SQS queue {name}", False, True, False, Told.of(fault))


def test_what_could_not_be_read_is_not_absent() -> None:
    denied, gone = Broken("denied", hint="h"), Unreachable("gone", hint="h")
    absent = found("a", exists=False)
    assert judge([absent, unread("b", gone)])[0] is Status.UNREACHABLE
    assert judge([absent, unread("b", gone), unread("c", denied)])[0] is Status.ERROR
    assert judge([absent, unread("b", NotEmulated("no", hint="h"))])[0] is Status.ABSENT
    present = (found("a", exists=True), unread("b", denied))
    assert judge(present)[0] is Status.PRESENT
    census = Census(Status.PRESENT, resources=present)
    require(census, "sqs_queue", "a")
    with pytest.raises(Retold, match="denied") as caught:
        require(census, "sqs_queue", "b")
    assert caught.value.outcome is Outcome.ERROR
    assert census.missing == ()


# What each check asks


@pytest.mark.parametrize(
    ("status", "kind", "outcome", "cause"),
    [
        (Status.ABSENT, NotDeployed, Outcome.SKIPPED, Cause.ABSENT),
        (Status.NO_CREDENTIALS, NoCredentials, Outcome.SKIPPED, Cause.NO_CREDENTIALS),
        (Status.UNREACHABLE, Unreachable, Outcome.SKIPPED, Cause.UNREACHABLE),
        (Status.ERROR, Unasked, Outcome.ERROR, None),
    ],
)
def test_every_check_reads_the_same_answer(
    status: Status, kind: type[Fault], outcome: Outcome, cause: Cause | None
) -> None:
    for resource in (("", ""), ("sqs_queue", "work")):
        with pytest.raises(kind, match="why") as caught:
            require(Census(status, "why", "do this"), *resource)
        assert (caught.value.outcome, caught.value.cause) == (outcome, cause)
        assert caught.value.hint == "do this"


def test_half_deployed_fails_what_is_missing_and_lets_the_rest_go_on() -> None:
    half = Census(Status.PARTIAL, resources=(found("a", exists=True), found("b", exists=False)))
    require(half)
    require(half, "sqs_queue", "a")
    with pytest.raises(Absent, match="half deployed: SQS queue b does not exist, while 1 other") as caught:
        require(half, "sqs_queue", "b")
    assert caught.value.outcome is Outcome.FAILED
    with pytest.raises(Broken, match="does not know sqs_queue c"):
        require(half, "sqs_queue", "c")


@pytest.mark.parametrize("data", [{}, {"status": "fine"}, {"status": "present", "resources": [{}]}])
def test_a_census_that_is_none_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Census.from_json(data)


# What is asked in which phase


def test_what_comes_with_the_release_is_asked_about_after_it(make_profile: MakeProfile) -> None:
    assert [demanded(LATER, phase) for phase in Phase] == [False, True, True]
    profile = make_profile("", QUEUE, LATER)
    config = IntegrationConfig()
    before = {check.resource for check in config.expected("integration", profile, PRE)}
    after = {check.resource for check in config.expected("integration", profile, POST)}
    assert (before, after) == ({"work"}, {"work", "later"})
    parameters = config.parameters(profile, PRE)
    assert [id_ for id_, _ in parameters["sqs_queue"]] == ["work"]
    assert list(parameters["rds_instance"]) == [], "a kind without resources has a place all the same"


def test_the_table_of_resources_is_held_against_the_folder() -> None:
    folder = Path(harness.aws.__file__).parent
    declaring = {path.stem for path in folder.glob("*.py") if "(AwsResource):" in path.read_text()}
    named = {target.partition(":")[0].rpartition(".")[2] for target in RESOURCES.values()}
    assert declaring == named
    fixtures = [kind.fixture for kind in resource_types().values()]
    assert len(set(fixtures)) == len(fixtures)
