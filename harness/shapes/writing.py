"""Values of annotated types as plain JSON values: the inverse of `harness.shapes.reading`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from fractions import Fraction
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from harness.frozen import is_record, specs
from harness.shapes.field import Mark

Write = Callable[[Any], Any]


def writer(hint: Any, marks: tuple[Any, ...] = ()) -> Write | None:  # noqa: ANN401 - an annotated type
    """The function that writes values of a type; ``None`` where they are what JSON holds already."""
    if get_origin(hint) is Annotated:
        return writer(hint.__origin__, (*hint.__metadata__, *marks))
    other = next((mark for mark in marks if isinstance(mark, Mark) and not mark.plain), None)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if other is not None:
            return _unless_none(other.text)
        found = [write for part in arguments if (write := writer(part, marks)) is not None]
        return (
            _unless_none(found[0])
            if len(found) == 1 and NoneType in arguments
            else (written if found else None)
        )
    if other is not None:
        return other.text
    if origin is list:
        return _list(writer(arguments[0]))
    if origin is tuple:
        return _list(writer(arguments[0])) if arguments[-1] is Ellipsis else _list(written)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(*arguments)
    return _of_class(hint) if isinstance(hint, type) else None


def _of_class(kind: type) -> Write | None:
    if kind is float:
        return float
    if kind is Fraction:
        return str
    if kind is datetime:
        return written_time
    if hasattr(kind, "shape_writer"):
        own: Write = kind.shape_writer()
        return own
    if issubclass(kind, Enum):
        return lambda value: value.value
    return _record(kind) if is_record(kind) else None


def _unless_none(write: Write) -> Write:
    return lambda value: None if value is None else write(value)


def written_time(value: datetime) -> str:
    """ISO 8601; UTC is written ``Z``."""
    text = value.isoformat()
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def _list(write: Write | None) -> Write:
    return list if write is None else (lambda value: [write(item) for item in value])


def _mapping(key: Any, item: Any) -> Write:  # noqa: ANN401
    write_key, write = writer(key) or str, writer(item)
    if write is None:
        return lambda value: {write_key(name): each for name, each in value.items()}
    return lambda value: {write_key(name): write(each) for name, each in value.items()}


def _record(kind: Any) -> Write:  # noqa: ANN401 - a dataclass
    plan: list[tuple[str, Write | None]] = []

    def fill() -> None:
        hints = get_type_hints(kind, include_extras=True)
        plan.extend((name, writer(hints[name])) for name in specs(kind))

    def write(value: Any) -> dict[str, Any]:  # noqa: ANN401
        if not plan:
            fill()
        return {
            name: getattr(value, name) if each is None else each(getattr(value, name)) for name, each in plan
        }

    return write


def written(value: Any) -> Any:  # noqa: ANN401
    """By what it is, where the type does not tell."""
    if isinstance(value, list | tuple):
        return [written(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): written(item) for key, item in value.items()}
    write = _of_class(type(value))
    return value if write is None else write(value)
