"""The source as a commit or a manifest, with real git repositories."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import ToolError
from harness.scanners import source_tree
from harness.scanners.source_tree import state
from scanner_parts import Git, Project


@pytest.fixture
def repo(project: Project, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One commit in ``app``; the parent folder of the temporary files is no repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    app = project({"app.py": "x = 1\n", ".gitignore": "*.log\n", "sub/deep.py": "y = 1\n"})
    git(app, "init", "-q")
    git(app, "add", ".")
    git(app, "commit", "-qm", "first")
    return app


def test_a_clean_tree_is_its_commit(repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo / "ignored.log").write_text("x")
    git(repo, "remote", "add", "origin", "https://user:secret@example.com/team/app.git")
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as inside a git hook
    found = state(repo)
    commit = git(repo, "rev-parse", "HEAD")
    assert (found.dirty, found.commit, found.changed) == (False, commit, ())
    assert found.subject.name == "source"
    assert found.subject.digest == {"gitCommit": commit}
    assert found.subject.uri == "https://example.com/team/app.git"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda app: (app / "app.py").write_text("x = 2\n"), "app.py"),
        (lambda app: (app / "app.py").unlink(), "app.py"),
        (lambda app: (app / "app.py").chmod(0o755), "app.py"),
        (lambda app: (app / "new é.py").write_text(""), "new é.py"),
        (lambda app: (app / "link").symlink_to("nowhere"), "link"),
    ],
)
def test_any_change_makes_it_dirty_and_another_digest(
    repo: Path, git: Git, change: Callable[[Path], object], name: str
) -> None:
    before = state(repo)
    change(repo)
    found = state(repo)
    assert found.dirty
    assert found.changed == (name,)
    assert found.commit == before.commit
    assert set(found.subject.digest) == {"sha256"}
    assert found.subject.annotations["tree"] == "dirty"
    (repo / "other.py").write_text("more")
    assert state(repo).subject.digest != found.subject.digest


def test_a_staged_change_is_a_change(repo: Path, git: Git) -> None:
    (repo / "app.py").write_text("x = 3\n")
    git(repo, "add", "app.py")
    assert state(repo).changed == ("app.py",)


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_changes_that_git_was_told_to_overlook_count(repo: Path, git: Git, flag: str) -> None:
    git(repo, "update-index", flag, "sub/deep.py")
    assert not state(repo).dirty
    (repo / "sub/deep.py").write_text("y = 2\n")
    assert state(repo).changed == ("sub/deep.py",)


def test_configuration_cannot_hide_untracked_files(repo: Path, git: Git) -> None:
    git(repo, "config", "status.showUntrackedFiles", "no")
    (repo / "new.py").write_text("")
    assert state(repo).changed == ("new.py",)


def test_what_a_run_writes_is_no_change(repo: Path) -> None:
    (repo / "reports/local").mkdir(parents=True)
    (repo / "reports/local/verdict.json").write_text("{}")
    assert state(repo).dirty
    assert not state(repo, reports=repo / "reports").dirty
    assert state(repo, reports=repo).dirty  # a folder that holds the application hides nothing of it


def test_a_monorepo_is_judged_below_the_application(repo: Path, git: Git) -> None:
    (repo / "app.py").write_text("x = 2\n")
    found = state(repo / "sub")
    assert not found.dirty
    assert found.subject.annotations["path"] == "sub"
    (repo / "sub/deep.py").write_text("y = 2\n")
    assert state(repo / "sub").changed == ("deep.py",)


def test_an_ignored_folder_of_a_repository_is_not_named_by_its_commit(repo: Path) -> None:
    (repo / "build.log").mkdir()
    (repo / "build.log/unpacked.py").write_text("")
    found = state(repo / "build.log")
    assert found.dirty
    assert found.commit == ""


def test_a_repository_without_a_commit_is_dirty(project: Project, git: Git, tmp_path: Path) -> None:
    app = project({"app.py": ""})
    git(app, "init", "-q")
    git(app, "add", ".")
    found = state(app)
    assert (found.dirty, found.commit) == (True, "")
    assert "commit" not in found.subject.annotations
    assert set(found.subject.digest) == {"sha256"}


def test_without_git_the_tree_is_a_manifest(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no git here
    app = project({"app.py": "x = 1\n", "__pycache__/a.pyc": "", "reports/r.json": ""})
    found = state(app, reports=app / "reports")
    assert (found.dirty, found.commit, found.changed) == (True, "", ())
    digest = found.subject.digest["sha256"]
    (app / "__pycache__/b.pyc").write_text("")
    assert state(app, reports=app / "reports").subject.digest["sha256"] == digest
    assert state(app).subject.digest["sha256"] != digest
    (app / "app.py").chmod(0o755)
    assert state(app, reports=app / "reports").subject.digest["sha256"] != digest


def test_a_submodule_counts_by_its_commit(repo: Path, git: Git, project: Project, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "a.py").write_text("")
    git(inner, "init", "-q")
    git(inner, "add", ".")
    git(inner, "commit", "-qm", "inner")
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "inner")
    git(repo, "commit", "-qm", "with inner")
    assert not state(repo).dirty
    (repo / "inner/a.py").write_text("changed")
    found = state(repo)
    assert found.changed == ("inner",)
    (repo / "inner/a.py").write_text("changed again")
    assert state(repo).subject.digest != found.subject.digest
    (repo / "inner/.git").unlink()
    assert state(repo).changed == ("inner",)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="app does not exist"):
        state(tmp_path / "app")


def test_git_that_refuses_is_an_error_and_not_no_git(repo: Path) -> None:
    (repo / ".git/config").write_text("[core\n")
    with pytest.raises(ToolError, match=r"git rev-parse failed in .*bad config"):
        state(repo)


def test_git_that_hangs_is_an_error(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*args: object, **options: object) -> None:
        raise subprocess.TimeoutExpired("git", 60)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(ToolError, match="did not end within 60 s"):
        state(repo)


def test_a_file_that_cannot_be_read_is_an_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    app = project({"a.py": ""})

    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(type(app), "read_bytes", refuse)  # root reads everything
    with pytest.raises(ToolError, match=r"cannot read .*a.py \(Permission denied\)"):
        source_tree.manifest(app, ["a.py"])
