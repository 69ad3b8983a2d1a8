"""What answers of AWS hold that must not be said: masked as soon as it is read, whoever asked for it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness import masking
from harness.profile import Profile

_HARMLESS = frozenset(
    {
        "database",
        "dbclusteridentifier",
        "dbinstanceidentifier",
        "dbname",
        "engine",
        "host",
        "masterarn",
        "port",
        "user",
        "username",
    }
)
"""What the JSON of a database secret says beside its secret (as the rotation functions of Secrets Manager write it):
masking that would hide where a database is."""


def keep_secret(profile: Profile, text: str) -> None:
    """Have a value masked from now on; not one that the profile's own names tell, or masking would hide those."""
    names = (
        f"{item.id}\n{getattr(item, 'home', '')}" for group in profile.resources.values() for item in group
    )
    if text and not any(text in name for name in names):
        masking.register(text)


def keep_secrets(profile: Profile, answer: Mapping[str, Any]) -> None:
    """Have masked what an answer of Secrets Manager or SSM holds that must not be said, whoever asked for it."""
    for secret in _secrets(answer):
        keep_secret(profile, secret)


def _secrets(answer: Mapping[str, Any]) -> Iterator[str]:
    for holder in (answer, *answer.get("SecretValues", ())):
        if isinstance(text := holder.get("SecretString"), str):
            yield text
            yield from _values(text)
    for parameter in (answer.get("Parameter", {}), *answer.get("Parameters", ())):
        if parameter.get("Type") == "SecureString" and isinstance(parameter.get("Value"), str):
            yield parameter["Value"]


def _values(text: str) -> Iterator[str]:
    try:
        data = json.loads(text)
    except ValueError:
        return
    if isinstance(data, dict):
        for key, value in data.items():
            if isinstance(value, str) and str(key).lower() not in _HARMLESS:
                yield value
