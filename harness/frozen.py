"""``dataclass`` as in the standard library, its methods made when a class is first used.

Making them takes the standard library a third of a millisecond a class; this program has hundreds of classes, of which a
verification uses a few, and a deploy step waits for it. To type checkers this is `dataclasses.dataclass` itself, and
`dataclasses.fields`, `replace`, `asdict` and ``match`` work as ever. What is asked for beyond ``frozen`` is left to the
standard library.
"""

import dataclasses
from operator import attrgetter
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, get_origin

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - to be taken from here
else:

    def dataclass(kind: Any = None, /, **options: Any) -> Any:  # noqa: ANN401
        """The decorator."""
        if kind is None:
            return lambda decorated: dataclass(decorated, **options)
        if options.keys() - {"frozen"} or any(name in vars(kind) for name in _METHODS):
            return dataclasses.dataclass(kind, **options)
        for name in (*_METHODS, *_FACTS):
            setattr(kind, name, _Later(kind, name, frozen=options.get("frozen", False)))
        return kind


_METHODS = ("__init__", "__eq__", "__hash__", "__repr__", "__setattr__", "__delattr__")
_FACTS = ("__match_args__", "__dataclass_params__", "__dataclass_fields__")
_lock = RLock()


class _Factory:
    """What a signature shows where a default is made anew each time."""

    def __repr__(self) -> str:
        return "<factory>"


class _Later:
    """Stands in a class for what is not made yet. Each is replaced on its own, so that no thread meets half a class."""

    def __init__(self, kind: type, name: str, *, frozen: bool) -> None:
        self._kind = kind
        self._name = name
        self._frozen = frozen

    def __get__(self, instance: object, owner: type) -> Any:  # noqa: ANN401
        with _lock:
            if vars(self._kind).get(self._name) is self:
                _make(self._kind, frozen=self._frozen)
        return getattr(owner if instance is None else instance, self._name)


@dataclasses.dataclass
class _Plain:
    field: int


@dataclasses.dataclass(frozen=True)
class _Frozen:
    field: int


_FIELD = _Plain.__dataclass_fields__["field"]._field_type  # type: ignore[attr-defined] # noqa: SLF001


def _make(kind: Any, *, frozen: bool) -> None:  # noqa: ANN401 - a class
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__[1:]):
        found |= getattr(base, "__dataclass_fields__", {})
        if (params := getattr(base, "__dataclass_params__", None)) and params.frozen is not frozen:
            msg = f"{kind.__name__}: what is frozen cannot be of what is not, nor the other way round"
            raise TypeError(msg)
    found |= {name: _field(kind, name, hint) for name, hint in _hints(kind).items()}
    for name, field in found.items():
        if isinstance(vars(kind).get(name), dataclasses.Field):
            if field.default is dataclasses.MISSING:
                delattr(kind, name)
            else:
                setattr(kind, name, field.default)
    methods: dict[str, Any] = {
        "__dataclass_fields__": found,
        "__dataclass_params__": (_Frozen if frozen else _Plain).__dataclass_params__,  # type: ignore[union-attr]
        "__match_args__": tuple(name for name, field in found.items() if field.init),
        "__repr__": _repr(found),
        **_comparing(found, frozen=frozen),
        **(_freezing(kind, found) if frozen else {"__setattr__": None, "__delattr__": None}),
        "__init__": _init(kind, found, frozen=frozen),
    }
    for name, method in methods.items():
        if method is None and name != "__hash__":
            delattr(kind, name)
        else:
            setattr(kind, name, method)


def _hints(kind: type) -> dict[str, Any]:
    return {
        name: hint
        for name, hint in vars(kind).get("__annotations__", {}).items()
        if hint is not ClassVar
        and get_origin(hint) is not ClassVar
        and not (isinstance(hint, str) and hint.startswith(("ClassVar", "typing.ClassVar")))
    }


def _field(kind: type, name: str, hint: Any) -> Any:  # noqa: ANN401
    default = getattr(kind, name, dataclasses.MISSING)
    field: Any = default if isinstance(default, dataclasses.Field) else dataclasses.field(default=default)
    if type(field.default).__hash__ is None:
        msg = f"{kind.__name__}.{name}: a default that can be changed would be shared; use default_factory"
        raise ValueError(msg)
    field.name, field.type, field._field_type, field.kw_only = name, hint, _FIELD, False  # noqa: SLF001
    return field


def _init(kind: type, found: dict[str, Any], *, frozen: bool) -> Any:  # noqa: ANN401
    """The one method that is written out: what it is called with must be told when it is wrong, and it must be fast."""
    known: dict[str, Any] = {"_set": object.__setattr__, "_given": _Factory()}
    arguments, body, defaults = ["self"], [], False
    for name, field in found.items():
        value = name
        if field.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"] = field.default_factory
            value = f"(_make_{name}() if {name} is _given else {name})" if field.init else f"_make_{name}()"
        elif not field.init:
            continue
        if field.init:
            known[f"_default_{name}"] = known["_given"] if value != name else field.default
            required = value == name and field.default is dataclasses.MISSING
            if required and defaults:
                msg = f"{kind.__name__}: {name!r} has no default and follows one that has"
                raise TypeError(msg)
            defaults = not required
            arguments.append(name if required else f"{name}=_default_{name}")
        body.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(kind, "__post_init__"):
        body.append("self.__post_init__()")
    lines = "\n ".join(body or ["pass"])
    exec(f"def __init__({', '.join(arguments)}):\n {lines}", known)  # noqa: S102 - of the class's own names
    made = known["__init__"]
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    made.__module__ = kind.__module__
    made.__annotations__ = {name: each.type for name, each in found.items() if each.init} | {"return": None}
    return made


def _comparing(found: dict[str, Any], *, frozen: bool) -> dict[str, Any]:
    content = _content([name for name, field in found.items() if field.compare])

    def __eq__(self: Any, other: object) -> Any:  # noqa: ANN401, N807
        return content(self) == content(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: ANN401, N807
        return hash(content(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}


def _content(names: list[str]) -> Any:  # noqa: ANN401 - a function of an instance
    if len(names) > 1:
        return attrgetter(*names)
    return lambda instance: tuple(getattr(instance, name) for name in names)


def _repr(found: dict[str, Any]) -> Any:  # noqa: ANN401
    shown = [name for name, field in found.items() if field.repr]

    def __repr__(self: Any) -> str:  # noqa: ANN401, N807
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    return __repr__


def _freezing(kind: Any, found: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    def __setattr__(self: Any, name: str, value: object) -> None:  # noqa: ANN401, N807
        if type(self) is kind or name in found:
            msg = f"cannot assign to field {name!r}"
            raise dataclasses.FrozenInstanceError(msg)
        super(kind, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:  # noqa: ANN401, N807
        if type(self) is kind or name in found:
            msg = f"cannot delete field {name!r}"
            raise dataclasses.FrozenInstanceError(msg)
        super(kind, self).__delattr__(name)

    return {"__setattr__": __setattr__, "__delattr__": __delattr__}
