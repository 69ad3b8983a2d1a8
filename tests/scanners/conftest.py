"""Small real applications on disk, and git."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from scanner_parts import EndedError, Git, Notes, Project


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def ended() -> type[EndedError]:
    return EndedError


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Write files into the application's folder; call again to add to it."""
    app = tmp_path / "app"

    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = app / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        app.mkdir(exist_ok=True)
        return app

    return write


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Run git in a folder, with an identity and no configuration of this machine."""
    home = tmp_path / "home"
    home.mkdir()

    def run(folder: Path, *arguments: str) -> str:
        done = subprocess.run(
            [
                "git",
                "-c",
                "user.name=A",
                "-c",
                "user.email=a@example.com",
                "-c",
                "init.defaultBranch=main",
                *arguments,
            ],
            cwd=folder,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin:/usr/local/bin", "GIT_CONFIG_NOSYSTEM": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    return run
