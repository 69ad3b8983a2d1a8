"""The types of `harness.model` as JSON and back, validated; the one place that knows how they are written.

Reading is strict: an unknown key or enum value, a missing key, a wrong type (``"1"`` for a number, ``1`` for a
truth), NaN or an infinity is an error, never a default and never converted.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from harness.shapes.marks import Read
from harness.shapes.reading import reader
from harness.shapes.writing import Write, writer, written

T = TypeVar("T")

_readers: dict[type, Read] = {}
_writers: dict[type, Write] = {}


def dump(value: object) -> Any:  # noqa: ANN401 - JSON is what it is
    """Turn a model object into plain JSON values; empty collections stay, so that shapes do not depend on content."""
    kind = type(value)
    if kind not in _writers:
        _writers[kind] = writer(kind) or written
    return _writers[kind](value)


def load(kind: type[T], data: object) -> T:
    """Build a model object from plain JSON values.

    Raises:
        ValidationError: the data is not of that shape.
    """
    if kind not in _readers:
        _readers[kind] = reader(kind, strict=True)
    found: T = _readers[kind](data)
    return found


def canonical(data: Mapping[str, Any]) -> bytes:
    """The one byte string of a JSON object: sorted keys, no white space, UTF-8, no NaN.

    What is hashed or signed is this form, so that equal content has equal digests.

    Raises:
        ValueError: it holds a NaN, an infinity or text that UTF-8 cannot carry.
    """
    return json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()
