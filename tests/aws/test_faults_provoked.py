"""Every row of the table, provoked: by an emulator that enforces IAM, and by servers that misbehave."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.aws.faults import Absent, Broken, Denied, Fault, Misconfigured, NoCredentials, Unreachable
from harness.aws.reading import reading
from harness.aws.session import Aws, Patience

HASTY = Patience(connect=0.3, read=0.3, attempts=1)
ONCE = Patience(connect=2, read=10, attempts=1)
HTML = "<!DOCTYPE html><html><body>Sign in to the guest network</body></html>"
TASKS = "ecs:ListTasks"
TOPIC = {"TopicArn": "arn:aws:sns:us-east-1:000000000000:nosuch"}
CERTIFICATE = {
    "CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/00000000-0000-0000-0000-000000000000"
}
QUESTIONS: dict[str, dict[str, Any]] = {  # one for each service and protocol that the checks speak
    "acm:DescribeCertificate": CERTIFICATE,
    "cloudformation:DescribeStacks": {"StackName": "nosuch"},
    "cloudwatch:DescribeAlarms": {},
    "ecr:DescribeImages": {"repositoryName": "nosuch", "imageIds": [{"imageTag": "x"}]},
    "ecs:DescribeServices": {"cluster": "c", "services": ["s"]},
    "elasticache:DescribeReplicationGroups": {"ReplicationGroupId": "nosuch"},
    "elbv2:DescribeLoadBalancers": {"Names": ["nosuch"]},
    "logs:DescribeLogStreams": {"logGroupName": "nosuch"},
    "rds:DescribeDBInstances": {"DBInstanceIdentifier": "nosuch"},
    "resourcegroupstaggingapi:GetResources": {},
    "route53:GetHostedZone": {"Id": "Z0000000000000"},
    "secretsmanager:DescribeSecret": {"SecretId": "nosuch"},
    "secretsmanager:GetSecretValue": {"SecretId": "nosuch"},
    "sns:GetTopicAttributes": TOPIC,
    "sqs:GetQueueUrl": {"QueueName": "nosuch"},
    "ssm:GetParameters": {"Names": ["nosuch"]},
}
ANSWERED = {  # where what is missing is left out of the answer instead
    "cloudwatch:DescribeAlarms",
    "resourcegroupstaggingapi:GetResources",
    "ssm:GetParameters",
}
IAM_PREFIX = {"elbv2": "elasticloadbalancing", "resourcegroupstaggingapi": "tag"}
PLAIN: list[tuple[str, str, dict[str, Any]]] = [  # of services that the shipped checks do not ask
    ("s3:HeadBucket", "head_bucket", {"Bucket": "bucket-nosuch"}),
    ("s3:ListBucket", "list_objects_v2", {"Bucket": "bucket-nosuch"}),
    ("kms:DescribeKey", "describe_key", {"KeyId": "00000000-0000-0000-0000-000000000000"}),
    ("iam:GetUser", "get_user", {"UserName": "nosuch"}),
]
Ask = Callable[..., Fault]


def action_of(key: str) -> str:
    service, _, name = key.partition(":")
    return f"{IAM_PREFIX.get(service, service)}:{name}"


@pytest.fixture
def ask(make_profile: Callable[..., Any]) -> Ask:
    def met(
        url: str, key: str = TASKS, *, patience: Patience = HASTY, region: str = "us-east-1", **more: object
    ) -> Fault:
        with pytest.raises(Fault) as caught:
            Aws(make_profile(url, region=region), patience=patience).call(key, "thing", **more)
        return caught.value

    return met


def plain(url: str, service: str, key: str = "test", secret: str = "test") -> Any:
    import boto3
    from botocore.config import Config

    session: Any = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1")
    return session.client(service, endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))


def met_by(action: str, call: Callable[[], object]) -> Fault:
    with pytest.raises(Fault) as caught, reading(action, "thing"):
        call()
    return caught.value


# Nothing answers


def test_refused_port(ask: Ask, credentials: str, stub: Callable[..., Any]) -> None:
    assert isinstance(ask("http://127.0.0.1:9"), Unreachable)
    assert isinstance(ask(stub(lambda _: b"").url), Unreachable), "a server that closes at once"


def test_never_answers(ask: Ask, credentials: str, stub: Callable[..., Any]) -> None:
    assert isinstance(ask(stub(lambda _: None).url), Unreachable)


def test_never_accepts(ask: Ask, credentials: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:  # what the queue does not hold is left without an answer
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        fault = ask(f"http://127.0.0.1:{port}")
        for one in waiting:
            one.close()
    assert isinstance(fault, Unreachable)
    assert "timeout" in fault.message.lower()


def test_breaks_off_in_the_middle(ask: Ask, credentials: str, stub: Callable[..., Any]) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 100\r\n\r\n{"
    assert isinstance(ask(stub(lambda _: half).url), Unreachable)


def test_no_such_host(ask: Ask, credentials: str) -> None:
    assert isinstance(ask("http://nothing.invalid:1"), Unreachable)


def test_no_tls_there(
    ask: Ask, credentials: str, stub: Callable[..., Any], http: Callable[..., bytes]
) -> None:
    server = stub(lambda _: http("400 Bad Request", "{}"))
    assert isinstance(ask(server.url.replace("http:", "https:")), Unreachable)


@pytest.fixture
def self_signed(tmp_path: Path) -> Iterator[str]:
    """A TLS server whose certificate nobody vouches for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "server.pem"
    path.write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    continue  # the client does not trust us: that is the point

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_a_certificate_that_nobody_vouches_for(ask: Ask, credentials: str, self_signed: str) -> None:
    fault = ask(self_signed)
    assert isinstance(fault, Unreachable)
    assert "certificate verify failed" in fault.message


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def through(url: str) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, url)
        for name in ("NO_PROXY", "no_proxy", "http_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)

    return through


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_refused(ask: Ask, credentials: str, proxied: Callable[[str], None], scheme: str) -> None:
    proxied("http://127.0.0.1:9")
    assert isinstance(ask(f"{scheme}://aws.example.com"), Unreachable)


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden"])
def test_a_proxy_that_lets_nobody_through(
    ask: Ask,
    credentials: str,
    proxied: Callable[[str], None],
    stub: Callable[..., Any],
    http: Callable[..., bytes],
    status: str,
) -> None:
    proxied(stub(lambda _: http(status, HTML, "text/html")).url)
    assert isinstance(ask("https://aws.example.com"), Unreachable)
    assert isinstance(ask("http://aws.example.com"), Unreachable)


# Something else answers


STATUSES = ("200 OK", "400 Bad Request", "403 Forbidden", "404 Not Found", "500 Oops", "502 Bad Gateway")


@pytest.fixture
def asked_of(
    make_profile: Callable[..., Any], credentials: str, stub: Callable[..., Any], http: Callable[..., bytes]
) -> Callable[..., Iterator[tuple[str, Fault | None]]]:
    """Asks one question of a server that gives one answer after another."""

    def each(
        key: str, content_type: str, answers: Iterable[tuple[str, str]]
    ) -> Iterator[tuple[str, Fault | None]]:
        now = [b""]
        server = stub(lambda _: now[0])
        aws = Aws(make_profile(server.url), patience=ONCE)
        for status, body in answers:
            now[0] = http(status, body, content_type)
            aws._down.clear()  # each answer is a new one, not the same server that stays down
            try:
                aws.call(key, "thing", **QUESTIONS[key])
            except Fault as fault:
                yield f"{status} {body!r}", fault
            else:
                yield f"{status} {body!r}", None

    return each


@pytest.mark.parametrize("key", sorted(QUESTIONS))
def test_a_web_page_is_never_an_answer(asked_of: Callable[..., Any], key: str) -> None:
    for said, fault in asked_of(key, "text/html; charset=utf-8", [(status, HTML) for status in STATUSES]):
        assert isinstance(fault, Unreachable), (said, fault)


@pytest.mark.parametrize(
    "key", ["cloudwatch:DescribeAlarms", "ecs:DescribeServices", "rds:DescribeDBInstances", "route53:GetHostedZone",
            "sqs:GetQueueUrl"]
)  # fmt: skip
def test_nonsense_is_never_absence(asked_of: Callable[..., Any], key: str) -> None:
    """One service of each protocol."""
    bodies = ["", "null", "[]", '"x"', "{", "<a/>", "\x00\x7f", "ok"]
    answers = [(status, body) for status in STATUSES[1:] for body in bodies]
    for said, fault in asked_of(key, "application/octet-stream", answers):
        assert isinstance(fault, Broken | Unreachable), (said, fault)


# AWS refuses to work


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
    assert (fault.code, server.asked) == (code, 2)


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("rds:DescribeDBInstances", "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"),
        ("route53:GetHostedZone", "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"),
        ("sqs:GetQueueUrl", '{"__type": "com.amazonaws.sqs#RequestThrottled"}'),
        ("ssm:GetParameters", '{"__type": "TooManyRequestsException"}'),
    ],
)
def test_throttled_whatever_the_protocol(
    ask: Ask, credentials: str, stub: Callable[..., Any], http: Callable[..., bytes], key: str, body: str
) -> None:
    fault = ask(stub(lambda _: http("400 Bad Request", body)).url, key, **QUESTIONS[key])
    assert type(fault) is Broken
    assert "throttled to the last try" in fault.message


