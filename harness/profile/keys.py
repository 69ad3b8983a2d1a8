"""Which keys a profile may hold: its own sections, and the tables of gates and resources that are handed in."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import UnionType
from typing import Any, Literal, Union, get_args

from harness.frozen import dataclass
from harness.model import Phase
from harness.profile import Tables
from harness.profile.paths import Path
from harness.profile.schema import (
    AppConfig,
    ApprovalConfig,
    AwsConfig,
    LocalConfig,
    OverrideConfig,
    Place,
    PolicyConfig,
    Reference,
    ReportsConfig,
    Section,
    StoreConfig,
    SuitesConfig,
    Written,
)
from harness.shapes import Field, Key, Later, Shape, keys_of, origin, plain
from harness.threshold import AnyRule, Threshold

_SECTIONS: Mapping[str, type[Section]] = {
    "app": AppConfig,
    "aws": AwsConfig,
    "local": LocalConfig,
    "policy": PolicyConfig,
    "approval": ApprovalConfig,
    "override": OverrideConfig,
    "reports": ReportsConfig,
    "store": StoreConfig,
    "suites": SuitesConfig,
}
_children: dict[type[Shape], Mapping[str, "Node"]] = {}


class Node:
    """What may stand at one key.

    `kind` is a table with known keys (``[x]``, of class `section`), a list of such (``[[x]]``), a table with free
    keys, or a value. `text` says that the value is written as a string.
    """

    __match_args__ = ("kind", "section")

    def __init__(
        self,
        kind: Literal["table", "tables", "map", "value"],
        section: type[Shape] | Later | None = None,
        *,
        place: bool = False,
        text: bool = False,
        reference: Reference | None = None,
        written: Written | None = None,
    ) -> None:
        self.kind = kind
        self.place = place
        self.text = text
        self.reference = reference
        self.written = written
        self._section = section

    @property
    def section(self) -> type[Shape] | None:
        """The class of a table, or of each in a list of them."""
        if isinstance(self._section, Later):
            loaded: type[Shape] = self._section.load()
            self._section = loaded
            return loaded
        return self._section


@lru_cache(maxsize=8)
def root_type(tables: Tables) -> type[Section]:
    """The class of a whole profile, every gate and resource included; a gate that is not mentioned has its defaults.

    What a kind of resource is made of is looked at when a profile names one.
    """
    gates: dict[str, Any] = {
        f"gate_{index}": (kind, Field(default_factory=kind, alias=name))
        for index, (name, kind) in enumerate(tables.gates.items())
    }
    gate_tables = _made("Gates", "The gates.", gates)
    layers: dict[str, Any] = {
        phase.name.lower(): (list[list[str]], Field(default_factory=list, alias=phase.value))
        for phase in Phase
    }
    phases = _made("Phases", "For each phase its layers: lists of gates that may run side by side.", layers)
    sections = {**_SECTIONS, "phases": phases, "gates": gate_tables}
    return _made(
        "Profile",
        "One named environment: where it is, what must be there, which gates run, which rules hold.",
        {
            "description": (str, Field(default="", description="One line for people.")),
            **{name: (kind, Field(default_factory=kind)) for name, kind in sections.items()},
            **_resource_fields("", {path: (tables, path) for path in tables.resources}),
        },
    )


def _made(name: str, about: str, fields: Mapping[str, tuple[Any, Any]]) -> type[Section]:
    """A class of a profile's tables, its keys known only now."""
    hints = {key: hint for key, (hint, _) in fields.items()}
    defaults = {key: default for key, (_, default) in fields.items()}
    return type(name, (Section,), {"__doc__": about, "__annotations__": hints, **defaults})


def _resource_fields(prefix: str, resources: Mapping[str, tuple[Tables, str]]) -> dict[str, Any]:
    """``ecs.services`` becomes a table ``ecs`` with the list ``services``."""
    fields: dict[str, Any] = {}
    groups: dict[str, dict[str, tuple[Tables, str]]] = {}
    for path, (tables, whole) in resources.items():
        head, _, rest = path.partition(".")
        if rest:
            groups.setdefault(head, {})[rest] = (tables, whole)
        else:
            entries: Any = list.__class_getitem__(_later(tables, whole))
            fields[head] = (entries, Field(default_factory=list))
    for head, group in groups.items():
        table = _made(f"{prefix}{head.title()}", "", _resource_fields(head.title(), group))
        fields[head] = (table, Field(default_factory=table))
    return fields


