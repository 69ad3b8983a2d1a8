"""The survey: everything declared is read once, side by side and in batches, before any check judges it.

The gate's `prepare` step takes it and writes it to one file; every check of every process reads its state from there.
So the number of calls grows with what is declared, not with what is checked, and all checks judge the same moment. A
check that must wait for something looks again with `Survey.live`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from harness import codec
from harness.aws.census import Census, Found, Status, Told, judge, status_of
from harness.aws.faults import Absent, Broken, Fault
from harness.aws.resource import AwsResource, Read, demanded
from harness.aws.session import Aws
from harness.frozen import dataclass, field
from harness.masking import mask
from harness.model import Phase
from harness.profile import Profile

S = TypeVar("S")
FILE = "survey.json"
"""The survey's name in the folder of the gate's run."""


@dataclass(frozen=True)
class Survey:
    """What was found: the census, and the state of each resource by its kind's fixture and its id.

    `calls` says how often each operation was asked.
    """

    census: Census
    states: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)

    def state(self, resource: AwsResource, kind: type[S]) -> S:
        """The state of a resource, as the type that its kind reads.

        Raises:
            Absent: it does not exist.
            Fault: it could not be read.
        """
        for item in self.census.resources:
            if (item.kind, item.id) == (resource.fixture, resource.id) and item.fault is not None:
                raise item.fault.again()
        data = self.states.get(resource.fixture, {}).get(resource.id)
        if data is None:
            raise _absent(resource)
        return codec.load(kind, data)

    def live(self, aws: Aws, resource: AwsResource, kind: type[S]) -> Callable[[], S]:
        """Looks at a resource: first what the survey saw, then asked anew each time; for `Check.eventually`."""
        looked = False

        def look() -> S:
            nonlocal looked
            if not looked:
                looked = True
                return self.state(resource, kind)
            return read_one(aws, resource, kind)

        return look

    def write(self, path: Path) -> None:
        """Write it, masked, for the processes that run the checks."""
        data = {"census": self.census.as_json(), "states": self.states, "calls": dict(self.calls)}
        path.write_text(mask(json.dumps(data, indent=1, sort_keys=True)) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Survey":
        """Read `write` back.

        Raises:
            Broken: it is not there, or not whole.
        """
        try:
            data = json.loads(path.read_text())
            return cls(Census.from_json(data["census"]), data["states"], data["calls"])
        except (OSError, ValueError, KeyError, TypeError):  # a ValidationError is a ValueError
            raise Broken(
                f"the survey of this run ({path.name}) is missing or not whole", hint="start the run again"
            ) from None


def read_one(aws: Aws, resource: AwsResource, kind: type[S]) -> S:
    """A resource as it is now, asked alone.

    Raises:
        Absent: it does not exist.
        Fault: it cannot be read.
    """
    found = type(resource).read(aws.anew(), [resource]).get(resource.id)
    if found is None:
        raise _absent(resource)
    if isinstance(found, Fault):
        raise found
    if not isinstance(found, kind):
        msg = f"{type(resource).__name__} reads {type(found).__name__}, not {kind.__name__}"
        raise TypeError(msg)
    return found


def take(profile: Profile, phase: Phase) -> Survey:
    """Read all that the profile declares: one question about the identity, then every kind side by side.

    Never raises a `Fault`: what was met instead of an answer is in the census.
    """
    declared = [
        item for group in profile.resources.values() for item in group if isinstance(item, AwsResource)
    ]
    if not declared:
        return Survey(Census(Status.PRESENT, message="the profile declares no resources"))
    aws = Aws(profile)
    try:
        account = aws.identity().account
    except Fault as fault:
        told = Told.of(fault)
        return Survey(Census(status_of(told), told.message, told.hint), calls=dict(aws.calls))
    read = _read_all(aws, declared)
    found = tuple(_found(item, read[type(item)], phase) for item in declared)
    status, message, hint = judge(found)
    states = {
        kind.fixture: {id_: codec.dump(state) for id_, state in seen.items() if not isinstance(state, Fault)}
        for kind, seen in read.items()
        if not isinstance(seen, Fault)
    }
    return Survey(Census(status, message, hint, account, found), states, dict(aws.calls))


def _read_all(aws: Aws, declared: Sequence[AwsResource]) -> dict[type[AwsResource], "Read | Fault"]:
    """Every kind's reading; a kind about which nothing can be found out has the fault instead."""
    groups: dict[type[AwsResource], list[AwsResource]] = {}
    for item in declared:
        groups.setdefault(type(item), []).append(item)

    def read(kind: type[AwsResource]) -> "Read | Fault":
        try:
            return kind.read(aws, groups[kind])
        except Fault as fault:
            return fault

    with ThreadPoolExecutor(max(1, len(groups)), thread_name_prefix="survey") as pool:
        return dict(zip(groups, pool.map(read, groups), strict=True))


def _found(item: AwsResource, read: "Read | Fault", phase: Phase) -> Found:
    seen = read if isinstance(read, Fault) else read.get(item.id)
    known = not isinstance(seen, Fault)
    return Found(
        kind=item.fixture,
        id=item.id,
        home=item.home,
        exists=known and seen is not None,
        demanded=demanded(item, phase),
        shared=item.scope == "shared",
        fault=None if known else Told.of(seen),  # type: ignore[arg-type]
    )


def _absent(resource: AwsResource) -> Absent:
    return Absent(f"{resource.home} does not exist", hint="deploy it, or correct its name in the profile")
