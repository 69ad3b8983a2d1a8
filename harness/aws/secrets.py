"""Secrets Manager: what an application's secrets hold, and how old that is. No value ever leaves this file but a
database's credentials, for a login; what is read here is masked everywhere from then on.
"""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from harness import masking
from harness.aws.faults import Absent, Broken, Fault
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass, field
from harness.model import Outcome, Phase
from harness.profile.schema import Duration
from harness.profile.units import write_duration
from harness.shapes import Field

OPERATIONS = (Operation("secretsmanager", "DescribeSecret"), Operation("secretsmanager", "GetSecretValue"))
_UNDECIPHERABLE = frozenset({"DecryptionFailure", "InvalidRequestException"})
"""The secret is there, its value cannot be had: its KMS key is disabled, deleted, or refuses."""


class Secret(AwsResource):
    """``[[secrets.secrets]]``: a secret of Secrets Manager. Its value is read, judged, and never kept."""

    fixture: ClassVar[str] = "secret"
    uses: ClassVar[tuple[str, ...]] = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")
    parity: ClassVar[Mapping[str, str]] = {"rotation": "rotation"}

    name: str = Field(min_length=1)
    """Its name: ``storefront/staging/rds-credentials``."""
    keys: list[str] = Field(default_factory=list)
    """The keys that its value, a JSON object, must have, each with a value that is not empty."""
    rotated_within: Annotated[Duration, Field(gt=0)] | None = None
    """How old its value may be: a rotation counts, and so does a change by hand."""
    rotation: bool = False
    """Whether Secrets Manager must rotate it by itself."""

    @property
    def id(self) -> str:
        """Its name."""
        return self.name

    @property
    def home(self) -> str:
        """The secret."""
        return f"secret {self.name}"

    def arn(self, account: str, region: str) -> str:
        """Its ARN; the six characters that Secrets Manager chose at its end are ``?``."""
        return f"arn:aws:secretsmanager:{region}:{account}:secret:{self.name}-??????"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """That it can be read; the rest where the profile declares it."""
        declared = (
            (self.keys, "secrets.holds_its_keys"),
            (self.rotated_within, "secrets.is_fresh"),
            (self.rotation, "secrets.rotates_by_itself"),
        )
        return ("secrets.is_readable", *(check for wanted, check in declared if wanted))

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["Secret"]) -> Read:
        """Each secret, described and read: ListSecrets would be one call, but may lag five minutes behind."""
        found = zip(declared, aws.each(lambda item: look(aws, item), declared), strict=True)
        return {item.id: state for item, state in found if not isinstance(state, Absent)}


@dataclass(frozen=True)
class SecretState:
    """A secret as it is, without its value.

    `unreadable` says why its value cannot be had; empty where it can. `missing_keys` are those of the declared ones.
    `changed` (epoch seconds) is when its value last changed, and `counted` says by which date; `seen` is when it was read.
    """

    name: str
    unreadable: str
    missing_keys: tuple[str, ...]
    rotation: bool
    changed: float
    counted: str
    seen: float

    @property
    def age(self) -> float:
        """Seconds since its value changed; 0 where the clocks differ."""
        return max(0.0, self.seen - self.changed)


Secret.state_type = SecretState


def look(aws: Aws, secret: Secret) -> SecretState:
    """The secret's state; its value is read and forgotten.

    Raises:
        Absent: it does not exist.
        Fault: it cannot be found out.
    """
    key = "secretsmanager:DescribeSecret"
    described = aws.call(key, secret.home, SecretId=secret.name)
    value: Mapping[str, Any] = {}
    deleted = described.get("DeletedDate")
    unreadable = f"is scheduled for deletion ({deleted:%Y-%m-%d})" if deleted else ""
    if not deleted:
        value, unreadable = _value(aws, secret)
    text = value.get("SecretString", "")
    changed, counted = _changed(described, value, secret.home)
    return SecretState(
        name=secret.name,
        unreadable=unreadable,
        missing_keys=tuple(key for key in secret.keys if not _filled(text).get(key)),
        rotation=bool(described.get("RotationEnabled")),
        changed=changed.timestamp(),
        counted=counted,
        seen=time.time(),
    )