def _later(tables: Tables, path: str) -> Later:
    return Later(lambda: tables.resources[path])


def children(section: type[Shape]) -> Mapping[str, Node]:
    """The keys of a table."""
    if section not in _children:
        _children[section] = {key.written: _node(key) for key in keys_of(section).values()}
    return _children[section]


def _node(key: Key) -> Node:
    kind, marks = plain(key.hint)
    marks = (*key.marks, *marks)
    around = origin(kind)
    if around in (Union, UnionType):
        kind, more = plain(get_args(kind)[0])
        around, marks = origin(kind), (*marks, *more)
    if _is_section(kind):
        return Node("table", kind)
    arguments = get_args(kind) if around is not None else ()
    if around is list and _is_section(arguments[0]):
        return Node("tables", arguments[0])
    written = reference = None
    place = False
    for mark in marks:
        if isinstance(mark, Written):
            written = written or mark
        elif isinstance(mark, Reference):
            reference = reference or mark
        elif isinstance(mark, Place):
            place = True
    if around is dict:
        return Node("map", place=place, text=arguments[1] is str)
    text = kind is str or kind is Threshold or written is not None or around is Literal
    return Node("value", place=place, text=text, reference=reference, written=written)


def _is_section(kind: Any) -> bool:  # noqa: ANN401
    return isinstance(kind, Later) or (isinstance(kind, type) and issubclass(kind, Shape))


def node_at(section: type[Shape], path: Path) -> Node | None:
    """What may stand at `path`; nothing where the path leads to no known key. Below a value, the value's own node."""
    node: Node | None = Node("table", section)
    for part in path:
        if node is not None:
            node = _below(node, part)
    return node


def _below(node: Node, part: str | int) -> Node | None:
    match node.kind:
        case "table" if node.section is not None:
            return children(node.section).get(part) if isinstance(part, str) else None
        case "tables":
            return Node("table", node.section) if isinstance(part, int) else None
        case "map":
            return Node("value", place=node.place, text=node.text)
        case _:
            return None if isinstance(part, str) else node


Known = tuple[Path, Any, Node]
"""A value where one may stand, and what may stand there."""


def nodes(section: type[Shape], values: Mapping[str, Any]) -> Iterator[Known]:
    """Everything below a table that stands at a known key, tables and lists before what they hold."""
    return _nodes(values, Node("table", section), ())


def _nodes(value: Any, node: Node, path: Path) -> Iterator[Known]:  # noqa: ANN401
    if path:
        yield path, value, node
    if not isinstance(value, Mapping | list):
        return
    for part, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        below = _below(node, part)
        if below is not None:
            yield from _nodes(item, below, (*path, part))


def known_keys(section: type[Shape], path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every key that may be written, with what may stand there; lists of tables are not entered."""
    for name, node in children(section).items():
        yield (*path, name), node
        if node.kind == "table" and node.section is not None:
            yield from known_keys(node.section, (*path, name))


@dataclass(frozen=True)
class Leaf:
    """One value of a validated profile, in its written form as plain JSON; `place` says that it is a place."""

    value: Any
    place: bool


def leaves(model: Shape, path: Path = ()) -> Iterator[tuple[Path, Leaf]]:
    """Every value of a validated profile, defaults included, with its path.

    A list of plain values is one leaf; so is an empty table with free keys and an empty list of tables.
    """
    kinds = children(type(model))
    for (key, node), (_, value) in zip(kinds.items(), model, strict=True):
        here = (*path, key)
        if isinstance(value, Shape):
            yield from leaves(value, here)
        elif node.kind == "tables" and value:
            for index, item in enumerate(value):
                yield from leaves(item, (*here, index))
        elif isinstance(value, Mapping) and value:
            for inner, item in value.items():
                yield (*here, inner), Leaf(_plain(item, None), node.place)
        else:
            yield here, Leaf(_plain(value, node.written), node.place)


def _plain(value: Any, written: Written | None) -> Any:  # noqa: ANN401 - any value of a profile
    if isinstance(value, AnyRule):
        return value.text
    if isinstance(value, list | tuple):
        return [_plain(item, None) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item, None) for key, item in value.items()}
    return written.write(value) if written is not None and value is not None else value
