"""The S3 store at the emulator, which checks conditions and checksums; and at a server that answers as S3 would
where the emulator cannot be made to."""

import hashlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aws_parts import owner_of
from harness.aws.faults import Absent, Broken, Denied, Fault, Misconfigured, NoCredentials, Unreachable
from harness.aws.operations import Refused, operations
from harness.aws.verdict_store import STORE_OPERATIONS, Bucket, store_statements

Make = Callable[..., Bucket]


@pytest.fixture
def client(stack_url: str, credentials: str) -> Any:
    return owner_of(stack_url, credentials)("s3")


@pytest.fixture
def name(client: Any) -> str:
    name = f"verdicts-{time.time_ns()}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def bucket(stack_url: str, name: str) -> Bucket:
    return Bucket(name, "releases/", region="us-east-1", endpoint_url=stack_url)


def test_an_object_is_created_once(bucket: Bucket, client: Any, name: str) -> None:
    assert bucket.uri == f"s3://{name}/releases"
    assert bucket.read("a") is None
    assert bucket.sha256("a") == ""
    assert bucket.create("a", b"one")
    assert not bucket.create("a", b"two")
    found = bucket.read("a")
    assert found is not None
    assert found[0] == b"one"
    assert bucket.sha256("a") == hashlib.sha256(b"one").hexdigest()
    assert client.get_object(Bucket=name, Key="releases/a")["Body"].read() == b"one"


def test_it_is_replaced_only_while_it_is_what_was_read(bucket: Bucket) -> None:
    assert not bucket.replace("a", b"two", '"0123"')
    bucket.create("a", b"one")
    _, tag = bucket.read("a") or (b"", "")
    assert bucket.replace("a", b"two", tag)
    assert not bucket.replace("a", b"three", tag)
    assert (bucket.read("a") or (b"", ""))[0] == b"two"


