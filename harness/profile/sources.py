"""The files of a profile: where they are looked for, what extends what, and how they are laid over each other."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import ProfileError
from harness.frozen import dataclass, field
from harness.plain_files import LARGEST_TEXT, is_file, is_folder, read_plain
from harness.profile import is_override, paths
from harness.profile.lines import find_lines
from harness.profile.problems import near
from harness.profile.toml import read_toml
from harness.resources import shipped

Origin = Callable[[paths.Path], str]
"""Tells where a key was written."""


@dataclass(frozen=True)
class Source:
    """One file of a profile, read. `label` is what it is called in messages and settings."""

    path: Path
    label: str
    values: Mapping[str, Any]
    text: str = field(repr=False)

    @cached_property
    def lines(self) -> Mapping[paths.Path, int]:
        """The line of each key; found when first asked for, which a profile without problems never is."""
        return find_lines(self.text.replace("\r\n", "\n"))

    def origin(self, path: paths.Path) -> str:
        """``staging.toml:12`` for a key of this file."""
        line = self.lines.get(path)
        return f"{self.label}:{line}" if line else self.label


@dataclass
class Tree:
    """The values of several sources, one over the other, each with where it came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[paths.Path, Origin] = field(default_factory=dict)
    overridden: dict[paths.Path, str] = field(default_factory=dict)
    """The keys that came from the command line or the environment, in their order, and from what."""

    def lay(self, values: Mapping[str, Any], origin: Origin) -> None:
        """Lay `values` on top: tables merge key by key; lists, arrays of tables too, are replaced whole."""
        self._merge(self.values, values, (), origin)

    def put(self, path: paths.Path, value: object, source: str) -> None:
        """Set one key, making the tables on the way; a table is merged.

        Raises:
            ProfileError: the path leads through something that is no table, or to an item that does not exist.
        """
        here: Any = self.values
        for index, part in enumerate(path):
            at = paths.dotted(path[:index])
            if isinstance(part, int):
                if not isinstance(here, list) or part >= len(here):
                    raise ProfileError(f"{at} has no item {part}", hint="write the whole list")
            elif not isinstance(here, dict):
                raise ProfileError(f"{at} is no table", hint="set the whole key")
            elif index < len(path) - 1:
                here.setdefault(part, {})
            if index < len(path) - 1:
                here = here[part]
        last = path[-1]
        current = here.get(last) if isinstance(here, dict) else here[last]
        merged = isinstance(current, dict) and isinstance(value, Mapping)
        if isinstance(current, dict) and isinstance(value, Mapping):
            self._merge(current, value, path, lambda _: source)
        else:
            here[last] = value
            self._forget(path)
            self._note(path, value, lambda _: source)
        if is_override(source):
            for key, _ in paths.walk(value, path):
                if key != path or not merged:
                    self.overridden.pop(key, None)
                    self.overridden[key] = source

    def origin(self, path: paths.Path) -> str:
        """Where a key, or the nearest table around it, was written; empty if nowhere."""
        for length in range(len(path), 0, -1):
            if found := self._told(path[:length]):
                return found
        return ""

    def leaf_origin(self, path: paths.Path) -> str:
        """Where a value was written, an override of one of its items included; empty for a default."""
        inner = [source for key, source in self.overridden.items() if key[: len(path)] == path]
        return inner[-1] if inner else self._told(path)

    def _told(self, path: paths.Path) -> str:
        origin = self.origins.get(path)
        return origin(path) if origin else ""

    def _merge(
        self,
        into: dict[str, Any],
        values: Mapping[str, Any],
        path: paths.Path,
        origin: Origin,
    ) -> None:
        for key, value in values.items():
            here = (*path, key)
            current = into.get(key)
            if isinstance(current, dict) and isinstance(value, Mapping):
                self.origins[here] = origin
                self._merge(current, value, here, origin)
            else:
                if key in into:
                    self._forget(here)
                into[key] = paths.copied(value)
                self._note(here, value, origin)

    def _forget(self, path: paths.Path) -> None:
        """Where the old value at `path`, and what is below it, came from."""
        for old in [key for key in self.origins if key[: len(path)] == path]:
            del self.origins[old]
            self.overridden.pop(old, None)

    def _note(self, path: paths.Path, value: object, origin: Origin) -> None:
        for key, _ in paths.walk(value, path):
            self.origins[key] = origin


