"""The types of `harness.model` as JSON and back, validated; the one place that knows how they are written.

Reading is strict: an unknown enum value, a missing key or a wrong type is an error, never a default.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    """Building one costs milliseconds, so each is kept."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def dump(value: object) -> Any:  # noqa: ANN401 - JSON is what it is
    """Turn a model object into plain JSON values; empty collections stay, so that shapes do not depend on content."""
    return _adapter(type(value)).dump_python(value, mode="json")


def load(kind: type[T], data: object) -> T:
    """Build a model object from plain JSON values.

    Raises:
        pydantic.ValidationError: the data is not of that shape.
    """
    value: T = _adapter(kind).validate_json(json.dumps(data))
    return value


def canonical(data: Mapping[str, Any]) -> bytes:
    """The one byte string of a JSON object: sorted keys, no white space, UTF-8, no NaN.

    What is hashed or signed is this form, so that equal content has equal digests.
    """
    return json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()