@pytest.mark.parametrize(
    ("key", "body", "kind"),
    [
        ("ecs:DescribeServices", '{"__type": "OptInRequired", "message": "not subscribed"}', Denied),
        ("ecs:DescribeServices", '{"__type": "ExpiredTokenException", "message": "expired"}', Misconfigured),
        (
            "rds:DescribeDBInstances",
            "<ErrorResponse><Error><Code>RequestExpired</Code></Error></ErrorResponse>",
            Misconfigured,
        ),
        (
            "cloudformation:DescribeStacks",
            "<ErrorResponse><Error><Code>OptInRequired</Code></Error></ErrorResponse>",
            Denied,
        ),
    ],
)
def test_codes_that_the_emulator_never_gives(
    ask: Ask,
    credentials: str,
    stub: Callable[..., Any],
    http: Callable[..., bytes],
    key: str,
    body: str,
    kind: type[Fault],
) -> None:
    assert type(ask(stub(lambda _: http("403 Forbidden", body)).url, key, **QUESTIONS[key])) is kind


def test_a_bucket_of_another_region(
    credentials: str, stub: Callable[..., Any], http: Callable[..., bytes]
) -> None:
    body = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>expecting eu-west-1</Message></Error>"
    server = stub(lambda _: http("400 Bad Request", body, "application/xml"))
    fault = met_by("s3:ListBucket", lambda: plain(server.url, "s3").list_objects_v2(Bucket="bucket"))
    assert isinstance(fault, Misconfigured)


