"""Report files are whole or absent: written beside their place, flushed to disk, then moved there."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def write(path: Path, content: str | bytes) -> Path:
    """Write a file atomically; a reader sees the old one or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def write_folder(path: Path, fill: Callable[[Path], None]) -> Path:
    """Let `fill` write a folder and put it in the place of the one that is there; nothing changes if it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        fresh.chmod(0o755)
        fill(fresh)
        if path.exists():
            shutil.rmtree(path)
        fresh.replace(path)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return path


def inside(folder: Path, relative: str) -> Path | None:
    """The file `relative` names below `folder`; ``None`` when it is not there, lies outside, or is no path at all."""
    root = folder.resolve()
    try:
        path = (root / relative).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, ValueError):
        return None