def test_of_many_that_replace_at_once_one_does(bucket: Bucket) -> None:
    bucket.create("a", b"one")
    _, tag = bucket.read("a") or (b"", "")
    start, done = threading.Barrier(8), []

    def replace(number: int) -> None:
        start.wait(20)
        done.append(bucket.replace("a", b"%d" % number, tag))

    threads = [threading.Thread(target=replace, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == [False] * 7 + [True]


def test_files_go_there_and_back(bucket: Bucket, tmp_path: Path) -> None:
    content = b"0123456789" * 300_000
    (tmp_path / "in").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    assert bucket.create_file("e/f", tmp_path / "in", digest)
    assert not bucket.create_file("e/f", tmp_path / "in", digest)
    assert bucket.sha256("e/f") == digest
    assert bucket.download("e/f", tmp_path / "to" / "out", len(content))
    assert (tmp_path / "to" / "out").read_bytes() == content
    assert not bucket.download("e/nothing", tmp_path / "nothing", 1)
    assert not (tmp_path / "nothing").exists()


def test_a_file_that_is_not_what_its_digest_says_is_refused_by_s3(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"changed after the run")
    with pytest.raises(Broken, match="not what its digest says"):
        bucket.create_file("e", tmp_path / "in", hashlib.sha256(b"of the run").hexdigest())
    assert bucket.read("e") is None


def test_a_digest_that_s3_does_not_keep_is_computed(bucket: Bucket, client: Any, name: str) -> None:
    client.put_object(Bucket=name, Key="releases/old", Body=b"by another tool", ChecksumAlgorithm="CRC32")
    assert bucket.sha256("old") == hashlib.sha256(b"by another tool").hexdigest()


def test_an_object_that_is_too_large_is_not_read(bucket: Bucket, tmp_path: Path) -> None:
    bucket.create("a", b"12345")
    with pytest.raises(Broken, match="5 bytes, more than the 4 it may have"):
        bucket.download("a", tmp_path / "a", 4)


def test_a_file_that_is_there_is_not_overwritten(bucket: Bucket, tmp_path: Path) -> None:
    bucket.create("a", b"12345")
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(Broken, match="cannot be written: File exists"):
        bucket.download("a", tmp_path / "a", 5)
    assert (tmp_path / "a").read_bytes() == b"mine"


def test_keys_and_folders_are_those_below_the_prefix(bucket: Bucket, client: Any, name: str) -> None:
    client.put_object(Bucket=name, Key="elsewhere/x", Body=b"")
    for key in ("staging/pre-deploy/v", "staging/post-deploy/v", "prod/pre-deploy/v"):
        bucket.create(key, b"v")
    assert bucket.folders("") == ("prod", "staging")
    assert bucket.folders("staging/") == ("post-deploy", "pre-deploy")
    assert bucket.keys("staging/") == ("staging/post-deploy/v", "staging/pre-deploy/v")
    assert Bucket(name, region="us-east-1", endpoint_url=bucket._endpoint_url).folders("") == (
        "elsewhere",
        "releases",
    )


def test_every_page_is_read(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        bucket.create(f"runs/r{number}/v", b"v")
    real = bucket._client.get_paginator

    class Small:
        def paginate(self, **parameters: Any) -> Any:
            return real("list_objects_v2").paginate(**parameters, PaginationConfig={"PageSize": 2})

    monkeypatch.setattr(bucket._client, "get_paginator", lambda _: Small())
    assert len(bucket.folders("runs/")) == 5
    assert len(bucket.keys("runs/")) == 5
    assert bucket.folders("runs/", "r2") == ("r3", "r4")
    assert bucket.folders("runs/", "r4") == ()


def test_a_locked_bucket_takes_new_keys_and_new_versions(stack_url: str, client: Any) -> None:
    name = f"locked-{time.time_ns()}"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    client.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}},
        },
    )
    bucket = Bucket(name, region="us-east-1", endpoint_url=stack_url)
    assert bucket.create("latest", b"one")
    _, tag = bucket.read("latest") or (b"", "")
    assert bucket.replace("latest", b"two", tag)
    versions = client.list_object_versions(Bucket=name)["Versions"]
    assert len(versions) == 2
    for version in versions:
        kept = client.head_object(Bucket=name, Key="latest", VersionId=version["VersionId"])
        assert kept["ObjectLockMode"] == "COMPLIANCE"
        assert kept["ObjectLockRetainUntilDate"] > datetime.now(UTC) + timedelta(hours=20)


def test_no_bucket_is_not_no_object(stack_url: str, credentials: str, tmp_path: Path) -> None:
    bucket = Bucket("there-is-none", region="us-east-1", endpoint_url=stack_url)
    for ask in (
        lambda: bucket.read("a"),
        lambda: bucket.create("a", b""),
        lambda: bucket.keys(""),
        lambda: bucket.download("a", tmp_path / "a", 1),
    ):
        with pytest.raises(Fault, match="there-is-none") as refused:
            ask()
        assert not isinstance(refused.value, Absent)
        assert "make the bucket" in refused.value.hint


def test_without_credentials_nothing_is_asked(stack_url: str) -> None:
    with pytest.raises(NoCredentials, match="s3://verdicts: no AWS credentials"):
        Bucket("verdicts", region="us-east-1", endpoint_url=stack_url).read("a")


