"""``dataclass``, `field` and `replace` as in the standard library, the methods made when a class is first used.

Making them takes the standard library a third of a millisecond a class, and importing it takes as long as ten of those;
this program has hundreds of classes, of which a verification uses a few, and a deploy step waits for it. To type checkers
these are the standard library's own, and `dataclasses.fields`, `asdict` and ``match`` work as ever. What a class asks for
beyond ``frozen`` and ``eq`` is left to the standard library.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, get_origin

MISSING: Any = object()


class Spec:
    """One field: what `field` was given, and its name and type."""

    __slots__ = ("compare", "default", "factory", "hint", "init", "name", "repr")

    def __init__(self, default: Any, factory: Any, *, init: bool, shown: bool, compare: bool) -> None:  # noqa: ANN401
        self.default = default
        self.factory = factory
        self.init = init
        self.repr = shown
        self.compare = compare
        self.name = ""
        self.hint: Any = None

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.init and self.default is MISSING and self.factory is None


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - to be taken from here
    from dataclasses import field as field  # noqa: PLC0414
    from dataclasses import replace as replace  # noqa: PLC0414
else:

    def dataclass(kind: Any = None, /, **options: Any) -> Any:  # noqa: ANN401
        """The decorator."""
        if kind is None:
            return lambda decorated: dataclass(decorated, **options)
        own = _Own(**options) if options.keys() <= {"frozen", "eq"} else None
        if own is None or any(name in vars(kind) for name in _METHODS):
            return _standard(kind, options)
        for name in (*_METHODS, *_FACTS):
            if own.eq or name not in ("__eq__", "__hash__"):
                setattr(kind, name, _Later(kind, name))
        kind.__specs_own__ = own
        return kind

    def field(
        *,
        default: Any = MISSING,  # noqa: ANN401
        default_factory: Any = None,  # noqa: ANN401
        init: bool = True,
        repr: bool = True,  # noqa: A002 - the standard library's word
        compare: bool = True,
    ) -> Any:  # noqa: ANN401
        """What stands in place of a default."""
        return Spec(default, default_factory, init=init, shown=repr, compare=compare)

    def replace(instance: Any, /, **changes: Any) -> Any:  # noqa: ANN401
        """The same with other values."""
        for name, spec in specs(type(instance)).items():
            if spec.init and name not in changes:
                changes[name] = getattr(instance, name)
            elif not spec.init and name in changes:
                raise ValueError(f"{name} cannot be replaced: it is not given but made")
        return type(instance)(**changes)


class _Own:
    """What is known of one class; `found` is filled when somebody asks."""

    def __init__(self, *, frozen: bool = False, eq: bool = True) -> None:
        self.frozen = frozen
        self.eq = eq
        self.found: dict[str, Spec] | None = None


def is_record(kind: type) -> bool:
    """Whether it is a dataclass, ours or the standard library's; none is made for the answer."""
    return any("__specs_own__" in vars(base) or "__dataclass_fields__" in vars(base) for base in kind.__mro__)


def specs(kind: Any) -> Mapping[str, Spec]:  # noqa: ANN401 - a class
    """The fields of a dataclass by their names, those of its bases first.

    Raises:
        TypeError: it is none, or declared wrongly.
    """
    own: _Own | None = vars(kind).get("__specs_own__")
    if own is None:
        if not is_record(kind):
            raise TypeError(f"{kind!r} is no dataclass")
        base = next(
            each
            for each in kind.__mro__
            if "__specs_own__" in vars(each) or "__dataclass_fields__" in vars(each)
        )
        return _of_standard(base) if "__specs_own__" not in vars(base) else specs(base)
    if own.found is None:
        own.found = _specs(kind, frozen=own.frozen)
    return own.found


def _specs(kind: Any, *, frozen: bool) -> dict[str, Spec]:  # noqa: ANN401
    found: dict[str, Spec] = {}
    for base in reversed(kind.__mro__[1:]):
        if not ("__specs_own__" in vars(base) or "__dataclass_fields__" in vars(base)):
            continue
        if frozen is not (
            vars(base)["__specs_own__"].frozen
            if "__specs_own__" in vars(base)
            else base.__dataclass_params__.frozen
        ):
            msg = f"{kind.__name__}: what is frozen cannot be of what is not, nor the other way round"
            raise TypeError(msg)
        found |= specs(base)
    return found | {name: _spec(kind, name, hint) for name, hint in _hints(kind).items()}


