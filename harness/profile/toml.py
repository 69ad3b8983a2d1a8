"""TOML as people write it, held to what it can mean before anything is looked for in it."""

import tomllib
from typing import Any

DEEPEST = 32
"""Tables and lists in each other; a profile has five."""
LARGEST = 2**63 - 1
"""TOML's own bound of whole numbers."""


def read_toml(text: str) -> dict[str, Any]:
    """The values of a document.

    Raises:
        ValueError: it is no TOML, is nested for ever, or holds a number beyond 64 bits, or text with a NUL, which neither
            a path nor a program can be given.
    """
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    waiting: list[tuple[object, int]] = [(values, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            raise ValueError(_TOO_DEEP)
        match value:
            case dict():
                waiting.extend((each, depth + 1) for each in value.values())
            case list():
                waiting.extend((each, depth + 1) for each in value)
            case int() if abs(value) > LARGEST:
                msg = "a number in it has more than 64 bits"
                raise ValueError(msg)
            case str() if "\0" in value:
                msg = f"a text in it holds a NUL: {value[:40]!r}"
                raise ValueError(msg)
    return values


_TOO_DEEP = f"it is nested more than {DEEPEST} deep"
