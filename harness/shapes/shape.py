"""The base class of what has keys: a table of a profile, an object of a verdict."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self, dataclass_transform, get_args, get_type_hints

from harness.shapes.errors import ValidationError, Wrong, refusal
from harness.shapes.field import MISSING, Field, Key, Limits, origin
from harness.shapes.marks import Read, judged
from harness.shapes.reading import reader
from harness.shapes.writing import Write, writer

_GIVEN = "__given__"


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class Shape:
    """A frozen object with known keys, declared as annotated attributes; two of equal content are equal.

    The keys are looked at when the first one is read, so that a class that is not needed costs nothing.
    """

    def __init__(self, **values: Any) -> None:  # noqa: ANN401
        found = _plan(type(self), strict=False).read(values)
        vars(self).update(vars(found))

    @classmethod
    def model_validate(cls, values: Any, *, strict: bool = False) -> Self:  # noqa: ANN401
        """One of it from a mapping; `strict` says that the values come from a file.

        Raises:
            ValidationError: with everything that is wrong.
        """
        found: Self = cls.shape_reader(strict=strict)(values)
        return found

    @classmethod
    def model_construct(cls, **values: Any) -> Self:  # noqa: ANN401
        """One of it from values that are known to be right, by their attributes' names; defaults are filled in."""
        found = cls.__new__(cls)
        own = vars(found)
        own.update(values)
        own[_GIVEN] = frozenset(values)
        if len(values) < len(keys_of(cls)):
            own.update({key.name: key.value() for key in keys_of(cls).values() if key.name not in values})
        return found

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        """The same with other values, which are taken as they are."""
        found = self.__new__(type(self))
        vars(found).update({**vars(self), **update})
        vars(found)[_GIVEN] = self.model_fields_set | update.keys()
        return found

    def model_dump(self, *, exclude_unset: bool = False) -> dict[str, Any]:
        """Plain JSON values by their written names; with `exclude_unset` only of keys that were given."""
        return _written(self, exclude_unset=exclude_unset)

    @property
    def model_fields_set(self) -> frozenset[str]:
        """The attributes that were given, the others being defaults."""
        given: frozenset[str] = vars(self)[_GIVEN]
        return given

    @classmethod
    def shape_reader(cls, *, strict: bool) -> Read:
        """Reads one of it; `harness.shapes.reading` asks."""

        def read(value: Any) -> Any:  # noqa: ANN401
            if not strict and isinstance(value, cls):
                return value
            return _plan(cls, strict=strict).read(value)

        return read

    @classmethod
    def shape_writer(cls) -> Write:
        """Writes one of it; `harness.shapes.writing` asks."""
        return _written

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        values = vars(self)
        return ((name, values[name]) for name in keys_of(type(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and type(other) is type(self) and [*self] == [*other]

    def __hash__(self) -> int:
        return hash((type(self), *(value for _, value in self)))

    def __setattr__(self, name: str, value: object) -> None:
        msg = f"{type(self).__name__} is frozen: {name} cannot be set"
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> None:
        msg = f"{type(self).__name__} is frozen: {name} cannot be removed"
        raise AttributeError(msg)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self)})"


def keys_of(kind: type[Shape]) -> Mapping[str, Key]:
    """The keys of a shape by their attributes' names, inherited ones first."""
    found: dict[str, Key] | None = vars(kind).get("__keys__")
    if found is None:
        found = {}
        for base in reversed(kind.__mro__):
            for name, hint in _hints(base).items():
                found[name] = _key(name, hint, vars(base).get(name, MISSING))
        type.__setattr__(kind, "__keys__", found)
    return found


def _hints(base: type) -> dict[str, Any]:
    hints = vars(base).get("__annotations__", {})
    if any(isinstance(hint, str) for hint in hints.values()):
        known = get_type_hints(base, include_extras=True)
        hints = {name: known[name] for name in hints}
    return {
        name: hint
        for name, hint in hints.items()
        if hint is not ClassVar and origin(hint) is not ClassVar and not name.startswith("_")
    }


def _key(name: str, hint: Any, default: Any) -> Key:  # noqa: ANN401
    marks: tuple[Any, ...] = ()
    while origin(hint) is Annotated:
        hint, marks = hint.__origin__, (*get_args(hint)[1:], *marks)
    if not isinstance(default, Limits):
        if type(default).__module__.startswith("pydantic"):
            msg = f"{name}: take Field from harness.shapes, not from pydantic"
            raise TypeError(msg)
        factory = default.copy if isinstance(default, list | dict | set) else None
        return Key(name, name, hint, marks, default, factory, "")
    marks = (*marks, default)
    written = default.alias or name
    return Key(name, written, hint, marks, default.default, default.factory, default.description)


