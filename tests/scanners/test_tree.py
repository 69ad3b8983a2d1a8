import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ToolError
from harness.scanners.tree import show, walk
from scanner_parts import Project


def test_every_file_counts_but_caches_and_installed_environments(project: Project) -> None:
    app = project(
        {
            "src/a.py": "",
            "src/.hidden/b.py": "",
            "src/data.txt": "",
            "src/__pycache__/c.py": "",
            "src/venv/pyvenv.cfg": "",
            "src/venv/bin/python": "",
            "src/venv/lib/d.py": "",
            "src/fake/pyvenv.cfg": "",
            "src/fake/e.py": "",
        }
    )
    tree = walk([app / "src", app / "src/.hidden"], suffix=".py")
    assert [show(path, app) for path in tree.files] == ["src/.hidden/b.py", "src/a.py", "src/fake/e.py"]
    assert [show(path, app) for path in tree.left_out] == ["src/__pycache__", "src/venv"]


def test_a_file_stands_for_itself(project: Project) -> None:
    app = project({"a.py": ""})
    assert walk([app / "a.py"]).files == (app / "a.py",)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="nowhere does not exist"):
        walk([tmp_path / "nowhere"])


def test_a_folder_that_cannot_be_read_is_an_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    app = project({"src/a.py": ""})

    def refuse(top: object, onerror: Callable[[OSError], object]) -> Iterator[Any]:
        onerror(PermissionError(13, "Permission denied", str(top)))
        return iter(())

    monkeypatch.setattr(os, "walk", refuse)  # root reads everything, so it is not provoked for real
    with pytest.raises(ToolError, match=r"cannot read .*src \(Permission denied\)"):
        walk([app / "src"])


def test_paths_elsewhere_are_shown_whole() -> None:
    assert show(Path("/x/y"), Path("/z")) == "/x/y"