@pytest.mark.parametrize("key", ["ecs:DescribeServices", "rds:DescribeDBInstances", "route53:GetHostedZone"])
def test_a_service_that_the_emulator_does_not_have(
    ask: Ask, credentials: str, stub: Callable[..., Any], http: Callable[..., bytes], key: str
) -> None:
    """As ministack 1.5.33 answers for any service that it lacks; asking itself would make it load all that it has."""
    body = '{"error": "Unsupported service: something"}'
    fault = ask(stub(lambda _: http("400 Bad Request", body)).url, key, patience=ONCE, **QUESTIONS[key])
    assert type(fault) is Broken
    said = "Bad Request" if key.startswith("route53:") else "does not have this service"
    assert said in fault.message


# Credentials and configuration


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


SSO = """[default]
sso_session = s
sso_account_id = 1
sso_role_name = r
[sso-session s]
sso_region = us-east-1
sso_start_url = https://sso.example.com
"""
OLD_SSO = """[default]
sso_account_id = 1
sso_role_name = r
sso_region = us-east-1
sso_start_url = https://sso.example.com
"""


@pytest.mark.parametrize(
    "config",
    [
        "[default\nregion=",
        "[default]\ncredential_process = /nonexistent/program",
        "[default]\ncredential_process = false",
        "[default]\ncredential_process = echo nonsense",
        "[default]\ncredential_process = echo {}",
        SSO,
        OLD_SSO,
        SSO.replace("sso_session = s", "sso_session = missing"),
        "[default]\nlogin_session = arn:aws:iam::1:user/x",
        "[default]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = missing",
        "[default]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = default",
        "[default]\nrole_arn = arn:aws:iam::1:role/x",
        "[default]\nrole_arn = arn:aws:iam::1:role/x\ncredential_source = Nowhere",
        "[default]\nrole_arn = arn:aws:iam::1:role/x\nweb_identity_token_file = /nonexistent/token",
    ],
)
def test_configuration_that_does_not_work(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: str
) -> None:
    path = tmp_path / "config"
    path.write_text(config)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    assert isinstance(ask("http://127.0.0.1:9"), Misconfigured)


