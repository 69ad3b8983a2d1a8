"""Reads requirement files the way pip does, and keeps apart what can be checked: exact ``==`` pins.

Format: https://pip.pypa.io/en/stable/reference/requirements-file-format/. Environment markers do not matter: a
pin counts wherever it would be installed.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import ToolError
from harness.frozen import dataclass
from harness.scanners.tree import show

_COMMENT = re.compile(r"(^|\s+)#.*$")
_INCLUDE = re.compile(r"^(?:-r|--requirement)(?:\s+|=)?(?P<path>\S.*)$")
_NOT_A_PACKAGE = re.compile(r"^-(?:e|-editable)\b")


@dataclass(frozen=True)
class Pin:
    """A package at one version. `name` is normalized (PEP 503)."""

    name: str
    version: str
    path: str
    line: int


@dataclass(frozen=True)
class Unchecked:
    """A requirement that names no one version, so that nothing can be said about it."""

    text: str
    why: str
    path: str
    line: int


@dataclass(frozen=True)
class Requirements:
    """Everything that the requirement files list."""

    pins: tuple[Pin, ...]
    unchecked: tuple[Unchecked, ...]
    files: tuple[str, ...]


def read(app: Path, names: Sequence[str]) -> Requirements:
    """Read requirement files, relative to `app`, and what they include with ``-r``. Constraints are not followed.

    Raises:
        ToolError: a file is missing or no text.
    """
    pins: list[Pin] = []
    unchecked: list[Unchecked] = []
    files: list[str] = []
    waiting = [(app / name).resolve() for name in reversed(names)]
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        name = show(path, app.resolve())
        files.append(name)
        for number, text in _lines(path, name):
            if include := _INCLUDE.match(text):
                waiting.append((path.parent / include["path"].strip()).resolve())
            elif text.startswith("-") and not _NOT_A_PACKAGE.match(text):
                continue
            else:
                entry = _entry(text, name, number)
                (pins if isinstance(entry, Pin) else unchecked).append(entry)  # type: ignore[arg-type]
    return Requirements(tuple(pins), tuple(unchecked), tuple(files))


def _lines(path: Path, name: str) -> Iterator[tuple[int, str]]:
    """Logical lines with the number they start at: continued lines joined, comments and blank lines gone."""
    try:
        raw = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ToolError(
            f"cannot read the requirement file {name} ({why})",
            hint="correct `gates.security.safety.requirements`; paths are relative to the application ([app] path)",
        ) from error
    start, joined = 0, ""
    for number, line in enumerate([*raw, ""], start=1):
        start = start or number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            joined += line[:-1]
            continue
        text = _COMMENT.sub("", joined + line).strip()
        if text:
            yield start, text
        start, joined = 0, ""


def _entry(text: str, path: str, line: int) -> Pin | Unchecked:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    bare = re.split(r"\s+--", text, maxsplit=1)[0].strip()  # --hash and other options of one requirement
    try:
        requirement = Requirement(bare)
    except InvalidRequirement:
        return Unchecked(bare, "not a requirement by name", path, line)
    specifiers = list(requirement.specifier)
    if requirement.url:
        return Unchecked(bare, "a URL names no version", path, line)
    if len(specifiers) != 1 or specifiers[0].operator != "==" or specifiers[0].version.endswith(".*"):
        return Unchecked(bare, "not pinned with ==", path, line)
    try:
        version = str(Version(specifiers[0].version))
    except InvalidVersion:  # pragma: no cover - packaging refuses it earlier
        return Unchecked(bare, "no version by PEP 440", path, line)
    return Pin(canonicalize_name(requirement.name), version, path, line)
