from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest

from harness import masking
from harness.aws import operations, session
from harness.aws.faults import Broken, Misconfigured, NoCredentials
from harness.aws.operations import Operation, Refused, permit
from harness.aws.session import Aws, Patience

MakeProfile = Callable[..., Any]
AwsStub = Callable[..., Any]
IDENTITY = (
    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/x</Arn>"
    "<Account>{0}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)


def test_it_knows_who_it_is(aws: Aws, credentials: str) -> None:
    assert aws.identity().account == credentials
    assert aws.identity() is aws.identity()


def test_another_account_is_refused_before_anything_is_asked(
    credentials: str, make_profile: MakeProfile, stub: AwsStub, http: Callable[..., bytes]
) -> None:
    server = stub(lambda _: http("200 OK", IDENTITY.format("999999999999"), "text/xml"))
    aws = Aws(make_profile(server.url, account="123456789012"))
    for _ in range(2):
        with pytest.raises(Misconfigured, match=r"account 999999999999, .* account 123456789012"):
            aws.call("ecs:DescribeServices", "s", cluster="c", services=["s"])
    assert server.asked == 1, "only the identity was asked, once"


def test_an_identity_without_an_account_is_no_identity(
    credentials: str, make_profile: MakeProfile, stub: AwsStub, http: Callable[..., bytes]
) -> None:
    body = "<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"
    server = stub(lambda _: http("200 OK", body, "text/xml"))
    with pytest.raises(Broken, match="has no Account"):
        Aws(make_profile(server.url)).identity()


def test_without_an_account_in_the_profile_none_is_asked_for(
    credentials: str, make_profile: MakeProfile, stub: AwsStub, http: Callable[..., bytes]
) -> None:
    server = stub(lambda _: http("200 OK", '{"services": [], "failures": []}'))
    answer = Aws(make_profile(server.url)).call("ecs:DescribeServices", "s", services=["s"])
    assert answer["services"] == []
    assert server.asked == 1


def test_an_undeclared_operation_is_refused_before_it_is_sent(
    credentials: str, make_profile: MakeProfile, stub: AwsStub
) -> None:
    server = stub(lambda _: b"")
    aws = Aws(make_profile(server.url, access="read-write"))
    with pytest.raises(Refused, match="ecs:DeleteService is refused"):
        aws.call("ecs:DeleteService", "s", cluster="c", service="s")
    client: Any = aws.client("ecs")
    with pytest.raises(Refused, match="ecs:DeleteService"):
        client.delete_service(cluster="c", service="s")
    other: Any = aws.client("s3")
    with pytest.raises(Refused, match="s3:ListBuckets"):
        other.list_buckets()
    assert server.asked == 0


def test_a_mutating_operation_needs_write_access(
    credentials: str, make_profile: MakeProfile, stub: AwsStub
) -> None:
    server = stub(lambda _: b"")
    aws = Aws(make_profile(server.url, access="read-only"))
    client: Any = aws.client("sqs")
    with pytest.raises(Refused, match="access is read-only"):
        aws.call("sqs:SendMessage", "q", QueueUrl=f"{server.url}/1/q", MessageBody="x")
    with pytest.raises(Refused, match="sqs:SendMessage"):
        client.send_message(QueueUrl=f"{server.url}/1/q", MessageBody="x")
    with pytest.raises(Refused):
        aws.items("sqs:ReceiveMessage", "q", "Messages")
    assert server.asked == 0


def test_no_url_can_be_presigned_for_what_is_refused(credentials: str, make_profile: MakeProfile) -> None:
    client: Any = Aws(make_profile("http://127.0.0.1:9")).client("sqs")
    with pytest.raises(Refused):
        client.generate_presigned_url("delete_queue", Params={"QueueUrl": "http://127.0.0.1:9/1/q"})


def test_a_handler_that_answers_in_its_place_does_not_hide_the_guard(
    credentials: str, make_profile: MakeProfile, stub: AwsStub
) -> None:
    """The guard stands again before each attempt leaves, whatever a later handler removes or changes."""
    server = stub(lambda _: b"")
    client: Any = Aws(make_profile(server.url)).client("sqs")
    for event in ("before-call", "before-sign"):
        handlers = client.meta.events._emitter._lookup_cache
        handlers.clear()
        for handler in list(client.meta.events._emitter._handlers.prefix_search(event)):
            if handler.__name__ == "refuse":
                client.meta.events.unregister(event, handler)
    with pytest.raises(Refused):
        client.delete_queue(QueueUrl=f"{server.url}/1/q")
    assert server.asked == 0


def test_clients_are_made_once(aws: Aws) -> None:
    assert aws.client("ecs") is aws.client("ecs")


def test_a_long_list_is_read_to_its_end(aws: Aws, owner: Callable[[str], Any]) -> None:
    ecs = owner("ecs")
    ecs.create_cluster(clusterName="many")
    ecs.register_task_definition(family="t", containerDefinitions=[{"name": "c", "image": "i", "memory": 64}])
    ecs.create_service(cluster="many", serviceName="s", taskDefinition="t", desiredCount=5)
    parameters = {"cluster": "many", "serviceName": "s", "PaginationConfig": {"PageSize": 2}}
    assert len(aws.items("ecs:ListTasks", "s", "taskArns", **parameters)) == 5


def test_real_credentials_are_masked_and_an_emulators_are_not(
    monkeypatch: pytest.MonkeyPatch, make_profile: MakeProfile
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session-token-that-is-long")
    Aws(make_profile("http://127.0.0.1:9")).client("sts")
    said = masking.mask("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY a-session-token-that-is-long")
    assert said == f"{masking.MASK} {masking.MASK}"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    Aws(make_profile("http://127.0.0.1:9")).client("sts")
    assert masking.mask("a test of tests") == "a test of tests"


def test_no_credentials_are_found_out_quickly_where_the_metadata_service_swallows_packets(
    make_profile: MakeProfile, stub: AwsStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    metadata, target = stub(lambda _: None), stub(lambda _: b"")
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url)
    started = time.monotonic()
    with pytest.raises(NoCredentials):
        Aws(make_profile(target.url)).identity()
    assert time.monotonic() - started < 3
    assert metadata.asked >= 1
    assert target.asked == 0


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_ECS"])
def test_no_endpoint_of_the_environment_leads_astray(
    stack_url: str,
    credentials: str,
    make_profile: MakeProfile,
    monkeypatch: pytest.MonkeyPatch,
    stub: AwsStub,
    name: str,
) -> None:
    """The profile's endpoint is the only one: an emulator's left in a shell must not stand in for production."""
    other = stub(lambda _: b"")
    monkeypatch.setenv(name, other.url)
    aws = Aws(make_profile(stack_url, account=credentials))
    assert aws.identity().account == credentials
    assert aws.call("ecs:ListTasks", "s", cluster="c")["taskArns"] == []
    real: Any = Aws(make_profile()).client("ecs")
    assert real.meta.endpoint_url == "https://ecs.us-east-1.amazonaws.com"
    assert other.asked == 0


def test_an_endpoint_of_the_shared_configuration_leads_nobody_astray(
    credentials: str, make_profile: MakeProfile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "config"
    path.write_text("[default]\nendpoint_url = http://127.0.0.1:9\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    client: Any = Aws(make_profile()).client("sqs")
    assert client.meta.endpoint_url == "https://sqs.us-east-1.amazonaws.com"


def test_patience_is_bounded(aws: Aws) -> None:
    config: Any = aws.client("ecs").meta.config
    assert (config.connect_timeout, config.read_timeout) == (3.0, 10.0)
    assert Patience().attempts == 8


# The table of operations


def test_the_table_of_operations_is_held_against_the_folder() -> None:
    folder = Path(operations.__file__).parent
    declaring = {path.stem for path in folder.glob("*.py") if "\nOPERATIONS = (" in path.read_text()}
    assert declaring - {"control"} == set(operations.MODULES)


def test_every_declared_operation_is_one_of_the_api() -> None:
    import botocore.session

    session = botocore.session.Session()
    for operation in operations.operations().values():
        names = session.get_service_model(operation.service).operation_names
        assert operation.name in names, operation


def test_two_files_may_not_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.aws import ecr

    monkeypatch.setattr(ecr, "OPERATIONS", (Operation("ecs", "ListTasks", mutating=True),))
    operations.operations.cache_clear()
    try:
        with pytest.raises(AssertionError, match="declares ecs:ListTasks differently"):
            operations.operations()
    finally:
        monkeypatch.undo()
        operations.operations.cache_clear()


def test_an_operations_iam_action() -> None:
    assert permit("ecs", "ListTasks", "read-only").action == "ecs:ListTasks"
    assert Operation("s3", "HeadBucket", iam="s3:ListBucket").action == "s3:ListBucket"
    assert Operation("elbv2", "DescribeListeners").action == "elasticloadbalancing:DescribeListeners"


def test_a_profile_may_declare_operations_for_its_own_checks() -> None:
    own = ["dynamodb:DescribeTable", "dynamodb:PutItem"]
    assert permit("dynamodb", "DescribeTable", "read-only", own).key == "dynamodb:DescribeTable"
    with pytest.raises(Refused, match='add "dynamodb:GetItem" to \\[aws\\] operations'):
        permit("dynamodb", "GetItem", "read-write", own)
    with pytest.raises(Refused, match="access is read-only"):
        permit("dynamodb", "PutItem", "read-only", own)
    assert permit("dynamodb", "PutItem", "read-write", own).mutating


def test_route_53_is_asked_gently_but_in_an_emulator(
    credentials: str, make_profile: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    class Recorded:
        def __init__(self, rate: float) -> None:
            self.rate = rate

        def wait(self) -> None:
            waited.append(self.rate)

    monkeypatch.setattr(session, "Pace", Recorded)

    def send(url: str, service: str, operation: str) -> list[float]:
        waited.clear()
        client = Aws(make_profile(url)).client(service)
        request = AWSRequest(method="GET", url="https://example.com").prepare()
        client.meta.events.emit(f"before-send.{service}.{operation}", request=request)
        return waited

    assert send("", "route53", "ListHostedZonesByName") == [50.0, 4.0]
    assert send("http://127.0.0.1:9", "route53", "ListHostedZonesByName") == [50.0]
    assert send("", "ecs", "DescribeServices") == [50.0]
