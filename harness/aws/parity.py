"""Whether two deployed environments are alike, but for what their profiles say: pure, on two surveys.

A resource is compared with the one of the same name in the other environment (``api-service-<env>``), attribute by
attribute of its kind's `parity`. Where the profiles themselves declare different values, the environments may differ:
that each matches its own profile is what its own checks prove.
"""

from collections.abc import Iterator
from typing import Any

from harness.aws.resource import AwsResource
from harness.aws.survey import Survey
from harness.frozen import dataclass
from harness.profile import Profile
from harness.profile.diff import neutral


@dataclass(frozen=True)
class Side:
    """One environment: what its profile declares, and what was found."""

    profile: Profile
    survey: Survey

    def resources(self) -> dict[tuple[str, str], AwsResource]:
        """The declared resources that are compared, by kind and name without the environment's."""
        return {
            (item.fixture, str(neutral(item.id, self.profile.name))): item
            for group in self.profile.resources.values()
            for item in group
            if isinstance(item, AwsResource) and item.parity
        }

    def state(self, item: AwsResource) -> Any | None:  # noqa: ANN401 - a kind's state, as JSON
        """What was found of a resource."""
        return self.survey.states.get(item.fixture, {}).get(item.id)

    def neutral(self, value: Any) -> Any:  # noqa: ANN401 - a value of a state
        """A value without the environment's name."""
        return neutral(value, self.profile.name)


@dataclass(frozen=True)
class Drift:
    """One attribute in which two environments differ though no profile says so."""

    home: str
    attribute: str
    here: Any
    there: Any

    def __str__(self) -> str:
        if self.attribute == "existence":
            return f"{self.home} exists {'here' if self.here else 'there'} only"
        return f"{self.home}: {self.attribute.replace('_', ' ')} is {_show(self.here)} here, {_show(self.there)} there"


@dataclass(frozen=True)
class Comparison:
    """`compared` attributes of `resources` resources; those that only one profile declares are not compared."""

    resources: int
    compared: int
    drifts: tuple[Drift, ...]


def compare(here: Side, there: Side) -> Comparison:
    """Hold what both environments have beside each other."""
    mine, theirs = here.resources(), there.resources()
    shared = [key for key in mine if key in theirs]
    compared = 0
    drifts: list[Drift] = []
    for key in shared:
        one, other = here.state(mine[key]), there.state(theirs[key])
        if one is None or other is None:
            if (one is None) != (other is None):
                drifts.append(Drift(mine[key].home, "existence", one is not None, other is not None))
            continue
        for attribute, declared in mine[key].parity.items():
            compared += 1
            if declared and _says(mine[key], declared, here) != _says(theirs[key], declared, there):
                continue
            ours, others = _at(one, attribute), _at(other, attribute)
            if here.neutral(ours) != there.neutral(others):
                drifts.append(Drift(mine[key].home, attribute.rpartition(".")[2], ours, others))
    return Comparison(len(shared), compared, tuple(drifts))


def _at(state: Any, attribute: str) -> Any:  # noqa: ANN401 - a value of a state
    for part in attribute.split("."):
        state = state[part]  # every attribute of a kind's `parity` is one of its state's
    return state


def _says(item: AwsResource, key: str, side: Side) -> Any:  # noqa: ANN401 - a value of a profile
    return neutral(getattr(item, key), side.profile.name)


def uncompared(here: Side, there: Side) -> Iterator[str]:
    """What only one of the two profiles declares."""
    mine, theirs = here.resources(), there.resources()
    yield from (f"{mine[key].home} is only declared here" for key in mine if key not in theirs)
    yield from (f"{theirs[key].home} is only declared there" for key in theirs if key not in mine)


def _show(value: object) -> str:
    match value:
        case True:
            return "on"
        case False:
            return "off"
        case None | "" | [] | {}:
            return "not set"
        case _:
            return str(value)
