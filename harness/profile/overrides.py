"""Values from outside the files: ``--set gates.unit.coverage=">= 90%"`` and ``GONOGO_AWS__REGION=…``."""

from collections.abc import Iterator, Mapping, Sequence

from harness.errors import ProfileError
from harness.profile.keys import Node, children, known_keys, node_at
from harness.profile.paths import Path, dotted, parse_path
from harness.profile.problems import Problem, meaning, near
from harness.profile.schema import Section
from harness.profile.sources import Tree
from harness.profile.toml import read_toml

OPTION = "--set"
PREFIX = "GONOGO_"
NOT_SETTINGS = frozenset(
    {
        "GONOGO_CONTEXT",
        "GONOGO_KEY_PASSPHRASE",
        "GONOGO_OWNER",
        "GONOGO_PROFILE",
        "GONOGO_PROFILES",
        "GONOGO_RUN",
        "GONOGO_SIGN_WITH",
        "GONOGO_STAND_IN",
    }
)
"""Variables of the program itself, which are no keys of a profile."""


def apply_options(tree: Tree, options: Sequence[str], root: type[Section]) -> Iterator[Problem]:
    """Lay ``key=value`` options over `tree` in their order; what is wrong with them is handed back."""
    for option in options:
        key, equals, text = option.partition("=")
        try:
            path = parse_path(key.strip())
        except ProfileError as error:
            yield Problem(OPTION, option, f"{error.message}; {error.hint}")
            continue
        if not equals:
            yield Problem(OPTION, option, "has no value; write it as key=value")
            continue
        node = node_at(root, path)
        if node is None or path == ("extends",):
            yield Problem(OPTION, dotted(path), unknown(root, path))
            continue
        yield from _put(tree, path, read_value(text.strip(), node), OPTION)


def apply_environment(tree: Tree, environ: Mapping[str, str], root: type[Section]) -> Iterator[Problem]:
    """Lay the variables that name a key over `tree`; what is wrong with them is handed back.

    A double underscore is a dot, case does not count, and a hyphen is written as an underscore. A variable that
    names no key is an error where it has a double underscore, or where only that is missing.
    """
    ours = [name for name in sorted(environ) if _is_ours(name)]
    if not (names := [name for name in ours if name.upper() not in NOT_SETTINGS]):
        return
    keys = {env_name(path): path for path, _ in known_keys(root)}
    squashed = {_squash(name): name for name in keys}
    for name in names:
        path = _path_of(name, tree, root)
        node = node_at(root, path) if path else None
        if path is not None and node is not None:
            yield from _put(tree, path, read_value(environ[name], node), name)
        elif "__" in name:
            meant = meaning(name.upper(), list(keys)) or "see `gonogo profile show` for the keys"
            yield Problem(name, "", f"names no key of a profile; {meant}")
        elif (key := squashed.get(_squash(name))) is not None:
            yield Problem(name, "", f"names no key of a profile; did you mean {key!r}?")


def without_overrides(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment of which nothing overrides a profile: for who holds a run against the profile as its files say it."""
    return {name: value for name, value in environ.items() if not _is_ours(name)}


def read_value(text: str, node: Node) -> object:
    """A value as TOML; what is no TOML, or not text where the key holds text, is taken as the text it is."""
    try:
        values = read_toml(f"value = {text}")
    except ValueError:
        return text
    value = values.get("value")
    if len(values) != 1 or (node.text and node.kind == "value" and not isinstance(value, str)):
        return text
    return value


def env_name(path: Path) -> str:
    """The variable that sets a key: ``GONOGO_GATES__UNIT__COVERAGE``."""
    return PREFIX + "__".join(_fold(str(part)).upper() for part in path)


def unknown(root: type[Section], path: Path) -> str:
    """What to say of a path that leads to no known key: what may have been meant, and what may stand there."""
    if path == ("extends",):
        return "is read from files only"
    length = next(length for length in range(1, len(path) + 1) if node_at(root, path[:length]) is None)
    wrong, node = path[length - 1], node_at(root, path[: length - 1])
    if node is None or node.kind != "table" or node.section is None or not isinstance(wrong, str):
        return f"has no item named {wrong!r}"
    return f"unknown key {wrong!r}; {near(wrong, list(children(node.section)), what='valid keys')}"


def _put(tree: Tree, path: Path, value: object, source: str) -> Iterator[Problem]:
    try:
        tree.put(path, value, source)
    except ProfileError as error:
        yield Problem(source, dotted(path), f"{error.message}; {error.hint}")


def _is_ours(name: str) -> bool:
    return name.upper().startswith(PREFIX)


def _fold(text: str) -> str:
    return text.lower().replace("-", "_")


def _squash(name: str) -> str:
    return name.upper().removeprefix(PREFIX).replace("_", "")


def _path_of(name: str, tree: Tree, root: type[Section]) -> Path | None:
    """The key that a variable names, following what is known and, below free keys, what is already there."""
    path: Path = ()
    node: Node | None = Node("table", root)
    for part in name[len(PREFIX) :].split("__"):
        step: str | int | None
        match node:
            case Node("table", section) if section is not None:
                step = next((key for key in children(section) if _fold(key) == part.lower()), None)
            case Node("map"):
                step = next((key for key in _keys_at(tree, path) if _fold(key) == part.lower()), part.lower())
            case _:
                step = int(part) if part.isdecimal() else None
        if step is None or step == "":
            return None
        path = (*path, step)
        node = node_at(root, path)
    return path


def _keys_at(tree: Tree, path: Path) -> list[str]:
    here: object = tree.values
    for part in path:
        here = here.get(str(part), {}) if isinstance(here, Mapping) else {}
    return list(here) if isinstance(here, Mapping) else []
