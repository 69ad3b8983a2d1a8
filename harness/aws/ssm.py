"""SSM: the parameters that tell an application where things are. Values are read, judged and never kept."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from harness.aws.faults import Broken, Denied, Fault
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.secrecy import keep_secret
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase
from harness.profile.schema import Duration
from harness.shapes import Field, model_validator

OPERATIONS = (Operation("ssm", "GetParameters"),)
_A_CALL = 10
"""Names that GetParameters takes."""
_KEY_PROBLEMS = frozenset({"InvalidKeyId"})
"""One parameter's KMS key is disabled or gone: the answer for a whole batch, as a denial is."""


class SsmParameter(AwsResource):
    """``[[ssm.parameters]]``: a parameter of the Parameter Store."""

    fixture: ClassVar[str] = "ssm_parameter"
    uses: ClassVar[tuple[str, ...]] = ("ssm:GetParameters",)
    parity: ClassVar[Mapping[str, str]] = {"type": "type"}

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_./-]+$")
    """Its name with its path: ``/storefront-staging/database/host``."""
    type: Literal["String", "StringList", "SecureString"] | None = None
    """What it must be; a password is a ``SecureString``."""
    value: str = ""
    """What it must hold. Never a secret: a profile holds none."""
    pattern: str = ""
    """A regular expression that its whole value must match."""
    names: str = ""
    """The queue or topic whose URL or ARN it must hold, in this account."""
    changed_within: Annotated[Duration, Field(gt=0)] | None = None
    """How long ago it may have been changed last."""

    @model_validator(mode="after")
    def _fits(self) -> "SsmParameter":
        if sum(map(bool, (self.value, self.pattern, self.names))) > 1:
            raise ValueError("value, pattern and names are three ways to say what it holds: write one")
        if self.type == "SecureString" and self.value:
            raise ValueError(
                "the value of a SecureString is a secret, which no profile holds: write a pattern"
            )
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern is not a regular expression: {error}") from None
        return self

    @property
    def id(self) -> str:
        """Its name."""
        return self.name

    @property
    def home(self) -> str:
        """The parameter."""
        return f"SSM parameter {self.name}"

    @property
    def wanted(self) -> str:
        """What it must hold, in words; empty where the profile does not say."""
        if self.names:
            return f"the URL or ARN of {self.names} in this account"
        if self.pattern:
            return f"what matches {self.pattern}"
        return repr(self.value) if self.value else ""

    def arn(self, account: str, region: str) -> str:
        """Its ARN."""
        return f"arn:aws:ssm:{region}:{account}:parameter/{self.name.removeprefix('/')}"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """That it has a value; the rest where the profile declares it."""
        declared = (
            (self.type, "ssm.is_of_its_type"),
            (self.wanted, "ssm.holds_what_it_must"),
            (self.changed_within, "ssm.is_fresh"),
        )
        return ("ssm.has_a_value", *(check for wanted, check in declared if wanted))

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["SsmParameter"]) -> Read:
        """Ten a call, decrypted."""
        batches = [declared[start : start + _A_CALL] for start in range(0, len(declared), _A_CALL)]
        found: dict[str, object] = {}
        for batch, answer in zip(batches, aws.each(lambda batch: _batch(aws, batch), batches), strict=True):
            told: Mapping[str, object] = (
                {item.id: answer for item in batch} if isinstance(answer, Fault) else answer
            )
            found.update(told)
        return found


@dataclass(frozen=True)
class ParameterState:
    """A parameter as it is. Its value was judged while it was read: `as_wanted` is ``None`` where nothing is declared.

    `value` is kept where one is declared and it is no secret. `changed` and `seen` (when it was read) are epoch seconds.
    """

    name: str
    type: str
    version: int
    empty: bool
    as_wanted: bool | None
    value: str
    changed: float
    seen: float

    @property
    def age(self) -> float:
        """Seconds since it was changed; 0 where the clocks differ."""
        return max(0.0, self.seen - self.changed)


SsmParameter.state_type = ParameterState


def _batch(aws: Aws, batch: Sequence[SsmParameter]) -> dict[str, object]:
    """The states of up to ten parameters; those that do not exist are left out.

    A parameter that may not be read, or whose key is gone, takes the whole batch with it: then each is asked alone.

    Raises:
        Fault: nothing can be found out about any of them.
    """
    about = batch[0].home if len(batch) == 1 else f"{len(batch)} SSM parameters from {batch[0].name} on"
    try:
        answer = aws.call(
            "ssm:GetParameters", about, Names=[item.name for item in batch], WithDecryption=True
        )
    except (Denied, Broken) as fault:
        if len(batch) == 1:
            return {batch[0].id: fault}
        if isinstance(fault, Broken) and fault.code not in _KEY_PROBLEMS:
            raise
        alone: dict[str, object] = {}
        for item, part in zip(batch, aws.each(lambda item: _batch(aws, [item]), batch), strict=True):
            alone |= {item.id: part} if isinstance(part, Fault) else part
        return alone
    return _states(aws, batch, answer, about)


def _states(
    aws: Aws, batch: Sequence[SsmParameter], answer: Mapping[str, Any], about: str
) -> dict[str, object]:
    key = "ssm:GetParameters"
    declared = {item.name: item for item in batch}
    found: dict[str, object] = {}
    for parameter in need(answer, "Parameters", key, about):
        item = declared.get(need(parameter, "Name", key, about))
        if item is not None:
            found[item.id] = _state(aws, item, parameter)
    unknown = set(declared) - set(found) - set(need(answer, "InvalidParameters", key, about))
    if unknown:
        raise Broken(
            f"{key} on {about}: the answer says nothing of {', '.join(sorted(unknown))}",
            hint="what answers is not SSM, or not the version that the gate knows",
        )
    return found


def _state(aws: Aws, item: SsmParameter, parameter: Mapping[str, Any]) -> ParameterState:
    def told(field: str) -> Any:  # noqa: ANN401 - JSON is what it is
        return need(parameter, field, "ssm:GetParameters", item.home)

    value, kind = str(told("Value")), str(told("Type"))
    secret = kind == "SecureString" or item.type == "SecureString"
    if secret:
        keep_secret(aws.profile, value)
    return ParameterState(
        name=item.name,
        type=kind,
        version=int(told("Version")),
        empty=not value.strip(),
        as_wanted=holds(item, value, aws.identity().account) if item.wanted else None,
        value=value if item.wanted and not secret else "",
        changed=told("LastModifiedDate").timestamp(),
        seen=time.time(),
    )


def holds(item: SsmParameter, value: str, account: str) -> bool:
    """Whether a value is what the profile declares.

    A queue's URL ends in ``/<account>/<name>``, an ARN in ``:<account>:<name>``: a parameter of one environment that
    names the queue of another is wrong, even where the names are alike.
    """
    if item.names:
        *_, owner, name = ["", *re.split(r"[:/]", value)]
        return (owner, name) == (account, item.names)
    if item.pattern:
        return re.fullmatch(item.pattern, value) is not None
    return value == item.value


def too_old(item: SsmParameter, state: ParameterState) -> bool:
    """Whether it was changed longer ago than declared; exactly as long is not too long."""
    return item.changed_within is not None and state.age > item.changed_within
