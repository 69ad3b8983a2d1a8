"""The census: asked once, before any check judges a resource, which of the declared ones exist.

It tells "not deployed yet" (nothing of the environment is there) from "half deployed" (something is), and either
from "could not be asked". Each check then asks `require`, and so all of them read the same answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness import codec
from harness.aws.faults import Absent, Broken, Fault, NoCredentials, NotDeployed, Unreachable
from harness.aws.resource import AwsResource, demanded
from harness.aws.session import Aws
from harness.model import Outcome, Phase
from harness.profile import Profile
from harness.profile.schema import Resource

_PARALLEL = 8


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
class Found:
    """One declared resource: whether it exists, and whether it must in this phase."""

    kind: str
    id: str
    home: str
    exists: bool
    demanded: bool
    shared: bool


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
        return tuple(item for item in self.resources if item.demanded and not item.exists)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        data: dict[str, Any] = codec.dump(self)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Census":
        """Read `as_json` back.

        Raises:
            pydantic.ValidationError: it is something else.
        """
        return codec.load(cls, dict(data))


class Unasked(Fault):
    """The census could not be taken, though something is configured; its message says why."""


def take(profile: Profile, phase: Phase) -> Census:
    """Ask which of the profile's resources exist: one question about the identity, then every kind side by side.

    Never raises a `Fault`: what was met instead of an answer is the census's status.
    """
    declared = [item for group in profile.resources.values() for item in group]
    if not declared:
        return Census(Status.PRESENT, message="the profile declares no resources")
    aws = Aws(profile)
    try:
        account = aws.identity().account
        present = _look(aws, declared)
    except Fault as fault:
        return Census(_status_of(fault), fault.message, fault.hint)
    found = tuple(
        Found(
            kind=item.fixture,
            id=item.id,
            home=_home(item),
            exists=(item.fixture, item.id) in present,
            demanded=demanded(item, phase),
            shared=item.scope == "shared",
        )
        for item in declared
    )
    status, message, hint = judge(found)
    return Census(status, message, hint, account, found)


def judge(found: Iterable[Found]) -> tuple[Status, str, str]:
    """Status, message and hint for what exists. Shared resources do not tell whether an environment is deployed."""
    expected = [item for item in found if item.demanded]
    missing = [item for item in expected if not item.exists]
    own = [item for item in expected if not item.shared]
    if own and not any(item.exists for item in own):
        return (
            Status.ABSENT,
            f"not deployed yet: none of {len(own)} declared resources exists",
            "deploy the environment; until then only the gates that need nothing deployed speak",
        )
    if missing:
        return (
            Status.PARTIAL,
            f"half deployed: {len(missing)} of {len(expected)} declared resources do not exist: "
            + ", ".join(item.home for item in missing),
            "finish or repeat the deploy, or correct the names in the profile",
        )
    return Status.PRESENT, f"all {len(expected)} declared resources exist", ""


def require(census: Census, kind: str = "", id_: str = "") -> None:
    """Let a check go on only where its question can be asked; `kind` and `id_` name its resource, if it has one.

    Raises:
        NotDeployed, NoCredentials, Unreachable: nothing can be asked; the check is skipped for that cause.
        Unasked: it could not be found out; an error.
        Absent: this resource is missing where others exist; a failure that names it.
        Broken: the census does not know the resource.
    """
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
            if kind:
                _require_one(census, kind, id_)


def _require_one(census: Census, kind: str, id_: str) -> None:
    for item in census.resources:
        if (item.kind, item.id) == (kind, id_):
            if not item.exists:
                others = sum(other.exists for other in census.resources)
                raise Absent(
                    f"half deployed: {item.home} does not exist, while {others} other declared resources do",
                    hint="finish or repeat the deploy, or correct its name in the profile",
                )
            return
    raise Broken(
        f"the census does not know {kind} {id_}", hint="the run's files are not of one run; start again"
    )


def _look(aws: Aws, declared: Sequence[Resource]) -> set[tuple[str, str]]:
    """The (kind, id) pairs that exist.

    Raises:
        Fault: the gravest that was met; an error before "no answer".
    """
    groups: dict[type[AwsResource], list[AwsResource]] = {}
    for item in declared:
        if isinstance(item, AwsResource):
            groups.setdefault(type(item), []).append(item)
    present: set[tuple[str, str]] = set()
    faults: list[Fault] = []
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="census") as pool:
        asked = {kind: pool.submit(kind.existing, aws, items) for kind, items in groups.items()}
        for kind, future in asked.items():
            try:
                present |= {(kind.fixture, id_) for id_ in future.result()}
            except Fault as fault:
                faults.append(fault)
    if faults:
        raise min(faults, key=lambda fault: fault.outcome is not Outcome.ERROR)
    return present


def _status_of(fault: Fault) -> Status:
    match fault:
        case NoCredentials():
            return Status.NO_CREDENTIALS
        case Unreachable():
            return Status.UNREACHABLE
        case _:
            return Status.ERROR


def _home(item: Resource) -> str:
    return item.home if isinstance(item, AwsResource) else f"{item.fixture} {item.id}"
