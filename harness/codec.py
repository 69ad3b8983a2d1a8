"""The types of `harness.model` as JSON and back, validated; the one place that knows how they are written.

Reading is strict: an unknown key or enum value, a missing key, a wrong type (``"1"`` for a number, ``1`` for a
truth), NaN or an infinity is an error, never a default and never converted.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter

T = TypeVar("T")

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    """Reads and writes lists of `kind`: dataclasses inherit the rules of what holds them, but take none themselves.

    Building one costs milliseconds, so each is kept.
    """
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(list[kind], config=_STRICT)  # type: ignore[valid-type]
    return _adapters[kind]


def dump(value: object) -> Any:  # noqa: ANN401 - JSON is what it is
    """Turn a model object into plain JSON values; empty collections stay, so that shapes do not depend on content."""
    return _adapter(type(value)).dump_python([value], mode="json")[0]


def load(kind: type[T], data: object) -> T:
    """Build a model object from plain JSON values.

    Raises:
        pydantic.ValidationError: the data is not of that shape.
    """
    values: list[T] = _adapter(kind).validate_json(json.dumps([data]))
    return values[0]


def canonical(data: Mapping[str, Any]) -> bytes:
    """The one byte string of a JSON object: sorted keys, no white space, UTF-8, no NaN.

    What is hashed or signed is this form, so that equal content has equal digests.

    Raises:
        ValueError: it holds a NaN, an infinity or text that UTF-8 cannot carry.
    """
    return json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()
