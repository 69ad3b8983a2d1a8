"""Every row of the table, provoked: against an emulator that enforces IAM, and against servers that misbehave."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from harness.aws import reading
from harness.aws.faults import Absent, Broken, Denied, Fault, Misconfigured, NoCredentials, Unreachable
from harness.aws.session import Aws, Patience
from harness.model import Outcome

HASTY = Patience(connect=0.3, read=0.3, attempts=1)
SSO = """[default]
sso_session = s
sso_account_id = 1
sso_role_name = r
[sso-session s]
sso_region = us-east-1
sso_start_url = https://sso.example.com
"""
HTML = "<!DOCTYPE html><html><body>Sign in to the guest network</body></html>"


def of_code(code: str, message: str = "m", status: int = 400, action: str = "ecs:DescribeServices") -> Fault:
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    error = ClientError(answer, "X")
    fault = reading.read(error, action=action, resource="thing")
    assert fault is not None
    return fault


@pytest.mark.parametrize("code", sorted(reading.ABSENT_CODES))
def test_absent_codes(code: str) -> None:
    fault = of_code(code)
    assert isinstance(fault, Absent)
    assert "thing does not exist" in fault.message
    assert fault.outcome is Outcome.FAILED


@pytest.mark.parametrize("code", sorted(reading.DENIED_CODES))
def test_denied_codes_name_the_iam_action(code: str) -> None:
    fault = of_code(code)
    assert isinstance(fault, Denied)
    assert "ecs:DescribeServices" in fault.message
    assert "ecs:DescribeServices" in fault.hint


@pytest.mark.parametrize("code", sorted(reading.CREDENTIAL_CODES))
def test_credential_codes(code: str) -> None:
    assert isinstance(of_code(code), Misconfigured)


@pytest.mark.parametrize(
    ("code", "message", "status", "action", "kind"),
    [
        ("ValidationError", "Stack with id X does not exist", 400, "cloudformation:DescribeStacks", Absent),
        ("ValidationError", "Stack [X] does not exist", 400, "cloudformation:DescribeStackEvents", Absent),
        ("ValidationError", "1 validation error detected", 400, "cloudformation:DescribeStacks", Broken),
        ("ValidationError", "Stack with id X does not exist", 400, "rds:DescribeDBInstances", Broken),
        ("404", "Not Found", 404, "s3:HeadBucket", Absent),
        ("404", "page not found", 404, "ecs:DescribeServices", Broken),
        ("403", "Forbidden", 403, "s3:HeadBucket", Denied),
        ("403", "Forbidden", 403, "ecs:DescribeServices", Broken),
        ("ThrottlingException", "Rate exceeded", 400, "ecs:DescribeServices", Broken),
        ("InternalFailure", "", 500, "ecs:DescribeServices", Broken),
        ("ServiceUnavailable", "", 503, "ecs:DescribeServices", Broken),
        ("502", HTML, 502, "ecs:DescribeServices", Unreachable),
        ("SomethingNobodyKnows", "Cluster not found", 404, "ecs:DescribeServices", Broken),
        ("", "", 0, "ecs:DescribeServices", Broken),
    ],
)
def test_codes_that_need_a_second_look(
    code: str, message: str, status: int, action: str, kind: type[Fault]
) -> None:
    assert type(of_code(code, message, status, action)) is kind


def test_only_no_credentials_and_unreachable_are_skips() -> None:
    skips = {fault for fault, _ in reading.EXCEPTIONS.values() if fault.outcome is Outcome.SKIPPED}
    assert skips == {NoCredentials, Unreachable}


def test_our_own_errors_stay_what_they_are() -> None:
    def lose() -> None:
        with reading.reading("a:B", "x"):
            _ = dict[str, str]()["key"]

    with pytest.raises(KeyError):
        lose()
    assert reading.read(ValueError("ours"), action="a:B", resource="x") is None


def test_a_fault_passes_through() -> None:
    fault = Absent("gone", hint="")
    with pytest.raises(Absent) as caught, reading.reading("a:B", "x"):
        raise fault
    assert caught.value is fault
    assert fault.__cause__ is None


def test_an_unknown_botocore_error_is_broken() -> None:
    from botocore.exceptions import BotoCoreError

    fault = reading.read(BotoCoreError(), action="a:B", resource="")
    assert type(fault) is Broken
    assert fault.message.startswith("a:B: BotoCoreError")


# Provoked for real

Ask = Callable[..., Fault]


@pytest.fixture
def ask(make_profile: Callable[..., Any]) -> Ask:
    def met(
        url: str,
        key: str = "ecs:ListTasks",
        *,
        patience: Patience = HASTY,
        region: str = "us-east-1",
        **more: object,
    ) -> Fault:
        with pytest.raises(Fault) as caught:
            Aws(make_profile(url, region=region), patience=patience).call(key, "thing", **more)
        return caught.value

    return met


def test_refused_port(ask: Ask, credentials: str, stub: Callable[..., Any]) -> None:
    server = stub(lambda _: b"")
    fault = ask("http://127.0.0.1:9")
    assert isinstance(fault, Unreachable)
    assert isinstance(ask(server.url), Unreachable), "a server that closes at once"


def test_never_answers(ask: Ask, credentials: str, stub: Callable[..., Any]) -> None:
    assert isinstance(ask(stub(lambda _: None).url), Unreachable)


def test_no_such_host(ask: Ask, credentials: str) -> None:
    assert isinstance(ask("http://nothing.invalid:1"), Unreachable)


def test_no_tls_there(
    ask: Ask, credentials: str, stub: Callable[..., Any], http: Callable[..., bytes]
) -> None:
    server = stub(lambda _: http("400 Bad Request", "{}"))
    assert isinstance(ask(server.url.replace("http:", "https:")), Unreachable)


def test_proxy_refused(ask: Ask, credentials: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    assert isinstance(ask("http://aws.example.com"), Unreachable)


@pytest.mark.parametrize(
    ("key", "parameters"),
    [
        ("ecs:ListTasks", {}),
        ("rds:DescribeDBInstances", {}),
        ("sqs:GetQueueUrl", {"QueueName": "q"}),
        ("secretsmanager:GetSecretValue", {"SecretId": "s"}),
        ("logs:DescribeLogStreams", {"logGroupName": "g"}),
        ("cloudformation:DescribeStackEvents", {"StackName": "s"}),
    ],
)
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "403 Forbidden", "502 Bad Gateway"])
def test_a_web_page_is_never_an_answer(
    ask: Ask,
    credentials: str,
    stub: Callable[..., Any],
    http: Callable[..., bytes],
    status: str,
    key: str,
    parameters: dict[str, str],
) -> None:
    server = stub(lambda _: http(status, HTML, "text/html; charset=utf-8"))
    try:
        fault = ask(server.url, key, **parameters)
    except pytest.fail.Exception:
        pytest.fail(f"{key} took a web page with {status} for an answer")
    assert isinstance(fault, Unreachable)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("400 Bad Request", "ThrottlingException"),
        ("500 Internal Server Error", "InternalFailure"),
        ("503 Service Unavailable", "ServiceUnavailable"),
    ],
)
def test_failures_are_retried_and_then_an_error(
    ask: Ask, credentials: str, stub: Callable[..., Any], http: Callable[..., bytes], status: str, code: str
) -> None:
    server = stub(lambda _: http(status, f'{{"__type": "{code}", "message": "slow down"}}'))
    fault = ask(server.url, patience=Patience(1.0, 1.0, attempts=2))
    assert type(fault) is Broken
    assert code in fault.message
    assert server.asked == 2


def test_nothing_configured_sends_nothing(
    ask: Ask, stub: Callable[..., Any], http: Callable[..., bytes]
) -> None:
    server = stub(lambda _: http("200 OK", "{}"))
    assert isinstance(ask(server.url), NoCredentials)
    assert server.asked == 0


def test_half_configured(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    assert isinstance(ask("http://127.0.0.1:9"), Misconfigured)


def test_a_profile_that_is_not_there(ask: Ask, credentials: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nosuch")
    fault = ask("http://127.0.0.1:9")
    assert isinstance(fault, Misconfigured)
    assert "nosuch" in fault.message


@pytest.mark.parametrize(
    "config",
    [
        "[default\nregion=",
        "[default]\ncredential_process = /nonexistent/program",
        "[default]\ncredential_process = false",
        "[default]\ncredential_process = echo nonsense",
        SSO,
        "[default]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = missing",
        "[default]\nrole_arn = arn:aws:iam::1:role/x",
    ],
)
def test_configuration_that_does_not_work(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: str
) -> None:
    path = tmp_path / "config"
    path.write_text(config)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    assert isinstance(ask("http://127.0.0.1:9"), Misconfigured)


@pytest.mark.parametrize("region", ["", "not a region", "us_east_1/x"])
def test_region_that_is_none(ask: Ask, credentials: str, region: str) -> None:
    assert isinstance(ask("", region=region), Misconfigured)


def test_endpoint_without_a_scheme(ask: Ask, credentials: str) -> None:
    assert isinstance(ask("127.0.0.1:9"), Misconfigured)


def test_denied_for_real(
    ask: Ask, guarded_url: str, monkeypatch: pytest.MonkeyPatch, make_profile: Callable[..., Any]
) -> None:
    import boto3

    iam = boto3.client(
        "iam",
        endpoint_url=guarded_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    asked: list[tuple[str, dict[str, object]]] = [
        ("ecs:DescribeServices", {"cluster": "c", "services": ["s"]}),
        ("rds:DescribeDBInstances", {}),
        ("sqs:GetQueueUrl", {"QueueName": "q"}),
        ("ecr:DescribeImages", {"repositoryName": "rr", "imageIds": [{"imageTag": "x"}]}),
        ("secretsmanager:GetSecretValue", {"SecretId": "s"}),
        ("logs:DescribeLogStreams", {"logGroupName": "g"}),
    ]
    for action, parameters in asked:
        fault = ask(guarded_url, action, patience=Patience(), **parameters)
        assert isinstance(fault, Denied), (action, fault)
        assert action in fault.message


def test_wrong_keys_for_real(ask: Ask, guarded_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong" * 8)
    for action, parameters in (
        ("ecs:ListTasks", {}),
        ("sqs:GetQueueUrl", {"QueueName": "q"}),
        ("rds:DescribeDBInstances", {}),
    ):
        fault = ask(guarded_url, action, patience=Patience(), **parameters)
        assert isinstance(fault, Misconfigured), (action, fault)


@pytest.mark.parametrize(
    ("key", "parameters"),
    [
        ("rds:DescribeDBInstances", {"DBInstanceIdentifier": "nosuch"}),
        ("sqs:GetQueueUrl", {"QueueName": "nosuch"}),
        ("ecr:DescribeImages", {"repositoryName": "nosuch", "imageIds": [{"imageTag": "x"}]}),
        ("secretsmanager:GetSecretValue", {"SecretId": "nosuch"}),
        ("logs:DescribeLogStreams", {"logGroupName": "nosuch"}),
        ("cloudformation:DescribeStackEvents", {"StackName": "nosuch"}),
    ],
)
def test_absent_for_real(
    ask: Ask, stack_url: str, credentials: str, key: str, parameters: dict[str, object]
) -> None:
    fault = ask(stack_url, key, patience=Patience(), **parameters)
    assert isinstance(fault, Absent), fault
    assert "thing does not exist" in fault.message
