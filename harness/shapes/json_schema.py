"""The JSON Schema (Draft 2020-12) of shapes and records; slow, for whoever asks for one.

Descriptions are docstrings, of classes and, for shapes that ask for it, of attributes, which are read from the source.
"""

import ast
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from inspect import cleandoc
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from harness.shapes.field import MISSING, Key, Later, Limits, Mark
from harness.shapes.shape import Shape, keys_of
from harness.shapes.writing import written

Schema = dict[str, Any]
_TYPES: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    Fraction: {"format": "fraction", "type": "string"},
    datetime: {"format": "date-time", "type": "string"},
    Any: {},
}
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_SIZES = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}


class Describer:
    """Makes the schema of one class and gathers those of the classes that it is made of.

    `titles` names every key; `documented` takes attributes' docstrings for descriptions; `nulls` says that there is a null, which
    TOML lacks.
    """

    def __init__(self, *, titles: bool, documented: bool, nulls: bool) -> None:
        self._titles = titles
        self._documented = documented
        self._nulls = nulls
        self._found: dict[str, Schema] = {}

    def whole(self, kind: type) -> Schema:
        """The class itself, with ``$defs`` of the others."""
        own = self._object(kind)
        return {"$defs": dict(sorted(self._found.items())), **own}

    def _object(self, kind: type) -> Schema:
        properties: Schema = {}
        required: list[str] = []
        for key, about in _keys(kind, documented=self._documented):
            properties[key.written] = self._property(key, about)
            if key.required:
                required.append(key.written)
        told = {"description": cleandoc(kind.__doc__ or "")} if _is_told(kind) else {}
        needed = {"required": required} if required else {}
        return {
            "additionalProperties": False,
            **told,
            "properties": properties,
            **needed,
            "title": kind.__name__,
            "type": "object",
        }

    def _property(self, key: Key, about: str) -> Schema:
        found = dict(self._type(key.hint, key.marks))
        default = self._default(key)
        if about:
            found["description"] = about
        if default is not MISSING:
            found["default"] = default
        if self._titles and not _is_named(key.hint):
            found["title"] = key.written.title().replace("_", " ").strip()
        return dict(sorted(found.items()))

    def _default(self, key: Key) -> Any:  # noqa: ANN401
        if key.required or key.factory is not None or (key.default is None and not self._nulls):
            return MISSING
        if isinstance(key.default, Shape):
            return MISSING
        marks = (*key.marks, *_marks(key.hint))
        if mark := next((mark for mark in marks if isinstance(mark, Mark) and mark.schema()), None):
            return mark.text(key.default)
        return written(key.default)

    def _type(self, hint: Any, marks: tuple[Any, ...] = ()) -> Schema:  # noqa: ANN401
        if get_origin(hint) is Annotated:
            return self._type(hint.__origin__, (*hint.__metadata__, *marks))
        if own := next((mark.schema() for mark in marks if isinstance(mark, Mark) and mark.schema()), None):
            return own
        if get_origin(hint) in (Union, UnionType):
            parts = [part for part in get_args(hint) if self._nulls or part is not NoneType]
            of_each = [self._type(part, () if part is NoneType else marks) for part in parts]
            return of_each[0] if len(of_each) == 1 else {"anyOf": of_each}
        return _limited(self._bare(hint), marks)

    def _bare(self, hint: Any) -> Schema:  # noqa: ANN401
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is Literal:
            kinds = {_TYPES[type(option)]["type"] for option in arguments}
            told: Schema = {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
            return {**told, **({"type": kinds.pop()} if len(kinds) == 1 else {})}
        if origin is list or (origin is tuple and arguments[-1] is Ellipsis):
            return {"items": self._type(arguments[0]), "type": "array"}
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return self._mapping(*arguments)
        if isinstance(hint, Later):
            return self._bare(hint.load())
        if hint in _TYPES:
            return dict(_TYPES[hint])
        return self._named(hint)

    def _mapping(self, key: Any, item: Any) -> Schema:  # noqa: ANN401
        names = self._type(key)
        named = (
            {}
            if names == {"type": "string"}
            else {"propertyNames": {k: names[k] for k in names if k != "type"}}
        )
        return {"additionalProperties": self._type(item) or True, **named, "type": "object"}

    def _named(self, kind: Any) -> Schema:  # noqa: ANN401
        name = kind.__name__
        if name not in self._found:
            self._found[name] = {}
            self._found[name] = _enum(kind) if issubclass(kind, Enum) else self._object(kind)
        return {"$ref": f"#/$defs/{name}"}


def _enum(kind: type[Enum]) -> Schema:
    values = [member.value for member in kind]
    return {
        "description": cleandoc(kind.__doc__ or ""),
        "enum": values,
        "title": kind.__name__,
        "type": "string",
    }


def _limited(found: Schema, marks: tuple[Any, ...]) -> Schema:
    for mark in marks:
        if isinstance(mark, Limits):
            for name, word in _BOUNDS.items():
                if (limit := getattr(mark, name)) is not None:
                    found[word] = limit
            if found.get("type") in _SIZES:
                for word, size in zip(_SIZES[found["type"]], (mark.min_length, mark.max_length), strict=True):
                    if size is not None:
                        found[word] = size
            if mark.pattern is not None:
                found["pattern"] = mark.pattern
    return dict(sorted(found.items()))


def _marks(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401
    if get_origin(hint) in (Union, UnionType):
        return tuple(mark for part in get_args(hint) for mark in _marks(part))
    return tuple(hint.__metadata__) if get_origin(hint) is Annotated else ()


def _is_named(hint: Any) -> bool:  # noqa: ANN401
    if get_origin(hint) in (Union, UnionType):
        return all(_is_named(part) for part in get_args(hint) if part is not NoneType)
    return isinstance(hint, type) and hint not in _TYPES and get_origin(hint) is None


def _is_told(kind: type) -> bool:
    """Whether a class has a docstring that somebody wrote."""
    return bool(kind.__doc__) and not str(kind.__doc__).startswith(f"{kind.__name__}(")


def _keys(kind: Any, *, documented: bool) -> list[tuple[Key, str]]:  # noqa: ANN401 - a shape or a dataclass
    if is_dataclass(kind):
        hints = get_type_hints(kind, include_extras=True)
        return [(_of_field(field, hints[field.name]), "") for field in fields(kind)]
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        own = attribute_docstrings(base) if documented else {}
        docs |= {name: own.get(name, "") for name in vars(base).get("__annotations__", {})}
    return [
        (key, key.description or docs.get(name, "") or _of_items(key)) for name, key in keys_of(kind).items()
    ]


def _of_field(field: Any, hint: Any) -> Key:  # noqa: ANN401
    default = MISSING if field.default is NO_DEFAULT else field.default
    factory: Callable[[], Any] | None = None if field.default_factory is NO_DEFAULT else field.default_factory
    return Key(field.name, field.name, hint, (), default, factory, "")


def _of_items(key: Key) -> str:
    """What a list of tables is about is what each of them is."""
    (item,) = get_args(key.hint) if get_origin(key.hint) is list else (None,)
    return str(item.load().__doc__ or "").strip().partition("\n")[0] if isinstance(item, Later) else ""


def attribute_docstrings(kind: type) -> dict[str, str]:
    """The strings below a class's annotated attributes, from its source."""
    module = sys.modules.get(kind.__module__)
    path = getattr(module, "__file__", None)
    if path is None or not issubclass(kind, Shape) or kind is Shape:
        return {}
    body: list[ast.stmt] = _parsed(path).body
    for name in kind.__qualname__.split("."):
        body = next((each.body for each in body if isinstance(each, ast.ClassDef) and each.name == name), [])
    found: dict[str, str] = {}
    for one, after in pairwise(body):
        match one, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = cleandoc(text)
    return found


@lru_cache(maxsize=64)
def _parsed(path: str) -> ast.Module:
    return ast.parse(Path(path).read_text(encoding="utf-8"))