class _Plan:
    """How one shape is read. Each key's reader is made when the key is first met: most keys keep their defaults."""

    def __init__(self, kind: type[Shape], *, strict: bool) -> None:
        self._kind = kind
        self._strict = strict
        self._keys = {key.written: key for key in keys_of(kind).values()}
        self._judges: dict[str, list[Any]] = {}
        whole: dict[str, Any] = {}
        for base in reversed(kind.__mro__):
            for name, member in vars(base).items():
                function = getattr(member, "__func__", member)
                for key in getattr(function, "judges", ()):
                    self._judges.setdefault(key, []).append(getattr(kind, name))
                if getattr(function, "judges_whole", False):
                    whole[name] = member
                elif name in whole:
                    del whole[name]
        self._whole = tuple(whole.values())
        self._reads: dict[str, tuple[str, Read]] = {}
        every = self._keys.values()
        self._required = tuple(key for key in every if key.required)
        self._defaults = {key.name: key.default for key in every if not key.required and not key.factory}
        self._factories = [(key.name, key.factory) for key in every if key.factory is not None]

    def read(self, values: Any) -> Shape:  # noqa: ANN401
        if not isinstance(values, Mapping):
            name = self._kind.__name__
            raise refusal("model_type", f"Input should be a valid dictionary or instance of {name}", values)
        found: dict[str, Any] = {}
        wrong: list[Wrong] = []
        for written, value in values.items():
            name, read = self._reads.get(written) or self._reader(written)
            try:
                found[name] = read(value)
            except ValidationError as error:
                wrong += error.below(written)
        wrong += [
            Wrong((key.written,), "missing", "Field required", values)
            for key in self._required
            if key.written not in values
        ]
        if wrong:
            raise ValidationError(wrong)
        return self._judged(found, values)

    def _reader(self, written: str) -> tuple[str, Read]:
        key = self._keys.get(written)
        if key is None:
            return written, _unknown
        read = reader(key.hint, key.marks, strict=self._strict)
        for judge in self._judges.get(key.name, ()):
            read = judged(read, judge)
        self._reads[written] = key.name, read
        return key.name, read

    def _judged(self, found: dict[str, Any], values: Mapping[str, Any]) -> Shape:
        made: Shape = self._kind.__new__(self._kind)
        own = vars(made)
        own.update(self._defaults)
        own.update(found)
        for name, factory in self._factories:
            if name not in found:
                own[name] = factory()
        own[_GIVEN] = frozenset(found)
        for judge in self._whole:
            try:
                made = judge(made)
            except ValidationError:
                raise
            except ValueError as error:
                raise refusal("value_error", str(error), values) from error
        return made


def _unknown(value: Any) -> Any:  # noqa: ANN401
    raise refusal("extra_forbidden", "Extra inputs are not permitted", value)


def _plan(kind: type[Shape], *, strict: bool) -> _Plan:
    attribute = "__strict_plan__" if strict else "__plan__"
    found: _Plan | None = vars(kind).get(attribute)
    if found is None:
        found = _Plan(kind, strict=strict)
        type.__setattr__(kind, attribute, found)
    return found


def _written(value: Shape, *, exclude_unset: bool = False) -> dict[str, Any]:
    kind = type(value)
    plan: list[tuple[str, str, Write | None]] | None = vars(kind).get("__writers__")
    if plan is None:
        plan = [(key.name, key.written, writer(key.hint, key.marks)) for key in keys_of(kind).values()]
        type.__setattr__(kind, "__writers__", plan)
    values, given = vars(value), value.model_fields_set
    found: dict[str, Any] = {}
    for name, written, write in plan:
        if exclude_unset and name not in given:
            continue
        item = values[name]
        if exclude_unset:
            found[written] = _without_unset(item, write)
        else:
            found[written] = item if write is None else write(item)
    return found


def _without_unset(item: Any, write: Write | None) -> Any:  # noqa: ANN401
    if isinstance(item, Shape):
        return _written(item, exclude_unset=True)
    if isinstance(item, list) and item and isinstance(item[0], Shape):
        return [_written(each, exclude_unset=True) for each in item]
    return item if write is None else write(item)
