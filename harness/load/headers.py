"""The headers of a scenario: what may be one, and those whose values are in the environment."""

import re
from collections.abc import Mapping

from harness.errors import ProfileError

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""What RFC 9110 allows in field names and values, sections 5.1 and 5.5."""


def require_sendable(headers: Mapping[str, str], variables: Mapping[str, str]) -> None:
    """Each can be a header; `variables` maps headers to environment variables, whose values are not known yet.

    Raises:
        ValueError: one cannot; the message names it.
    """
    for name in [*headers, *variables]:
        if not _NAME.fullmatch(name):
            msg = f"{name!r} is no name of a header"
            raise ValueError(msg)
    for name, value in headers.items():
        if not _VALUE.fullmatch(value):
            msg = f"the value of header {name} holds what no header may hold"
            raise ValueError(msg)


def from_variables(variables: Mapping[str, str], environment: Mapping[str, str], key: str) -> dict[str, str]:
    """The headers whose values are in `environment`; `key` is where they stand in the profile.

    Raises:
        ProfileError: a variable is not set, or holds what no header may hold.
    """
    found = {}
    for name, variable in variables.items():
        value = environment.get(variable, "")
        if not value or not _VALUE.fullmatch(value):
            raise ProfileError(
                f"{key}.{name}: {variable} "
                + ("is not set" if not value else "holds what no header may hold"),
                hint=f"set {variable} to the header's whole value where the gate runs",
            )
        found[name] = value
    return found