def _value(aws: Aws, secret: Secret) -> tuple[Mapping[str, Any], str]:
    """The answer with its value; or nothing, and why its value cannot be had."""
    try:
        answer = aws.call("secretsmanager:GetSecretValue", secret.home, SecretId=secret.name)
    except Absent:
        return {}, "exists, but has no current value"
    except Broken as fault:
        if fault.code in _UNDECIPHERABLE:
            return {}, f"exists, but its value cannot be decrypted ({fault.code})"
        raise
    if not (answer.get("SecretString") or answer.get("SecretBinary")):
        return {}, "exists, but its value is empty"
    return answer, ""


def _filled(text: str) -> dict[str, bool]:
    """Which keys of a JSON object have a value; none where the text is not one."""
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(data, dict):
        return {}
    return {key: value not in (None, "") for key, value in data.items()}


def _changed(described: Mapping[str, Any], value: Mapping[str, Any], about: str) -> tuple[datetime, str]:
    """When the value changed last: by rotation, or as a new version; else when anything of the secret did."""
    dated = [
        (described["LastRotatedDate"], "last rotation") if described.get("LastRotatedDate") else None,
        (value["CreatedDate"], "creation of the current version") if value.get("CreatedDate") else None,
    ]
    if known := [item for item in dated if item]:
        return max(known)
    if described.get("LastChangedDate"):
        return described["LastChangedDate"], "last change of the secret"
    key = "secretsmanager:DescribeSecret"
    return need(described, "CreatedDate", key, about), "creation of the secret"


def too_old(secret: Secret, state: SecretState) -> bool:
    """Whether its value is older than declared; as old as that is not too old."""
    return secret.rotated_within is not None and state.age > secret.rotated_within


def days(seconds: float) -> str:
    """A length of time as people tell the age of a secret: ``93.5 days``."""
    return f"{seconds / 86400:.1f} days" if seconds >= 2 * 86400 else write_duration(round(seconds))


def day(seconds: float) -> str:
    """The day of a moment in epoch seconds, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


class SecretUnusable(Fault):
    """The secret exists, but the application could not log in with what it holds either."""

    outcome = Outcome.FAILED


@dataclass(frozen=True)
class Credentials:
    """What a database secret holds. Empty or 0 where it does not say."""

    username: str
    password: str = field(repr=False)
    host: str = ""
    port: int = 0
    database: str = ""


def credentials(aws: Aws, name: str) -> Credentials:
    """Read a database secret: a JSON object with ``username``, ``password`` and perhaps ``host port dbname``.

    Raises:
        SecretUnusable: it is not that.
        Fault: it cannot be read.
    """
    answer = aws.call("secretsmanager:GetSecretValue", name, SecretId=name)
    text = answer.get("SecretString", "")
    masking.register(text)
    return parse(name, text)


def parse(name: str, text: str) -> Credentials:
    """The credentials in a secret's text; its values are registered for masking whatever else happens.

    Raises:
        SecretUnusable: it is not a JSON object, or says no username or password, or its port is no number.
    """
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise SecretUnusable(
            f"secret {name} is not a JSON object",
            hint="store it as RDS does: username, password, host, port, dbname",
        )
    password = data.get("password")
    if isinstance(password, str):
        masking.register(password)
    missing = [key for key in ("username", "password") if not isinstance(data.get(key), str) or not data[key]]
    if missing:
        raise SecretUnusable(f"secret {name} has no {' and no '.join(missing)}", hint="complete the secret")
    try:
        port = int(data.get("port") or 0)
    except (TypeError, ValueError):
        raise SecretUnusable(f"secret {name}: its port is not a number", hint="correct the secret") from None
    return Credentials(
        data["username"], data["password"], str(data.get("host") or ""), port, str(data.get("dbname") or "")
    )