DEFAULT_FOLDER = "profiles"
WAIVERS = "waivers.toml"
"""How the name of a file of waivers ends."""


def own_folder(text: str) -> Path:
    """The folder of a user's own profiles, as it was asked for; only the default one need not exist.

    Raises:
        ProfileError: there is no such folder, so that the shipped profiles would silently take its place.
    """
    folder = Path(text)
    if text != DEFAULT_FOLDER and not is_folder(folder):
        raise ProfileError(
            f"--profiles {text}: there is no such folder", hint="name the folder of your own profiles"
        )
    return folder


def available(folder: Path) -> dict[str, Path]:
    """Every profile by name with the file it starts from: those of `folder`, then the shipped ones."""
    found: dict[str, Path] = {}
    for place in (folder, shipped("profiles")):
        for path in _profiles(place):
            found.setdefault(path.stem, path)
    return found


def name_of(name: str) -> str:
    """The profile's name, where `name` may be the path of its file."""
    return Path(name).stem if name.endswith(".toml") else name


def chain(name: str, folder: Path) -> list[Source]:
    """The files of a profile, the farthest ancestor first.

    A name is looked for in `folder`, then among the shipped profiles; a file that extends its own name extends
    the next one found. Two files of one name are told apart in messages by ``shipped:``.

    Raises:
        ProfileError: a file is missing or unreadable, is no TOML, or extends itself in a circle.
    """
    places = (folder, shipped("profiles"))
    path = _start(name, places)
    found: list[Source] = []
    while True:
        label = path.name
        if any(label == source.path.name for source in found):
            label = f"shipped:{label}"
        source = _read(path, label)
        found.append(source)
        parent = source.values.get("extends")
        if parent is None:
            return found[::-1]
        if not isinstance(parent, str):
            raise ProfileError(
                f"{source.origin(('extends',))}: extends must be the name of a profile, not {parent!r}",
                hint='write it as extends = "base"',
            )
        path = _parent(parent, source, found, places)


def _start(name: str, places: tuple[Path, ...]) -> Path:
    if name.endswith(".toml"):
        path = Path(name)
        if not is_file(path):
            raise ProfileError(f"there is no profile file {name}", hint="give a name, or the path of a file")
        return path
    for place in places:
        if is_file(path := place / f"{name}.toml") and path.parent == place:
            return path
    raise ProfileError(f"there is no profile {name!r}", hint=near(name, _names(places), what="there are"))


def _parent(name: str, source: Source, found: list[Source], places: tuple[Path, ...]) -> Path:
    used = {item.path.resolve() for item in found}
    candidates = [
        path for place in places if is_file(path := place / f"{name}.toml") and path.parent == place
    ]
    if not candidates:
        raise ProfileError(
            f"{source.origin(('extends',))}: extends {name!r}, which does not exist",
            hint=near(name, _names(places), what="there are"),
        )
    own = name == source.path.stem
    for path in candidates:
        if path.resolve() not in used:
            return path
        if not own:
            break
    way = " → ".join([*(item.label for item in found), f"{name}.toml"])
    where = source.origin(("extends",))
    raise ProfileError(f"{where}: profiles extend each other in a circle: {way}", hint="end the circle")


def _names(places: tuple[Path, ...]) -> list[str]:
    return sorted({path.stem for place in places for path in _profiles(place)})


def _profiles(place: Path) -> list[Path]:
    """The profiles of a folder; files of waivers lie beside them."""
    return sorted(path for path in place.glob("*.toml") if not path.name.endswith(WAIVERS))


def _read(path: Path, label: str) -> Source:
    try:
        text = read_plain(path, LARGEST_TEXT).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(
            f"{path} cannot be read: {error}", hint="a profile is a UTF-8 TOML file"
        ) from error
    try:
        values = read_toml(text)
    except ValueError as error:
        raise ProfileError(f"{path} is no valid TOML: {error}", hint="correct its syntax") from error
    return Source(path, label, values, text)
