"""In what two profiles differ, the names of their environments apart: pure."""

import re
from collections.abc import Mapping
from typing import Any

from harness.frozen import dataclass
from harness.profile import Profile

DECLARED = "declared"
"""The value of an item that only one of two profiles has."""
ENVIRONMENT = "<env>"
"""Stands for the environment's own name in what is compared."""

_NO_DEVICE = r"(?!/(?:null|zero|full|u?random|shm|tty|fd|std(?:in|out|err))\b)"
"""The dev in ``/dev/null`` is nobody's environment."""


@dataclass(frozen=True)
class Difference:
    """One key with its value in either profile; ``None`` where it is not set. `place` keys say where something is."""

    key: str
    left: Any
    right: Any
    place: bool = False


def differences(left: Profile, right: Profile) -> tuple[Difference, ...]:
    """Every key whose values differ. Items of a list of tables are matched by what they are called, not by position.

    ``api-service-dev`` and ``api-service-staging`` are the same service: the name of the environment, as a word of
    its own, reads as ``<env>``. An item that only one of them has is one difference.
    """
    one, other = _values(left), _values(right)
    places = _places(left) | _places(right)
    found: dict[str, Difference] = {}
    for key in [*one, *(key for key in other if key not in one)]:
        a, b = one.get(key), other.get(key)
        if a == b or (key not in one and not b) or (key not in other and not a and "[" not in key):
            continue  # an empty list beside items of the other: those are told one by one
        item = key[: key.rindex("]") + 1] if "]" in key else key
        alone = item != key and _lacks(one, item) != _lacks(other, item)
        name = item if alone else key
        found.setdefault(
            name,
            Difference(
                name,
                None if a is None else DECLARED if alone else a,
                None if b is None else DECLARED if alone else b,
                key in places and not alone,
            ),
        )
    return tuple(found.values())


def _lacks(values: Mapping[str, Any], item: str) -> bool:
    return not any(key.startswith(item) for key in values)


def neutral(value: Any, name: str) -> Any:  # noqa: ANN401 - a value of a profile, or of a state
    """A value in which the environment's name, as a word of its own, reads as ``<env>``."""
    match value:
        case str():
            return re.sub(
                rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9]){_NO_DEVICE}", ENVIRONMENT, value
            )
        case Mapping():
            return {neutral(key, name): neutral(item, name) for key, item in value.items()}
        case list() | tuple():
            return [neutral(item, name) for item in value]
        case _:
            return value


def _values(profile: Profile) -> dict[str, Any]:
    """Every leaf by its key, neutral."""
    names = _names(profile)
    return {
        _key(profile, key, names): neutral(setting.value, profile.name)
        for key, setting in profile.settings.items()
    }


def _places(profile: Profile) -> set[str]:
    names = _names(profile)
    return {_key(profile, key, names) for key in profile.places}


def _names(profile: Profile) -> dict[str, str]:
    """What the items of lists of tables are called, by their place: ``ecs.services[0]`` -> ``api-service-<env>``."""
    found = {
        f"{path}[{index}]": item.id
        for path, items in profile.resources.items()
        for index, item in enumerate(items)
    }
    for key, setting in profile.settings.items():
        item, dot, leaf = key.rpartition(".")
        if dot and leaf == "name" and item.endswith("]"):
            found.setdefault(item, str(setting.value))
    return {item: neutral(name, profile.name) for item, name in found.items()}


def _key(profile: Profile, key: str, names: Mapping[str, str]) -> str:
    """A leaf's key with the item's name in the place of its position: ``ecs.services[api-service-<env>].min_tasks``."""
    for end in (match.end() for match in re.finditer(r"\[\d+\]", key)):
        if name := names.get(key[:end]):
            return f"{key[: key.rindex('[', 0, end)]}[{name}]{key[end:]}"
    return str(neutral(key, profile.name)) if "[" not in key else key
