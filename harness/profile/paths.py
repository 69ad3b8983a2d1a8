"""Keys of a profile as paths: ``gates.load.scenarios[0].url`` and back."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from harness.errors import ProfileError

Path = tuple[str | int, ...]
"""The way to a value: the names of tables and keys, and positions in lists."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PART = re.compile(r"""(?P<bare>[A-Za-z0-9_-]+)|"(?P<quoted>[^"]*)"|'(?P<literal>[^']*)'""")
_INDEX = re.compile(r"\[(\d+)\]")


def dotted(path: Path) -> str:
    """As people write it; a name that is no bare TOML key is quoted."""
    return "".join(map(_part, path)).removeprefix(".")


@lru_cache(maxsize=2048)
def _part(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _BARE.fullmatch(part) else f'."{part}"'


def parse_path(text: str) -> Path:
    """Read a dotted key; the inverse of `dotted`.

    Raises:
        ProfileError: it is no key.
    """
    path: list[str | int] = []
    position = 0
    while True:
        part = _PART.match(text, position)
        if part is None:
            raise ProfileError(f"{text!r} is not a key", hint="write it as gates.unit.coverage")
        path.append(next(group for group in part.groups() if group is not None))
        position = part.end()
        while index := _INDEX.match(text, position):
            path.append(int(index[1]))
            position = index.end()
        if position == len(text):
            return tuple(path)
        if text[position] != ".":
            raise ProfileError(f"{text!r} is not a key", hint="write it as gates.unit.coverage")
        position += 1


def copied(value: Any) -> Any:  # noqa: ANN401 - what TOML or JSON holds
    """The same tables and lists once more; what is in them cannot be changed."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def walk(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Everything below `value` with its path, tables and lists before what they hold."""
    if path:
        yield path, value
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from walk(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, (*path, index))
