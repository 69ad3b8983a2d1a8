"""The census: which of the declared resources exist, worked out of the survey before any check judges one.

It tells "not deployed yet" (nothing of the environment is there) from "half deployed" (something is), and either
from "could not be asked". Each check then asks `require`, and so all of them read the same answer.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from harness import codec
from harness.aws.faults import Absent, Broken, Fault, NoCredentials, NotDeployed, Unreachable
from harness.frozen import dataclass
from harness.model import Cause, Outcome


class Status(StrEnum):
    """What the census came to."""

    PRESENT = "present"
    PARTIAL = "partial"
    """Some of what is expected now exists, some does not: half deployed."""
    ABSENT = "absent"
    """Nothing of the environment that is expected now exists: not deployed yet."""
    NO_CREDENTIALS = "no_credentials"
    UNREACHABLE = "unreachable"
    ERROR = "error"
    """It could not be asked, though something is configured: denied, misconfigured, broken."""


@dataclass(frozen=True)
class Told:
    """A fault as it travels to the process that runs the checks."""

    outcome: Outcome
    message: str
    hint: str = ""
    cause: Cause | None = None

    @classmethod
    def of(cls, fault: Fault) -> "Told":
        """What a fault says."""
        return cls(fault.outcome, fault.message, fault.hint, fault.cause)

    def again(self) -> Fault:
        """The fault, to be raised by a check."""
        return Retold(self)


class Retold(Fault):
    """A fault that was met in the survey, raised again by each check that it concerns."""

    def __init__(self, told: Told) -> None:
        super().__init__(told.message, hint=told.hint)
        self.outcome = told.outcome
        self.cause = told.cause


@dataclass(frozen=True)
class Found:
    """One declared resource: whether it exists, and whether it must in this phase. With a `fault` it is not known."""

    kind: str
    id: str
    home: str
    exists: bool
    demanded: bool
    shared: bool
    fault: Told | None = None


@dataclass(frozen=True)
class Census:
    """What exists. `resources` is empty where it could not be asked; `message` and `hint` then say why."""

    status: Status
    message: str = ""
    hint: str = ""
    account: str = ""
    resources: tuple[Found, ...] = ()

    @property
    def missing(self) -> tuple[Found, ...]:
        """What must exist in this phase and does not."""
        return tuple(
            item for item in self.resources if item.demanded and not item.exists and item.fault is None
        )

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        data: dict[str, Any] = codec.dump(self)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Census":
        """Read `as_json` back.

        Raises:
            ValidationError: it is something else.
        """
        return codec.load(cls, dict(data))


class Unasked(Fault):
    """The census could not be taken, though something is configured; its message says why."""


def judge(found: Iterable[Found]) -> tuple[Status, str, str]:
    """Status, message and hint for what exists. Shared resources do not tell whether an environment is deployed.

    What could not be read tells nothing: where nothing that was read exists, it decides, as the gravest of its faults.
    """
    expected = [item for item in found if item.demanded]
    unread = [item.fault for item in expected if item.fault is not None and not item.shared]
    asked = [item for item in expected if item.fault is None]
    missing = [item for item in asked if not item.exists]
    own = [item for item in asked if not item.shared]
    if not any(item.exists for item in own) and (told := gravest(unread)):
        return status_of(told), f"nothing could be found: {told.message}", told.hint
    if own and not any(item.exists for item in own):
        return (
            Status.ABSENT,
            f"not deployed yet: none of {len(own)} declared resources exists",
            "deploy the environment; until then only the gates that need nothing deployed speak",
        )
    if missing:
        return (
            Status.PARTIAL,
            f"half deployed: {len(missing)} of {len(asked)} declared resources do not exist: "
            + ", ".join(item.home for item in missing),
            "finish or repeat the deploy, or correct the names in the profile",
        )
    unknown = len(expected) - len(asked)
    also = f", {unknown} more could not be asked" if unknown else ""
    return Status.PRESENT, f"all {len(asked)} declared resources exist{also}", ""


def gravest(told: Iterable[Told]) -> Told | None:
    """An error before "no answer"; what an emulator cannot show does not count."""
    counted = [item for item in told if item.cause is not Cause.NOT_EMULATED]
    return min(counted, key=lambda item: item.outcome is not Outcome.ERROR, default=None)


def status_of(told: Told) -> Status:
    """What a census that met this instead of answers comes to."""
    match told.cause:
        case Cause.NO_CREDENTIALS:
            return Status.NO_CREDENTIALS
        case Cause.UNREACHABLE:
            return Status.UNREACHABLE
        case _:
            return Status.ERROR


def require(census: Census, kind: str = "", id_: str = "") -> None:
    """Let a check go on only where its question can be asked; `kind` and `id_` name its resource, if it has one.

    Raises:
        NotDeployed, NoCredentials, Unreachable: nothing can be asked; the check is skipped for that cause.
        Unasked: it could not be found out; an error.
        Absent: this resource is missing where others exist; a failure that names it.
        Retold: this resource could not be read; it ends as that fault says.
        Broken: the census does not know the resource.
    """
    if kind and census.resources:
        told = _one(census, kind, id_).fault
        if told is not None:
            raise told.again()
    match census.status:
        case Status.ABSENT:
            raise NotDeployed(census.message, hint=census.hint)
        case Status.NO_CREDENTIALS:
            raise NoCredentials(census.message, hint=census.hint)
        case Status.UNREACHABLE:
            raise Unreachable(census.message, hint=census.hint)
        case Status.ERROR:
            raise Unasked(census.message, hint=census.hint)
        case Status.PRESENT | Status.PARTIAL:
            if kind and not _one(census, kind, id_).exists:
                others = sum(other.exists for other in census.resources)
                raise Absent(
                    f"half deployed: {_one(census, kind, id_).home} does not exist, "
                    f"while {others} other declared resources do",
                    hint="finish or repeat the deploy, or correct its name in the profile",
                )


def _one(census: Census, kind: str, id_: str) -> Found:
    for item in census.resources:
        if (item.kind, item.id) == (kind, id_):
            return item
    raise Broken(
        f"the census does not know {kind} {id_}", hint="the run's files are not of one run; start again"
    )
