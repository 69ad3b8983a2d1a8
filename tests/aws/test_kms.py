"""Signing with KMS, and verifying offline with the key that was exported."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aws_parts import ACCOUNT
from harness.aws.faults import Absent, Denied, Fault, Misconfigured, NoCredentials
from harness.aws.kms import OPERATIONS_TO_SIGN, KmsKey, signing_statement
from harness.aws.operations import Refused, operations
from harness.cli import run as cli
from harness.errors import UsageError
from harness.profile.schema import SignerConfig, SigningConfig
from harness.verdict.envelope import unseal
from harness.verdict.signing import SigningError, open_kms, open_signers, sign_verdict
from harness.verdict.trust import key_ring


@pytest.fixture
def place(stack_url: str, credentials: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The stand-in, by the variables of the standard configuration."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", stack_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return credentials


@pytest.fixture
def kms(place: str, stack_url: str) -> Any:
    from harness.aws.control import control_client

    return control_client("kms", endpoint_url=stack_url, region="us-east-1", account=place)


@pytest.fixture
def key(kms: Any) -> str:
    made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    return str(made["KeyMetadata"]["KeyId"])


def test_kms_signs_and_the_exported_key_verifies_without_aws(
    kms: Any, key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(["keys"], ["keys", "export", f"awskms:{key}"]) == 0
    pem = capsys.readouterr().out
    signing = SigningConfig(signers=[SignerConfig(name="kms", key=pem)])
    sealed = [sign_verdict(b"%d\n" % n, open_signers([f"awskms:{key}"]), signing) for n in range(4)]
    monkeypatch.delenv("AWS_ENDPOINT_URL_KMS")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    for raw in sealed:
        assert unseal(raw).signed_by(key_ring(signing.signers)) == ("kms",)


def test_a_key_is_named_by_arn_and_by_alias(kms: Any, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kms.create_alias(AliasName="alias/verdicts", TargetKeyId=key)
    arn = kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    ids = {open_kms(name).keyid for name in (key, "alias/verdicts", arn)}
    assert len(ids) == 1
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert open_kms(arn).keyid in ids
    assert open_kms(key, "us-east-1").keyid in ids
    with pytest.raises(Misconfigured, match="there is no region"):
        open_kms(key)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert open_kms(key).keyid in ids


def test_an_alias_that_moved_is_noticed(kms: Any, key: str) -> None:
    kms.create_alias(AliasName="alias/moving", TargetKeyId=key)
    opened = open_kms("alias/moving")
    other = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName="alias/moving", TargetKeyId=other)
    with pytest.raises(SigningError, match="stays PENDING: KMS key alias/moving signed with another key"):
        sign_verdict(b"{}\n", [opened], SigningConfig())


def test_a_key_is_exported_to_a_file_once(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kms.pub"
    assert cli(["keys"], ["keys", "export", f"awskms:{key}", "--out", str(file)]) == 0
    assert file.read_text().startswith("-----BEGIN PUBLIC KEY-----\n")
    assert cli(["keys"], ["keys", "export", f"awskms:{key}", "--out", str(file)]) == 64
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spec", "usage"),
    [("RSA_2048", "SIGN_VERIFY"), ("ECC_NIST_P384", "SIGN_VERIFY"), ("ECC_SECG_P256K1", "SIGN_VERIFY")],
)
def test_a_key_of_another_kind_is_refused(kms: Any, spec: str, usage: str) -> None:
    made = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
    with pytest.raises(Misconfigured, match=f"spec {spec} for {usage}") as caught:
        open_kms(made)
    assert "create-key" in caught.value.hint


def test_a_key_that_is_gone_is_told(kms: Any, key: str) -> None:
    with pytest.raises(Absent, match="does not exist"):
        open_kms("00000000-0000-0000-0000-000000000000")
    opened = open_kms(key)
    kms.disable_key(KeyId=key)
    with pytest.raises(SigningError, match="stays PENDING") as caught:
        sign_verdict(b"{}\n", [opened], SigningConfig())
    assert "run the gates again" in caught.value.hint


def test_without_credentials_it_says_whose_are_missing(no_inherited_aws: None) -> None:
    with pytest.raises(NoCredentials) as caught:
        open_kms("alias/verdicts", "us-east-1")
    assert "may use key alias/verdicts" in caught.value.hint


def test_a_denied_key_names_the_action(
    stub: Callable[..., Any], http: Callable[..., bytes], credentials: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = http(
        "400 Bad Request",
        '{"__type": "AccessDeniedException", "Message": "User: x is not authorized to perform: kms:Sign"}',
        "application/x-amz-json-1.1",
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", stub(lambda _: answer).url)
    with pytest.raises(Denied, match="kms:Sign"):
        KmsKey("alias/verdicts", "us-east-1").sign(b"\x00" * 32)


def test_an_answer_without_a_signature_is_none(
    stub: Callable[..., Any], http: Callable[..., bytes], credentials: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = http("200 OK", "{}", "application/x-amz-json-1.1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", stub(lambda _: answer).url)
    with pytest.raises(Fault, match="no Signature"):
        KmsKey("alias/verdicts", "us-east-1").sign(b"\x00" * 32)


def test_a_signers_client_signs_and_does_nothing_else(kms: Any, key: str) -> None:
    client: Any = KmsKey(key)._client()
    assert client.get_public_key(KeyId=key)["PublicKey"]
    for ask in (client.list_keys, lambda: client.schedule_key_deletion(KeyId=key)):
        with pytest.raises(Refused):
            ask()


def test_checks_cannot_sign() -> None:
    assert not {each.key for each in OPERATIONS_TO_SIGN} & operations().keys()


@pytest.mark.parametrize(
    ("key", "resource", "alias"),
    [
        ("1234", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234", ""),
        ("arn:aws-cn:kms:cn-north-1:9:key/1234", "arn:aws-cn:kms:cn-north-1:9:key/1234", ""),
        ("alias/v", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*", "alias/v"),
        ("arn:aws:kms:eu-west-1:9:alias/v", "arn:aws:kms:eu-west-1:9:key/*", "alias/v"),
    ],
)
def test_the_permission_is_for_one_key(key: str, resource: str, alias: str) -> None:
    statement = signing_statement(key, region="us-east-1", account=ACCOUNT)
    assert statement["Action"] == ["kms:GetPublicKey", "kms:Sign"]
    assert statement["Resource"] == [resource]
    condition = statement.get("Condition", {}).get("ForAnyValue:StringEquals", {})
    assert condition.get("kms:ResourceAliases", "") == alias


def test_iam_policy_lets_a_signer_sign(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["iam-policy", "--profile", "staging", "--sign-with"]
    assert cli(["iam-policy"], [*arguments, "awskms:alias/v"]) == 0
    assert "GonogoSigns" in capsys.readouterr().out
    assert cli(["iam-policy"], [*arguments, "file:x"]) == 64


def test_without_boto3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="needs boto3"):
        open_kms("x")


def test_verifying_imports_no_boto3() -> None:
    code = "import sys; import harness.verdict.verify; print([m for m in sys.modules if m.startswith(('boto', 'securesys', 'sigstore', 'cryptography'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
