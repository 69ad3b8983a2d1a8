"""What is on disk: a report is believed only when it accounts for every file below the folders it speaks of."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from harness.errors import ToolError
from harness.frozen import dataclass

NOT_SOURCE = frozenset(
    {".git", ".hg", ".svn", ".bzr", "CVS", "__pycache__", ".tox", ".nox", ".eggs", "node_modules"}
    | {".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
)
"""Folders of version control, caches and installed packages: never source."""


@dataclass(frozen=True)
class Tree:
    """Real files, sorted, and the folders that were left out because they are no source."""

    files: tuple[Path, ...]
    left_out: tuple[Path, ...] = ()


def walk(folders: Iterable[Path], *, suffix: str = "") -> Tree:
    """All files below `folders` (a file stands for itself) whose name ends in `suffix`; links are not followed.

    Raises:
        ToolError: a folder is missing or cannot be read; what cannot be read cannot be accounted for.
    """
    files: set[Path] = set()
    left_out: set[Path] = set()
    for folder in folders:
        if folder.is_file():
            files.add(folder)
            continue
        if not folder.is_dir():
            raise ToolError(
                f"{folder} does not exist",
                hint="correct the path in the profile; paths are relative to the application ([app] path)",
            )
        for parent, names, found in os.walk(folder, onerror=_unreadable):
            here = Path(parent)
            skipped = {name for name in names if not_source(here / name)}
            names[:] = [name for name in names if name not in skipped]
            left_out.update(here / name for name in skipped)
            files.update(here / name for name in found if name.endswith(suffix))
    return Tree(tuple(sorted(files)), tuple(sorted(left_out)))


def not_source(folder: Path) -> bool:
    """Whether a folder holds version control, caches or an installed environment."""
    return folder.name in NOT_SOURCE or (
        (folder / "pyvenv.cfg").is_file() and ((folder / "bin").is_dir() or (folder / "Scripts").is_dir())
    )


def show(path: Path, base: Path) -> str:
    """A path as people write it: relative to `base` where it lies below."""
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else str(path)


def _unreadable(error: OSError) -> NoReturn:
    raise ToolError(
        f"cannot read {error.filename} ({error.strerror})",
        hint="give the user that runs the gates read access",
    ) from error
