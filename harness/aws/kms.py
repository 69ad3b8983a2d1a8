"""Signing with a key that never leaves AWS KMS: an asymmetric key of spec ``ECC_NIST_P256`` for signing.

The signer is whoever runs the command (a CI role), with the standard configuration of that identity: its credentials,
its region and its endpoint, in whatever account the key is. So it is no part of the target session, whose checks could
otherwise sign; a client made here can do the two things of `OPERATIONS_TO_SIGN` and nothing else.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.aws.faults import Misconfigured, NoCredentials
from harness.aws.operations import Operation, Refused
from harness.aws.reading import reading
from harness.aws.session import need, own_session
from harness.frozen import dataclass

if TYPE_CHECKING:
    from botocore.client import BaseClient

GET_PUBLIC_KEY = Operation("kms", "GetPublicKey")
SIGN = Operation("kms", "Sign", mutating=True)
OPERATIONS_TO_SIGN = (GET_PUBLIC_KEY, SIGN)
_SPEC = "ECC_NIST_P256"
_ALGORITHM = "ECDSA_SHA_256"
_ALIAS = "alias/"
_GUARDED = ("before-call", "before-sign", "before-send")


@dataclass(frozen=True)
class KmsKey:
    """One key, by its id, its ARN, ``alias/NAME`` or an alias's ARN; `region` is used where nothing else names one."""

    key: str
    region: str = ""

    def public_key(self) -> bytes:
        """Its public half: a SubjectPublicKeyInfo in DER.

        Raises:
            Misconfigured: the key is of another kind.
            Fault: what was met instead of an answer.
        """
        answer = self._ask(GET_PUBLIC_KEY)
        spec, usage = answer.get("KeySpec"), answer.get("KeyUsage")
        if (spec, usage) != (_SPEC, "SIGN_VERIFY"):
            raise Misconfigured(
                f"KMS key {self.key} is of spec {spec} for {usage}, not {_SPEC} for SIGN_VERIFY",
                hint=f"aws kms create-key --key-spec {_SPEC} --key-usage SIGN_VERIFY",
            )
        return bytes(need(answer, "PublicKey", GET_PUBLIC_KEY.key, self.key))

    def sign(self, digest: bytes) -> bytes:
        """The ECDSA signature of a sha256, in DER as KMS writes it.

        Raises:
            Fault: what was met instead of an answer.
        """
        answer = self._ask(SIGN, Message=digest, MessageType="DIGEST", SigningAlgorithm=_ALGORITHM)
        return bytes(need(answer, "Signature", SIGN.key, self.key))

    def _ask(self, operation: Operation, **parameters: object) -> Mapping[str, Any]:
        from botocore import xform_name

        with reading(operation.action, self.key):
            client = self._client()
            answer: Mapping[str, Any] = getattr(client, xform_name(operation.name))(
                KeyId=self.key, **parameters
            )
        return answer

    def _client(self) -> "BaseClient":
        from botocore.config import Config

        session = own_session()
        if isinstance(session, NoCredentials):
            raise NoCredentials(
                session.message, hint=f"configure the credentials that may use key {self.key}"
            )
        named = self.key.split(":")[3] if _is_arn(self.key) else ""
        region = named or session.get_config_variable("region") or _told_region() or self.region
        if not region:
            raise Misconfigured(
                f"KMS key {self.key}: there is no region", hint="name the key by its ARN, or set AWS_REGION"
            )
        client: BaseClient = session.create_client(
            "kms",
            region_name=region,
            config=Config(
                connect_timeout=3.0,
                read_timeout=10.0,
                retries={"mode": "standard", "total_max_attempts": 8},
                user_agent_extra="gonogo",
            ),
        )
        for event in _GUARDED:
            client.meta.events.register_first(event, _refuse_others)
        return client


def signing_statement(key: str, *, region: str, account: str) -> dict[str, Any]:
    """The IAM statement that lets an identity sign with `key`, in `account` and `region` where it does not say."""
    _, partition, _, region, account, name = (
        key.split(":", 5) if _is_arn(key) else ("arn", "aws", "kms", region, account or "*", key)
    )
    alias = name.startswith(_ALIAS)
    id_ = "*" if alias else name.removeprefix("key/")
    return {
        "Sid": "GonogoSigns",
        "Effect": "Allow",
        "Action": sorted(each.action for each in OPERATIONS_TO_SIGN),
        "Resource": [f"arn:{partition}:kms:{region}:{account}:key/{id_}"],
        **({"Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": name}}} if alias else {}),
    }


def _refuse_others(event_name: str, **_: object) -> None:
    if event_name.rpartition(".")[2] not in {each.name for each in OPERATIONS_TO_SIGN}:
        raise Refused(f"{event_name} is refused: a signer signs", hint="this is a bug; report it")


def _is_arn(key: str) -> bool:
    return key.startswith("arn:") and key.count(":") >= 5


def _told_region() -> str:
    """botocore looks for AWS_DEFAULT_REGION only; Lambda, ECS and the CI actions set this one."""
    return os.environ.get("AWS_REGION", "")
