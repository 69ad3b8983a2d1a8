"""The decorator against the standard library's: the same declarations must behave the same, made late or not."""

import copy
import dataclasses
import inspect
import pickle
import threading
import typing
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any, ClassVar

import pytest

from harness import frozen
from harness.frozen import _Later, dataclass


def declare(lib: Any, field: Any = None) -> dict[str, Any]:
    """The same classes by either library; `field` of the other one may be mixed in."""
    decorator, field = lib.dataclass, field or lib.field

    @decorator(frozen=True)
    class Base:
        name: str
        size: int = 3
        kind: ClassVar[str] = "x"

    @decorator(frozen=True)
    class Derived(Base):
        parts: tuple[str, ...] = ()
        notes: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
        made: str = field(init=False, default="here")
        size: int = field(default=5, repr=False)

        def __post_init__(self) -> None:
            if self.size < 0:
                msg = "negative"
                raise ValueError(msg)

    @decorator
    class Open:
        value: list[int] = field(default_factory=list)
        other: "str" = "o"

    @decorator(frozen=True)
    class Empty:
        pass

    @decorator(frozen=True)
    class Told(Exception):  # noqa: N818
        why: str

    @decorator(frozen=True)
    class Own:
        text: str

        def __repr__(self) -> str:
            return "own"

    @decorator(frozen=True, eq=False)
    class Itself:
        text: str = "t"

    @decorator(frozen=True, order=True)
    class Ordered:
        number: int

    @decorator(frozen=True, slots=True)
    class Slotted:
        number: int

    found = dict(locals())
    for name in ("decorator", "field", "lib"):
        del found[name]
    for kind in found.values():
        kind.__qualname__ = kind.__name__
    return found


OURS, THEIRS = declare(frozen), declare(dataclasses)
MIXED = declare(frozen, dataclasses.field)
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Base", ("a",), {}),
    ("Base", (), {"name": "a", "size": 4}),
    ("Base", (), {}),
    ("Base", ("a", 1, 2), {}),
    ("Base", ("a",), {"colour": 1}),
    ("Derived", ("a", 1, ("x",)), {"notes": {"k": "v"}}),
    ("Derived", ("a",), {}),
    ("Derived", ("a", -1), {}),
    ("Derived", ("a",), {"made": "there"}),
    ("Open", (), {}),
    ("Open", ([1],), {"other": "p"}),
    ("Empty", (), {}),
    ("Told", ("because",), {}),
    ("Own", ("t",), {}),
    ("Itself", (), {}),
    ("Ordered", (1,), {}),
    ("Slotted", (1,), {}),
]


def outcome(action: Callable[[], Any]) -> Any:
    """What it gives, or the kind of its error."""
    try:
        return action()
    except (TypeError, ValueError, AttributeError, FrozenInstanceError) as error:
        return type(error)


@pytest.mark.parametrize(("name", "arguments", "named"), CALLS)
def test_an_instance_is_as_the_standard_library_s(
    name: str, arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    def seen(kinds: dict[str, Any]) -> Any:
        replace = dataclasses.replace if kinds is THEIRS else frozen.replace

        def replaced(instance: Any, **changes: Any) -> str:
            return repr(replace(instance, **changes))

        one, other = kinds[name](*arguments, **named), kinds[name](*arguments, **named)
        return {
            "repr": repr(one),
            "equal": one == other,
            "to another class": one == 1,
            "hash": outcome(lambda: hash(one) == hash(other)),
            "set": outcome(lambda: setattr(one, "name", 1)),
            "set an unknown one": outcome(lambda: setattr(one, "unknown", 1)),
            "delete": outcome(lambda: delattr(one, "name")),
            "values": outcome(lambda: dataclasses.asdict(one)),
            "replaced": outcome(lambda: replaced(one, name="z")),
            "an unknown one replaced": outcome(lambda: replaced(one, unknown=1)),
            "one that is made replaced": outcome(lambda: replaced(one, made="there")),
            "copied": copy.deepcopy(one) == one or isinstance(one, Exception) or name == "Itself",
        }

    assert outcome(lambda: seen(OURS)) == outcome(lambda: seen(MIXED)) == outcome(lambda: seen(THEIRS))


@pytest.mark.parametrize("name", OURS)
def test_a_class_tells_the_same_of_itself(name: str) -> None:
    def seen(kind: Any) -> Any:
        return (
            [(each.name, each.type, each.init, each.repr, each.compare) for each in dataclasses.fields(kind)],
            kind.__match_args__,
            dataclasses.is_dataclass(kind),
            str(inspect.signature(kind)).replace(" -> None", ""),
            typing.get_type_hints(kind),
            getattr(kind, "size", None),
            hasattr(kind, "notes"),
            kind.__dataclass_params__.frozen,
        )

    assert str(seen(OURS[name])) == str(seen(THEIRS[name]))


@dataclass(frozen=True)
class Travels:
    """At the top of a module, as pickling needs it."""

    name: str
    more: tuple[int, ...] = ()


def test_what_is_equal_first_and_made_first_does_not_matter() -> None:
    sent = pickle.dumps(Travels("a", (1,)))
    fresh = declare(frozen)
    assert pickle.loads(sent) == Travels("a", (1,))
    made = object.__new__(fresh["Base"])
    assert isinstance(vars(fresh["Base"])["__eq__"], _Later)
    made.__dict__.update(name="a", size=3)
    assert made == fresh["Base"]("a")
    assert dataclasses.replace(made, size=9).size == 9


def test_a_pattern_matches_and_a_subclass_is_made_before_its_base() -> None:
    fresh = declare(frozen)
    derived = fresh["Derived"]("a", 4)
    assert (derived.name, derived.size, derived.made) == ("a", 4, "here")
    match Travels("b"):
        case Travels(name, more):
            assert (name, more) == ("b", ())


@pytest.mark.parametrize("name", ["Base", "Derived"])
def test_threads_that_make_a_class_at_once_all_get_it_whole(name: str) -> None:
    for _ in range(50):
        kind = declare(frozen)[name]
        start = threading.Barrier(4)
        found: list[Any] = []

        def make(kind: Any = kind, start: threading.Barrier = start, found: list[Any] = found) -> None:
            start.wait()
            found.append(kind("a", 7))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [kind("a", 7)] * 4


def test_what_the_standard_library_refuses_is_refused_at_first_use() -> None:
    @dataclass
    class Shared:
        items: list[int] = []  # noqa: RUF012 - that is the mistake

    with pytest.raises(ValueError, match="default_factory"):
        Shared()

    @dataclass(frozen=True)
    class Frozen:
        name: str

    @dataclass
    class Thawed(Frozen):  # type: ignore[misc]
        size: int = 0

    with pytest.raises(TypeError, match="frozen"):
        Thawed("a")

    @dataclass
    class Order:
        first: int = 0
        second: str  # type: ignore[misc]

    with pytest.raises(TypeError):
        Order(1, "b")