def _hints(kind: type) -> dict[str, Any]:
    return {
        name: hint
        for name, hint in vars(kind).get("__annotations__", {}).items()
        if hint is not ClassVar
        and (type(hint) is type or get_origin(hint) is not ClassVar)
        and not (isinstance(hint, str) and hint.startswith(("ClassVar", "typing.ClassVar")))
    }


def _spec(kind: type, name: str, hint: Any) -> Spec:  # noqa: ANN401
    own = vars(kind)
    default = own[name] if name in own else _inherited(kind, name)
    if isinstance(default, Spec):
        spec = default
    elif hasattr(default, "_field_type"):
        spec = _converted(default)
    else:
        spec = Spec(default, None, init=True, shown=True, compare=True)
    if spec.default is not MISSING and type(spec.default).__hash__ is None:
        msg = f"{kind.__name__}.{name}: a default that can be changed would be shared; use default_factory"
        raise ValueError(msg)
    spec.name, spec.hint = name, hint
    return spec


def _inherited(kind: Any, name: str) -> Any:  # noqa: ANN401
    """A base's default holds for a field that is annotated anew."""
    default = getattr(kind, name, MISSING)
    if hasattr(default, "_field_type"):
        default = _converted(default)
    return default.default if isinstance(default, Spec) else default


def _of_standard(kind: Any) -> dict[str, Spec]:  # noqa: ANN401
    import dataclasses

    return {each.name: _converted(each) for each in dataclasses.fields(kind)}


def _converted(field: Any) -> Spec:  # noqa: ANN401 - a `dataclasses.Field`
    import dataclasses

    default = MISSING if field.default is dataclasses.MISSING else field.default
    factory = None if field.default_factory is dataclasses.MISSING else field.default_factory
    spec = Spec(default, factory, init=field.init, shown=field.repr, compare=field.compare)
    spec.name, spec.hint = field.name, field.type
    return spec


# --- Making ----------------------------------------------------------------------------------------------------

_METHODS = ("__init__", "__eq__", "__hash__", "__repr__", "__setattr__", "__delattr__")
_FACTS = ("__match_args__", "__dataclass_params__", "__dataclass_fields__")
_lock = RLock()


class _Factory:
    """What a signature shows where a default is made anew each time."""

    def __repr__(self) -> str:
        return "<factory>"


class _Later:
    """Stands in a class for what is not made yet. Each is replaced on its own, so that no thread meets half a class."""

    def __init__(self, kind: type, name: str) -> None:
        self._kind = kind
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:  # noqa: ANN401
        with _lock:
            if vars(self._kind).get(self._name) is self:
                (_make_facts if self._name in _FACTS[1:] else _make)(self._kind)
        return getattr(owner if instance is None else instance, self._name)


def _make(kind: Any) -> None:  # noqa: ANN401 - a class
    frozen, found = vars(kind)["__specs_own__"].frozen, specs(kind)
    for name, spec in found.items():
        if isinstance(vars(kind).get(name), Spec) or hasattr(vars(kind).get(name), "_field_type"):
            if spec.default is MISSING:
                delattr(kind, name)
            else:
                setattr(kind, name, spec.default)
    methods: dict[str, Any] = {
        "__match_args__": tuple(name for name, spec in found.items() if spec.init),
        "__repr__": _repr(found),
        **(_comparing(found, frozen=frozen) if vars(kind)["__specs_own__"].eq else {}),
        **(_freezing(kind, found) if frozen else {"__setattr__": None, "__delattr__": None}),
        "__init__": _init(kind, found, frozen=frozen),
    }
    for name, method in methods.items():
        if method is None and name != "__hash__":
            delattr(kind, name)
        else:
            setattr(kind, name, method)


