"""Annotated types to functions that read values of them, built once each.

A strict reader takes what a file holds: JSON's or TOML's own types, nothing converted but a whole number where a number
is due. The other kind takes what code passes: instances as well, and sequences for lists.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from fractions import Fraction
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_type_hints

from harness.frozen import is_record, specs
from harness.shapes.errors import ValidationError, Wrong, refusal
from harness.shapes.field import Later, Mark, origin
from harness.shapes.marks import Read, marked, pattern

_EXACT = r"-?[0-9]{1,400}(/[0-9]{1,400})?"
_TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


class ReadsItself(Protocol):
    """A class that brings its own readers: `harness.shapes.shape.Shape`."""

    @classmethod
    def shape_reader(cls, *, strict: bool) -> Read:
        """Reads one of it."""
        ...


def reader(hint: Any, marks: tuple[Any, ...] = (), *, strict: bool) -> Read:  # noqa: ANN401 - an annotated type
    """The reader of a type with its marks. It raises `ValidationError`."""
    around = origin(hint)
    if around is Annotated:
        return reader(hint.__origin__, (*hint.__metadata__, *marks), strict=strict)
    if around in (Union, UnionType):
        return _one_of(hint, marks, strict=strict)
    other = next((mark for mark in marks if isinstance(mark, Mark) and not mark.plain), None)
    read = _instance(hint) if other is not None else _core(hint, strict=strict)
    return marked(read, marks, strict=strict)


def plain(hint: Any) -> tuple[Any, tuple[Any, ...]]:  # noqa: ANN401
    """A type without ``Annotated`` and ``None``, and the marks that stood around it."""
    marks: tuple[Any, ...] = ()
    while True:
        around = origin(hint)
        if around is Annotated:
            hint, marks = hint.__origin__, (*hint.__metadata__, *marks)
        elif around in (Union, UnionType) and NoneType in (parts := get_args(hint)):
            left = tuple(part for part in parts if part is not NoneType)
            hint = left[0] if len(left) == 1 else Union[left]  # noqa: UP007 - made of parts
            if len(left) > 1:
                return hint, marks
        else:
            return hint, marks


def _one_of(hint: Any, marks: tuple[Any, ...], *, strict: bool) -> Read:  # noqa: ANN401
    parts = get_args(hint)
    others = [part for part in parts if part is not NoneType]
    if len(others) == 1:
        read = reader(others[0], marks, strict=strict)
    elif any(isinstance(mark, Mark) and not mark.plain for mark in marks):
        read = marked(_instance(tuple(others)), marks, strict=strict)
    else:
        read = marked(_first_of([reader(part, strict=strict) for part in others]), marks, strict=strict)
    if len(others) == len(parts):
        return read
    return lambda value: None if value is None else read(value)


def _first_of(reads: list[Read]) -> Read:
    def read(value: Any) -> Any:  # noqa: ANN401
        errors: list[ValidationError] = []
        for each in reads:
            try:
                return each(value)
            except ValidationError as error:
                errors.append(error)
        raise max(errors, key=lambda error: max(len(each.path) for each in error.wrong))

    return read


def _instance(kinds: Any) -> Read:  # noqa: ANN401 - a class, or several
    def read(value: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, kinds):
            raise refusal("is_instance_of", "Input should be written as text", value)
        return value

    return read


# --- Types -------------------------------------------------------------------------------------------------------


def _core(hint: Any, *, strict: bool) -> Read:  # noqa: ANN401
    if found := _SCALARS.get(hint) if isinstance(hint, type) else None:
        return found
    kind, arguments = origin(hint), get_args(hint)
    if hint is Any:
        return lambda value: value
    if kind is Literal:
        return _literal(arguments)
    if isinstance(hint, Later):
        return _later(hint, strict=strict)
    if kind is list:
        return _list(reader(arguments[0], strict=strict), list if strict else (list, tuple))
    if kind is tuple:
        return _tuple(arguments, strict=strict)
    if kind is not None and isinstance(kind, type) and issubclass(kind, Mapping):
        return _mapping(*arguments, strict=strict)
    if isinstance(hint, type):
        if hasattr(hint, "shape_reader"):
            own: Read = hint.shape_reader(strict=strict)
            return own
        if issubclass(hint, Enum):
            return _enum(hint, strict=strict)
        if is_record(hint):
            return _record(hint, strict=strict)
    msg = f"no shape can hold {hint!r}"
    raise TypeError(msg)


def _later(hint: Later, *, strict: bool) -> Read:
    found: list[Read] = []

    def read(value: Any) -> Any:  # noqa: ANN401
        if not found:
            found.append(reader(hint.load(), strict=strict))
        return found[0](value)

    return read


def _text(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, str):
        return value
    raise refusal("string_type", "Input should be a valid string", value)


def _whole(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise refusal("int_type", "Input should be a valid integer", value)


def _number(value: Any) -> float:  # noqa: ANN401
    if type(value) is not float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise refusal("float_type", "Input should be a valid number", value)
        try:
            value = float(value)
        except OverflowError:
            raise refusal("float_type", "Input should be a valid number", value) from None
    if not isfinite(value):
        raise refusal("finite_number", "Input should be a finite number", value)
    return float(value)


def _truth(value: Any) -> bool:  # noqa: ANN401
    if value is True or value is False:
        return value
    raise refusal("bool_type", "Input should be a valid boolean", value)


def _exact(value: Any) -> Fraction:  # noqa: ANN401
    if isinstance(value, Fraction):
        return value
    if isinstance(value, str) and pattern(_EXACT).fullmatch(value):
        try:
            return Fraction(value)
        except ZeroDivisionError:
            pass
    raise refusal("fraction_type", "Input should be an exact number such as 19/20", value)


def _time(value: Any) -> datetime:  # noqa: ANN401
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and pattern(_TIME).fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper())
        except ValueError:
            pass
    raise refusal("datetime_type", "Input should be a valid datetime", value)


def _nothing(value: Any) -> None:  # noqa: ANN401
    if value is not None:
        raise refusal("none_required", "Input should be None", value)


_SCALARS: dict[type, Read] = {
    str: _text,
    int: _whole,
    float: _number,
    bool: _truth,
    Fraction: _exact,
    datetime: _time,
    NoneType: _nothing,
}


def _literal(options: tuple[Any, ...]) -> Read:
    known = {(type(option), option) for option in options}
    shown = [repr(option) for option in options]
    expected = " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)

    def read(value: Any) -> Any:  # noqa: ANN401
        try:
            if (type(value), value) in known:
                return value
        except TypeError:
            pass
        raise refusal("literal_error", f"Input should be {expected}", value, expected)

    return read


def _enum(kind: type[Enum], *, strict: bool) -> Read:
    members: dict[Any, Enum] = {member.value: member for member in kind}
    shown = [repr(value) for value in members]
    expected = " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)

    def read(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, str) and (found := members.get(value)) is not None:
            return found
        if not strict and isinstance(value, kind):
            return value
        raise refusal("enum", f"Input should be {expected}", value, expected)

    return read


def _list(read_item: Read, kinds: Any) -> Read:  # noqa: ANN401 - a class, or several
    def read(value: Any) -> list[Any]:  # noqa: ANN401
        if not isinstance(value, kinds):
            raise refusal("list_type", "Input should be a valid list", value)
        return _items(value, read_item)

    return read


def _items(values: Any, read_item: Read) -> list[Any]:  # noqa: ANN401
    try:
        return [read_item(item) for item in values]
    except ValidationError:
        wrong: list[Wrong] = []
        for index, item in enumerate(values):
            try:
                read_item(item)
            except ValidationError as error:
                wrong += error.below(index)
        raise ValidationError(wrong) from None


def _tuple(arguments: tuple[Any, ...], *, strict: bool) -> Read:
    kinds = list if strict else (list, tuple)
    if arguments[-1] is Ellipsis:
        read_item = reader(arguments[0], strict=strict)

        def read(value: Any) -> tuple[Any, ...]:  # noqa: ANN401
            if not isinstance(value, kinds):
                raise refusal("tuple_type", "Input should be a valid tuple", value)
            return tuple(_items(value, read_item))

        return read
    reads = [reader(argument, strict=strict) for argument in arguments]

    def read_each(value: Any) -> tuple[Any, ...]:  # noqa: ANN401
        if not isinstance(value, kinds) or len(value) != len(reads):
            raise refusal("tuple_type", f"Input should be a list of {len(reads)}", value)
        return tuple(read(item) for read, item in zip(reads, value, strict=True))

    return read_each


def _mapping(key: Any, item: Any, *, strict: bool) -> Read:  # noqa: ANN401
    read_key = _int_key if key is int else reader(key, strict=strict)
    read_item = reader(item, strict=strict)

    def read(value: Any) -> dict[Any, Any]:  # noqa: ANN401
        if not isinstance(value, Mapping):
            raise refusal("dict_type", "Input should be a valid dictionary", value)
        found, wrong = {}, []
        for name, each in value.items():
            try:
                found[read_key(name)] = read_item(each)
            except ValidationError as error:
                wrong += error.below(name)
        if wrong:
            raise ValidationError(wrong)
        return found

    return read


def _int_key(value: Any) -> int:  # noqa: ANN401
    """A whole number as JSON writes it where it is a key."""
    if isinstance(value, str) and pattern(r"-?[0-9]{1,18}").fullmatch(value):
        return int(value)
    return _whole(value)


def _record(kind: Any, *, strict: bool) -> Read:  # noqa: ANN401 - a dataclass
    reads: dict[str, Read] = {}
    required: list[str] = []

    def fill() -> None:
        hints = get_type_hints(kind, include_extras=True)
        for name, spec in specs(kind).items():
            if spec.required:
                required.append(name)
            reads[name] = reader(hints[name], strict=strict)

    def read(value: Any) -> Any:  # noqa: ANN401
        if not strict and isinstance(value, kind):
            return value
        if not isinstance(value, dict):
            raise refusal("dataclass_type", "Input should be an object", value)
        if not reads:
            fill()
        found = _known(value, reads, required)
        try:
            return kind(**found)
        except ValueError as error:
            raise refusal("value_error", str(error), value) from error

    return read


def _known(value: Mapping[str, Any], reads: Mapping[str, Read], required: list[str]) -> dict[str, Any]:
    """The values of the keys that stand there, read; an unknown key, or one that must stand there, is wrong."""
    found: dict[str, Any] = {}
    wrong: list[Wrong] = []
    for name, item in value.items():
        read = reads.get(name)
        if read is _text and type(item) is str:  # most of a record is plain text
            found[name] = item
            continue
        if read is None:
            wrong.append(Wrong((name,), "extra_forbidden", "Extra inputs are not permitted", item))
            continue
        try:
            found[name] = read(item)
        except ValidationError as error:
            wrong += error.below(name)
    wrong += [Wrong((name,), "missing", "Field required", value) for name in required if name not in value]
    if wrong:
        raise ValidationError(wrong)
    return found
