"""Which keys a profile may hold: its own sections, and the tables of gates and resources that are handed in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo

from harness.model import Phase
from harness.profile import Tables
from harness.profile.paths import Path
from harness.profile.schema import (
    AppConfig,
    AwsConfig,
    GateConfig,
    LocalConfig,
    Place,
    PolicyConfig,
    Reference,
    ReportsConfig,
    Resource,
    Section,
    StoreConfig,
    SuitesConfig,
    Written,
)
from harness.threshold import AnyRule, Threshold


@dataclass(frozen=True)
class Node:
    """What may stand at one key.

    `kind` is a table with known keys (``[x]``, of class `section`), a list of such (``[[x]]``), a table with free
    keys, or a value. `text` says that the value is written as a string.
    """

    kind: Literal["table", "tables", "map", "value"]
    section: type[BaseModel] | None = None
    place: bool = False
    text: bool = False
    reference: Reference | None = None
    written: Written | None = None


def root_type(tables: Tables) -> type[Section]:
    """The class of a whole profile, every gate and resource included; a gate that is not mentioned has its defaults."""
    return _root_type(tuple(tables.gates.items()), tuple(tables.resources.items()))


@lru_cache(maxsize=8)
def _root_type(
    gates: tuple[tuple[str, type[GateConfig]], ...], resources: tuple[tuple[str, type[Resource]], ...]
) -> type[Section]:
    fields: dict[str, Any] = {
        f"gate_{index}": (kind, Field(default_factory=kind, alias=name, description=_first_line(kind)))
        for index, (name, kind) in enumerate(gates)
    }
    gate_tables = create_model("Gates", __base__=Section, __doc__="The gates.", **fields)
    layers: dict[str, Any] = {
        phase.name.lower(): (list[list[str]], Field(default_factory=list, alias=phase.value))
        for phase in Phase
    }
    about = "For each phase its layers: lists of gates that may run side by side."
    phases = create_model("Phases", __base__=Section, __doc__=about, **layers)
    return create_model(
        "Profile",
        __base__=Section,
        __doc__="One named environment: where it is, what must be there, which gates run, which rules hold.",
        description=(str, Field(default="", description="One line for people.")),
        app=(AppConfig, AppConfig()),
        aws=(AwsConfig, AwsConfig()),
        local=(LocalConfig, LocalConfig()),
        policy=(PolicyConfig, PolicyConfig()),
        reports=(ReportsConfig, ReportsConfig()),
        store=(StoreConfig, StoreConfig()),
        suites=(SuitesConfig, SuitesConfig()),
        phases=(phases, phases()),
        gates=(gate_tables, Field(default_factory=gate_tables)),
        **_resource_fields("", dict(resources)),
    )


def _resource_fields(prefix: str, resources: Mapping[str, type[Resource]]) -> dict[str, Any]:
    """``ecs.services`` becomes a table ``ecs`` with the list ``services``."""
    fields: dict[str, Any] = {}
    groups: dict[str, dict[str, type[Resource]]] = {}
    for path, kind in resources.items():
        head, _, rest = path.partition(".")
        if rest:
            groups.setdefault(head, {})[rest] = kind
        else:
            entries = list[kind]  # type: ignore[valid-type] # a class known only now
            fields[head] = (entries, Field(default_factory=list, description=_first_line(kind)))
    for head, group in groups.items():
        table = create_model(
            f"{prefix}{head.title()}", __base__=Section, **_resource_fields(head.title(), group)
        )
        fields[head] = (table, Field(default_factory=table))
    return fields


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]


@lru_cache(maxsize=256)
def children(section: type[BaseModel]) -> Mapping[str, Node]:
    """The keys of a table."""
    return {field.alias or name: _node(field) for name, field in section.model_fields.items()}


def _node(field: FieldInfo) -> Node:
    marks = list(field.metadata)
    kind = field.annotation
    if get_origin(kind) in {Union, UnionType}:
        kind = next(item for item in get_args(kind) if item is not type(None))
        marks += getattr(kind, "__metadata__", ())
        kind = getattr(kind, "__origin__", kind)
    written = next((mark for mark in marks if isinstance(mark, Written)), None)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return Node("table", kind)
    arguments = get_args(kind)
    if get_origin(kind) is list and isinstance(arguments[0], type) and issubclass(arguments[0], BaseModel):
        return Node("tables", arguments[0])
    place = any(isinstance(mark, Place) for mark in marks)
    reference = next((mark for mark in marks if isinstance(mark, Reference)), None)
    if get_origin(kind) is dict:
        return Node("map", place=place, text=arguments[1] is str)
    text = kind is str or kind is Threshold or written is not None or get_origin(kind) is Literal
    return Node("value", place=place, text=text, reference=reference, written=written)


def node_at(section: type[BaseModel], path: Path) -> Node | None:
    """What may stand at `path`; nothing where the path leads to no known key. Below a value, the value's own node."""
    node = Node("table", section)
    for part in path:
        match node.kind:
            case "table" if node.section is not None:
                found = children(node.section).get(part) if isinstance(part, str) else None
                if found is None:
                    return None
                node = found
            case "tables":
                if not isinstance(part, int):
                    return None
                node = Node("table", node.section)
            case "map":
                node = Node("value", place=node.place, text=node.text)
            case _ if isinstance(part, str):
                return None
            case _:
                pass
    return node


def known_keys(section: type[BaseModel], path: Path = ()) -> Iterator[tuple[Path, Node]]:
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


def leaves(model: BaseModel, path: Path = ()) -> Iterator[tuple[Path, Leaf]]:
    """Every value of a validated profile, defaults included, with its path.

    A list of plain values is one leaf; so is an empty table with free keys and an empty list of tables.
    """
    kinds = children(type(model))
    for name, field in type(model).model_fields.items():
        key = field.alias or name
        node, value = kinds[key], getattr(model, name)
        here = (*path, key)
        if isinstance(value, BaseModel):
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
