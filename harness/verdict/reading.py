"""Reading a verdict's bytes: strict JSON in the one canonical form, then the closed shapes."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NoReturn

from harness.codec import canonical
from harness.errors import VerdictError
from harness.shapes import ValidationError
from harness.verdict.format import Statement


class Unreadable(StrEnum):
    """Why bytes are not a verdict; codes of `harness.errors.VerdictError`."""

    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    NOT_CANONICAL = "not_canonical"
    UNKNOWN_VALUE = "unknown_value"
    ALTERED = "altered"
    INCONSISTENT = "inconsistent"


def encode(statement: Mapping[str, Any]) -> bytes:
    """The one byte string of a statement: canonical JSON and a line feed."""
    return canonical(statement) + b"\n"


def read(raw: bytes, what: str = "verdict") -> dict[str, Any]:
    """Bytes to JSON values: one object, no key twice, no NaN, in canonical form. `what` it is called in messages.

    Raises:
        VerdictError: they are not.
    """
    if not raw.strip():
        refuse(Unreadable.TRUNCATED, f"the {what} is empty")
    try:
        data = json.loads(raw.decode(), parse_constant=_no_constant)
        again = encode(data) if isinstance(data, dict) else b""
        if again != raw:  # a key that stands there twice is one reason for it
            json.loads(raw.decode(), object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        if error.pos >= len(error.doc.rstrip()) or not raw.rstrip().endswith(b"}"):
            refuse(Unreadable.TRUNCATED, f"the {what} ends in the middle, after {len(raw)} bytes")
        refuse(Unreadable.MALFORMED, f"the {what} is not JSON: {error}")
    except (ValueError, RecursionError) as error:
        refuse(Unreadable.MALFORMED, f"the {what} is not JSON: {str(error)[:200]}")
    if not isinstance(data, dict):
        refuse(Unreadable.MALFORMED, f"the {what} is not a JSON object")
    if again != raw:
        refuse(Unreadable.NOT_CANONICAL, f"the {what} is not written in canonical form")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        msg = f"the key {next(name for name in names if names.count(name) > 1)!r} stands there twice"
        raise ValueError(msg)
    return found


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is not a number"
    raise ValueError(msg)


def typed(data: dict[str, Any]) -> Statement:
    """JSON values to the closed shapes; an enum value that nobody knows has a code of its own.

    Raises:
        VerdictError: they do not fit.
    """
    try:
        return Statement.model_validate(data, strict=True)
    except ValidationError as error:
        first = error.wrong[0]
        place = ".".join(map(str, first.path))
        if first.code in ("enum", "literal_error"):
            refuse(
                Unreadable.UNKNOWN_VALUE,
                f"{place}: {str(first.value)[:80]!r} is not a value this version knows",
            )
        refuse(Unreadable.MALFORMED, f"{place}: {first.text[:200]}")


def refuse(code: Unreadable, message: str) -> NoReturn:
    """Say that bytes are not a verdict, and why."""
    raise VerdictError(code.value, message, hint="run the gates again; a verdict is never repaired by hand")