def test_a_role_that_may_not_be_assumed(
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    stub: Callable[..., Any],
    http: Callable[..., bytes],
) -> None:
    body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
    sts = stub(lambda _: http("403 Forbidden", body, "text/xml"))
    keys = "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = x\n"
    path = tmp_path / "config"
    path.write_text(
        "[default]\nregion = us-east-1\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = other\n"
        f"[profile other]\n{keys}"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
    fault = ask("http://127.0.0.1:9")
    assert isinstance(fault, Misconfigured)
    assert "AssumeRole gives no credentials (AccessDenied: no)" in fault.message
    assert sts.asked == 1


def test_a_container_that_gives_no_credentials(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, stub: Callable[..., Any], http: Callable[..., bytes]
) -> None:
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    task = stub(lambda _: http("403 Forbidden", "{}"))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{task.url}/credentials")
    assert isinstance(ask("http://127.0.0.1:9"), Misconfigured)


@pytest.mark.parametrize("region", ["", "not a region", "us_east_1/x"])
def test_region_that_is_none(ask: Ask, credentials: str, region: str) -> None:
    assert isinstance(ask("", region=region), Misconfigured)


def test_endpoint_without_a_scheme(ask: Ask, credentials: str) -> None:
    assert isinstance(ask("127.0.0.1:9"), Misconfigured)


def test_a_name_that_the_api_does_not_take(ask: Ask, credentials: str) -> None:
    fault = ask("http://127.0.0.1:9", "secretsmanager:DescribeSecret", SecretId="")
    assert isinstance(fault, Misconfigured)
    assert "correct the name" in fault.hint


# IAM, for real


@pytest.fixture(scope="module")
def user(guarded_url: str) -> Callable[[dict[str, Any]], tuple[str, str]]:
    """Makes an IAM user with one inline policy; gives its keys."""
    iam, names = plain(guarded_url, "iam"), iter(range(99))

    def make(*statements: dict[str, Any]) -> tuple[str, str]:
        name = f"user-{next(names)}"
        iam.create_user(UserName=name)
        policy = {"Version": "2012-10-17", "Statement": [{"Resource": "*", **item} for item in statements]}
        iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    return make


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[str, str]], None]:
    def one(keys: tuple[str, str]) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys[0])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys[1])

    return one


def test_denied_for_real_names_the_iam_action(
    make_profile: Callable[..., Any], guarded_url: str, user: Callable[..., Any], become: Callable[..., None]
) -> None:
    keys = user({"Effect": "Allow", "Action": "iam:ListUsers"})
    become(keys)
    plain(guarded_url, "s3").create_bucket(Bucket="bucket-there")  # an absent one is 404, whoever asks
    aws = Aws(make_profile(guarded_url), patience=ONCE)
    for key, parameters in QUESTIONS.items():
        fault = met_by("", partial(aws.call, key, "thing", **parameters))
        assert isinstance(fault, Denied), (key, fault)
        assert fault.hint.startswith(f"allow {action_of(key)} on thing"), key
    for action, name, parameters in PLAIN:
        client = plain(guarded_url, action.partition(":")[0], *keys)
        there = {**parameters, **({"Bucket": "bucket-there"} if "Bucket" in parameters else {})}
        fault = met_by(action, partial(getattr(client, name), **there))
        assert isinstance(fault, Denied), (action, fault)
        assert action in fault.hint