def test_a_variable_does_not_lead_elsewhere(
    bucket: Bucket, stub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = stub(lambda _: b"")
    monkeypatch.setenv("AWS_ENDPOINT_URL", elsewhere.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", elsewhere.url)
    assert bucket.create("a", b"one")
    assert not elsewhere.asked


def test_a_client_of_the_store_can_do_nothing_else(bucket: Bucket) -> None:
    with pytest.raises(Refused, match="DeleteObject is refused"):
        bucket._ask("delete_object", Key="a")
    assert not {row.key for row in STORE_OPERATIONS} & operations().keys()


def s3_error(http: Callable[..., bytes], status: str, code: str, message: str) -> bytes:
    return http(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>", "application/xml")


@pytest.fixture
def answering(stub: Callable[..., Any], http: Callable[..., bytes], credentials: str) -> Make:
    def make(status: str, code: str, message: str = "so it is", **more: Any) -> Bucket:
        server = stub(lambda _: s3_error(http, status, code, message))
        return Bucket("verdicts", "p", region="us-east-1", endpoint_url=server.url, **more)

    return make


def test_a_conflict_of_two_writers_is_a_lost_race(answering: Make) -> None:
    assert not answering("409 Conflict", "ConditionalRequestConflict").create("a", b"")
    assert not answering("412 Precondition Failed", "PreconditionFailed").replace("a", b"", '"0"')


def test_a_lock_that_refuses_is_named(answering: Make) -> None:
    bucket = answering(
        "403 Forbidden", "AccessDenied", "Access Denied because object protected by object lock."
    )
    with pytest.raises(Denied, match="Object Lock") as refused:
        bucket.create("a", b"")
    assert "new keys and new versions" in refused.value.hint


@pytest.mark.parametrize(
    ("status", "code", "fault", "hint"),
    [
        ("403 Forbidden", "AccessDenied", Denied, "allow s3:PutObject"),
        ("400 Bad Request", "ExpiredToken", Misconfigured, "log in again"),
        ("400 Bad Request", "BadDigest", Broken, "changed after the run"),
    ],
)
def test_a_write_that_is_refused_says_what_to_do(
    answering: Make, status: str, code: str, fault: type[Fault], hint: str
) -> None:
    with pytest.raises(fault) as refused:
        answering(status, code).create("a", b"")
    assert hint in refused.value.hint


def test_throttled_to_the_last_try_it_can_be_resumed(
    answering: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = answering("503 Slow Down", "SlowDown")
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    with pytest.raises(Broken) as refused:
        bucket.create("a", b"")
    assert "publish again later" in refused.value.hint


def test_a_read_that_is_denied_is_no_absence(answering: Make) -> None:
    bucket = answering("403 Forbidden", "AccessDenied")
    for ask in (lambda: bucket.read("a"), lambda: bucket.keys(""), lambda: bucket.sha256("a")):
        with pytest.raises(Denied):
            ask()


def test_nobody_there_is_unreachable(credentials: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    with pytest.raises(Unreachable):
        Bucket("verdicts", region="us-east-1", endpoint_url="http://127.0.0.1:1").read("a")


def test_the_owner_is_sent_where_the_profile_names_one(
    stub: Callable[..., Any], http: Callable[..., bytes], credentials: str
) -> None:
    server = stub(lambda _: s3_error(http, "404 Not Found", "NoSuchKey", "no"))
    Bucket("verdicts", region="us-east-1", endpoint_url=server.url, account="123456789012").read("a")
    assert b"x-amz-expected-bucket-owner: 123456789012" in server.requests[0].lower()


def test_an_etag_or_length_that_is_missing_is_no_answer(
    stub: Callable[..., Any], http: Callable[..., bytes], credentials: str
) -> None:
    server = stub(lambda _: http("200 OK", "content", "text/plain"))
    with pytest.raises(Broken, match="the answer has no ETag"):
        Bucket("verdicts", region="us-east-1", endpoint_url=server.url).read("a")


def test_the_policy_of_a_store_names_its_place_and_deletes_nothing() -> None:
    below, lists = store_statements("s3://verdicts/releases/")
    assert below["Action"] == ["s3:GetObject", "s3:PutObject"]
    assert below["Resource"] == ["arn:aws:s3:::verdicts/releases/*"]
    assert lists["Action"] == ["s3:ListBucket"]
    assert lists["Resource"] == ["arn:aws:s3:::verdicts"]
    assert store_statements("s3://verdicts")[0]["Resource"] == ["arn:aws:s3:::verdicts/*"]
