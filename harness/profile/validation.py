"""Judging a profile as it was written: types, names that must exist, names that must be one of a kind."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from harness.profile import Tables
from harness.profile.keys import Known, nodes, root_type
from harness.profile.overrides import unknown
from harness.profile.paths import Path, dotted, walk
from harness.profile.problems import Problem, meaning, near
from harness.profile.schema import Section
from harness.shapes import Shape, ValidationError, Wrong, keys_of

PLACEHOLDER = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}")
"""``${NAME}`` or ``${NAME:-default}``, in the text of a place."""

_MUST_BE = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
}

Found = tuple[Path, str]


def instance(values: Mapping[str, Any], tables: Tables) -> Section:
    """The validated profile.

    Raises:
        ValidationError: a key is unknown or missing, a value of the wrong type or out of bounds.
    """
    return root_type(tables).model_validate(values, strict=True)


def problems(
    values: Mapping[str, Any], tables: Tables, origin: Callable[[Path], str], *, written: bool = True
) -> list[Problem]:
    """Everything that is wrong with the merged values; `written` says that they are as people wrote them, with
    placeholders that no place has been put in for."""
    return judged(values, tables, origin, written=written)[1]


def judged(
    values: Mapping[str, Any], tables: Tables, origin: Callable[[Path], str], *, written: bool = True
) -> tuple[Section | None, list[Problem]]:
    """The validated profile, and everything that is wrong with the values: one of both is nothing. See `problems`."""
    root = root_type(tables)
    found: dict[Path, str] = {}
    whole: Section | None = None
    known = list(nodes(root, values))
    told = list(_placeholders(known)) if written else []
    try:
        whole = instance(values, tables)
    except ValidationError as error:
        told += _explain(error.wrong, values, root)
    told += _phases(values.get("phases"), tables)
    told += _references(known, values)
    told += _twins(known, whole)
    told += _approval(values)
    for path, text in told:
        found.setdefault(path, text)
    wrong = [Problem(origin(path), dotted(path), text) for path, text in found.items()]
    return None if wrong else whole, wrong


def _explain(wrong: Iterable[Wrong], values: Mapping[str, Any], root: type[Section]) -> Iterator[Found]:
    for each in wrong:
        if each.code == "extra_forbidden":
            yield each.path, unknown(root, each.path)
        elif each.code == "missing":
            yield each.path, "must be set"
        else:
            yield _existing(each.path, values), _message(each)


def _message(wrong: Wrong) -> str:
    if text := _MUST_BE.get(wrong.code):
        return f"{text}, not {wrong.value!r}"
    if wrong.code == "literal_error":
        options = [option.strip("'") for option in re.split(r", | or ", wrong.expected)]
        told = f"must be {wrong.expected}, not {wrong.value!r}; {meaning(str(wrong.value), options)}"
        return told.rstrip("; ")
    if wrong.code == "value_error":
        return wrong.text
    if wrong.code == "string_pattern_mismatch" and wrong.expected:
        return f"must be {wrong.expected}, not {wrong.value!r}"
    return f"{wrong.text[0].lower()}{wrong.text[1:]}, not {wrong.value!r}"


def _existing(path: Path, values: Mapping[str, Any]) -> Path:
    """The part of an error's path that leads through the values; what follows names alternatives of a type."""
    here: Any = values
    for length, part in enumerate(path):
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            return path[:length]
    return path


def _placeholders(known: Iterable[Known]) -> Iterator[Found]:
    """A ``${`` may stand in a place only, and must be well formed."""
    for path, value, node in known:
        if not isinstance(value, str) or "${" not in value:
            continue
        if not node.place:
            yield path, f"{value!r}: ${{…}} may stand in endpoints and paths only; use --set or GONOGO_… here"
        elif "${" in PLACEHOLDER.sub("", value):
            yield path, f"{value!r}: write a variable as ${{NAME}} or ${{NAME:-default}}"


def _phases(phases: object, tables: Tables) -> Iterator[Found]:
    """Phases name known gates, each once, in layers that hold some; a gate of every run is not listed."""
    if not isinstance(phases, Mapping):
        return
    for phase, layers in phases.items():
        seen: set[str] = set()
        for path, name in walk(layers, ("phases", phase)):
            if name == [] and len(path) == 3:
                yield path, "an empty layer proves nothing; leave it out"
            if not isinstance(name, str) or len(path) != 4:
                continue
            if name not in tables.gates:
                yield path, f"there is no gate {name!r}; {near(name, _listable(tables), what='gates')}"
            elif tables.gates[name].always:
                yield path, f"gate {name!r} is part of every run; do not list it"
            elif name in seen:
                yield path, f"gate {name!r} stands twice in {phase}"
            seen.add(name)


def _approval(values: Mapping[str, Any]) -> Iterator[Found]:
    """Nobody approves a run of their own: where approvals are required, a signature must say who started it."""
    approval, policy = values.get("approval"), values.get("policy")
    signing = policy.get("signing") if isinstance(policy, Mapping) else None
    signers = signing.get("signers") if isinstance(signing, Mapping) else None
    if isinstance(approval, Mapping) and approval.get("required") and not signers:
        text = "needs [policy.signing] signers: without a signature nobody knows who started a run, and so who may not approve it"
        yield ("approval", "required"), text


def _listable(tables: Tables) -> list[str]:
    return [name for name, kind in tables.gates.items() if not kind.always]


def _references(known: Iterable[Known], values: Mapping[str, Any]) -> Iterator[Found]:
    """A key that names an entry of another table names one that is there."""
    for path, value, node in known:
        if node.reference is None or not isinstance(value, str) or not value:
            continue
        table: Any = values
        for part in node.reference.table:
            table = table.get(part, {}) if isinstance(table, Mapping) else {}
        names = list(table) if isinstance(table, Mapping) else []
        if value not in names:
            where = dotted(node.reference.table)
            yield path, f"{value!r} is no key of {where}; {near(value, names, what=where)}"


def _twins(known: Iterable[Known], whole: Section | None) -> Iterator[Found]:
    """In a list of tables each entry, and each resource's id, is there once: check ids are made of them."""
    for path, items, node in known:
        if node.kind != "tables" or node.section is None or not isinstance(items, list) or len(items) < 2:
            continue
        first: dict[str, tuple[Path, str]] = {}
        for index, item in enumerate(items):
            name, home = _name(item if whole is None else _at(whole, (*path, index)), node.section)
            here = (*path, index)
            if name and name in first:
                there, other = first[name]
                differ = f": {home} and {other} would have the same check ids" if home != other else ""
                yield here, f"{name!r} is declared already, as {dotted(there)}{differ}"
            first.setdefault(name, (here, home))


def _at(section: Any, path: Path) -> Any:  # noqa: ANN401 - what stands there in a validated profile
    for part in path:
        if isinstance(part, int):
            section = section[part]
        else:
            keys = keys_of(type(section)).values()
            section = getattr(section, next(key.name for key in keys if key.written == part))
    return section


def _name(item: object, kind: type[Shape]) -> tuple[str, str]:
    """What tells an entry from the others, its id or else its name, and what messages call it; empty where it is not
    valid, which is told elsewhere, or has none."""
    try:
        entry = item if isinstance(item, kind) else kind.model_validate(item, strict=True)
    except ValidationError:
        return "", ""
    return str(getattr(entry, "id", getattr(entry, "name", ""))), str(getattr(entry, "home", ""))