def test_what_is_allowed_is_answered_and_what_is_denied_beside_it_is_not(
    ask: Ask,
    guarded_url: str,
    make_profile: Callable[..., Any],
    user: Callable[..., Any],
    become: Callable[..., None],
) -> None:
    allowed = {"Effect": "Allow", "Action": ["ecs:*", "rds:*", "route53:*", "sqs:*"]}
    become(user(allowed, {"Effect": "Deny", "Action": ["rds:Describe*", "route53:GetHostedZone"]}))
    assert Aws(make_profile(guarded_url)).call(TASKS, "thing", cluster="c") is not None
    assert isinstance(ask(guarded_url, "sqs:GetQueueUrl", patience=ONCE, QueueName="nosuch"), Absent)
    for key in ("rds:DescribeDBInstances", "route53:GetHostedZone"):
        fault = ask(guarded_url, key, patience=ONCE, **QUESTIONS[key])
        assert isinstance(fault, Denied)
        assert f"denies {key} explicitly" in fault.hint


def test_wrong_keys_for_real(
    make_profile: Callable[..., Any], guarded_url: str, become: Callable[..., None]
) -> None:
    become(("AKIAIOSFODNN7EXAMPLE", "wrong" * 8))
    aws = Aws(make_profile(guarded_url), patience=ONCE)
    for key, parameters in QUESTIONS.items():
        fault = met_by("", partial(aws.call, key, "thing", **parameters))
        assert isinstance(fault, Misconfigured), (key, fault)


def test_a_wrong_secret_for_real(
    ask: Ask, guarded_url: str, user: Callable[..., Any], become: Callable[..., None]
) -> None:
    key, _ = user({"Effect": "Allow", "Action": "*"})
    become((key, "wrong" * 8))
    fault = ask(guarded_url, "ecs:DescribeServices", patience=ONCE, **QUESTIONS["ecs:DescribeServices"])
    assert isinstance(fault, Misconfigured)
    assert fault.code in {"SignatureDoesNotMatch", "InvalidSignatureException"}


# Absence, for real


@pytest.mark.parametrize("key", sorted(set(QUESTIONS) - ANSWERED))
def test_absent_for_real(ask: Ask, stack_url: str, credentials: str, key: str) -> None:
    fault = ask(stack_url, key, patience=ONCE, **QUESTIONS[key])
    assert isinstance(fault, Absent), fault
    assert "thing does not exist" in fault.message


@pytest.mark.parametrize(("action", "name", "parameters"), PLAIN, ids=[action for action, _, _ in PLAIN])
def test_absent_for_real_in_other_services(
    stack_url: str, credentials: str, action: str, name: str, parameters: dict[str, Any]
) -> None:
    client = plain(stack_url, action.partition(":")[0])
    assert isinstance(met_by(action, lambda: getattr(client, name)(**parameters)), Absent)


def test_waiting_for_what_does_not_exist(stack_url: str, credentials: str) -> None:
    waiter = plain(stack_url, "rds").get_waiter("db_instance_deleted")
    waiter.wait(DBInstanceIdentifier="nosuch", WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    waiter = plain(stack_url, "rds").get_waiter("db_instance_available")
    once = {"Delay": 0, "MaxAttempts": 1}
    fault = met_by(
        "rds:DescribeDBInstances", lambda: waiter.wait(DBInstanceIdentifier="nosuch", WaiterConfig=once)
    )
    assert isinstance(fault, Absent)
    waiter = plain(stack_url, "cloudwatch").get_waiter("alarm_exists")
    fault = met_by("cloudwatch:DescribeAlarms", lambda: waiter.wait(AlarmNames=["nosuch"], WaiterConfig=once))
    assert type(fault) is Broken
    assert "Max attempts exceeded" in fault.message
