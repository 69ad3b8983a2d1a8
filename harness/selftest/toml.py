"""Plain values written as TOML, each table in one line: enough for a profile that nobody edits."""

import json
from collections.abc import Mapping
from typing import Any


def dump(values: Mapping[str, Any]) -> str:
    """A TOML document.

    Raises:
        TypeError: a value that TOML does not have.
    """
    return "".join(f"{json.dumps(key)} = {_value(value)}\n" for key, value in values.items())


def _value(value: object) -> str:
    match value:
        case str() | bool() | int() | float():
            return json.dumps(value)
        case Mapping():
            return "{" + ", ".join(f"{json.dumps(key)} = {_value(each)}" for key, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_value, value)) + "]"
        case _:
            msg = f"{value!r} is nothing that TOML has"
            raise TypeError(msg)