def _init(kind: type, found: Mapping[str, Spec], *, frozen: bool) -> Any:  # noqa: ANN401
    """The one method that is written out: what it is called with must be told when it is wrong, and it must be fast."""
    known: dict[str, Any] = {"_set": object.__setattr__, "_given": _Factory()}
    arguments, body, defaults = ["self"], [], False
    for name, spec in found.items():
        value = name
        if spec.factory is not None:
            known[f"_make_{name}"] = spec.factory
            value = f"(_make_{name}() if {name} is _given else {name})" if spec.init else f"_make_{name}()"
        elif not spec.init:
            continue
        if spec.init:
            known[f"_default_{name}"] = known["_given"] if spec.factory is not None else spec.default
            if spec.required and defaults:
                msg = f"{kind.__name__}: {name!r} has no default and follows one that has"
                raise TypeError(msg)
            defaults = not spec.required
            arguments.append(name if spec.required else f"{name}=_default_{name}")
        body.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(kind, "__post_init__"):
        body.append("self.__post_init__()")
    lines = "\n ".join(body or ["pass"])
    exec(f"def __init__({', '.join(arguments)}):\n {lines}", known)  # noqa: S102 - of the class's own names
    made = known["__init__"]
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    made.__module__ = kind.__module__
    made.__annotations__ = {name: each.hint for name, each in found.items() if each.init} | {"return": None}
    return made


def _comparing(found: Mapping[str, Spec], *, frozen: bool) -> dict[str, Any]:
    content = _content([name for name, spec in found.items() if spec.compare])

    def __eq__(self: Any, other: object) -> Any:  # noqa: ANN401, N807
        return content(self) == content(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: ANN401, N807
        return hash(content(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}


def _content(names: list[str]) -> Callable[[Any], Any]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda instance: tuple(getattr(instance, name) for name in names)


def _repr(found: Mapping[str, Spec]) -> Any:  # noqa: ANN401
    shown = [name for name, spec in found.items() if spec.repr]

    def __repr__(self: Any) -> str:  # noqa: ANN401, N807
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    return __repr__


def _freezing(kind: Any, found: Mapping[str, Spec]) -> dict[str, Any]:  # noqa: ANN401
    def frozen(what: str, name: str) -> Exception:
        from dataclasses import FrozenInstanceError

        return FrozenInstanceError(f"cannot {what} field {name!r}")

    def __setattr__(self: Any, name: str, value: object) -> None:  # noqa: ANN401, N807
        if type(self) is kind or name in found:
            raise frozen("assign to", name)
        super(kind, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:  # noqa: ANN401, N807
        if type(self) is kind or name in found:
            raise frozen("delete", name)
        super(kind, self).__delattr__(name)

    return {"__setattr__": __setattr__, "__delattr__": __delattr__}


# --- The standard library's own view -------------------------------------------------------------------------------


def _make_facts(kind: Any) -> None:  # noqa: ANN401
    """What `dataclasses.fields` and its like look for."""
    import dataclasses

    own: _Own = vars(kind)["__specs_own__"]
    like: Any = dataclasses.make_dataclass("Model", ["field"], frozen=own.frozen, eq=own.eq)
    fields: dict[str, Any] = {}
    for name, spec in specs(kind).items():
        made = _field(spec)
        made.name, made.type, made.kw_only = name, spec.hint, False
        made._field_type = like.__dataclass_fields__["field"]._field_type  # noqa: SLF001
        fields[name] = made
    kind.__dataclass_params__ = like.__dataclass_params__
    kind.__dataclass_fields__ = fields


def _field(spec: Spec) -> Any:  # noqa: ANN401
    import dataclasses

    given: dict[str, Any] = {"init": spec.init, "repr": spec.repr, "compare": spec.compare}
    if spec.default is not MISSING:
        given["default"] = spec.default
    elif spec.factory is not None:
        given["default_factory"] = spec.factory
    return dataclasses.field(**given)


def _standard(kind: Any, options: dict[str, Any]) -> Any:  # noqa: ANN401
    import dataclasses

    for name, default in list(vars(kind).items()):
        if isinstance(default, Spec):
            setattr(kind, name, _field(default))
    return dataclasses.dataclass(kind, **options)
