"""The subject ``source``: which bytes are released. A commit where the tree is clean, a manifest digest otherwise.

A commit names a whole repository; whether the tree is clean is judged below the application's folder alone, because
only that is what is tested and released (the rest of a monorepo may be in the works). Untracked files count as
changes, and so do files that git was told to overlook (``assume-unchanged``, ``skip-worktree``).
"""

import hashlib
import os
import re
import stat
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.errors import ToolError
from harness.frozen import dataclass
from harness.model import Subject
from harness.scanners.environment import scrubbed
from harness.scanners.tree import show, walk

SOURCE = "source"
_TIMEOUT = 60.0
_SUBMODULE = "160000"
_NO_REPOSITORY = "not a git repository"
_USERINFO = re.compile(r"^(\w[\w+.-]*://)[^/@]*@")


@dataclass(frozen=True)
class SourceState:
    """The application's tree. `commit` is HEAD's, empty without one; `changed` are the files that it does not name.

    A tree without git or without a commit is dirty: no commit names its bytes.
    """

    subject: Subject
    dirty: bool
    commit: str
    changed: tuple[str, ...]


def state(app: Path, *, reports: Path | None = None) -> SourceState:
    """Work out what the tree at `app` is.

    Untracked files below `reports` (where runs are written) are left out, if that is a folder inside `app`.

    Raises:
        ToolError: the tree cannot be read, or git refuses to.
    """
    if not app.is_dir():
        raise ToolError(
            f"the application's folder {app} does not exist", hint="correct `app.path` in the profile"
        )
    app = app.resolve()
    inside = reports.resolve() if reports else None
    own = inside if inside and inside != app and inside.is_relative_to(app) else None
    tracked = _git_lines(app, "ls-files", "-z", "--", ".") if _in_repository(app) else []
    if not tracked:
        return _unversioned(app, own)
    commit = _commit(app)
    others = [
        name
        for name in _git_lines(app, "ls-files", "-z", "--others", "--exclude-standard", "--", ".")
        if own is None or not (app / name).is_relative_to(own)
    ]
    changed = tuple(sorted({*_modified(app, commit), *_overlooked(app), *others}))
    uri, prefix = _origin(app), _git(app, "rev-parse", "--show-prefix").strip()
    place = {"path": prefix.rstrip("/")} if prefix else {}
    if commit and not changed:
        return SourceState(
            Subject(SOURCE, {"gitCommit": commit}, uri, {"method": "commit", **place}), False, commit, ()
        )
    digest = manifest(app, [*tracked, *others])
    annotations = {"method": "manifest", "tree": "dirty", **({"commit": commit} if commit else {}), **place}
    return SourceState(Subject(SOURCE, {"sha256": digest}, uri, annotations), True, commit, changed)


def manifest(app: Path, names: Iterable[str]) -> str:
    """sha256 over ``mode sha256 path`` lines, sorted by path; modes are git's. What is gone has no line."""
    digest = hashlib.sha256()
    for name in sorted(set(names), key=os.fsencode):
        path = app / name
        try:
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                mode, content = "120000", os.fsencode(path.readlink())
            elif stat.S_ISREG(status.st_mode):
                mode, content = "100755" if status.st_mode & stat.S_IXUSR else "100644", path.read_bytes()
            else:  # a submodule, by the files in it
                files = (file.relative_to(path).as_posix() for file in walk([path]).files)
                mode, content = _SUBMODULE, manifest(path, files).encode()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ToolError(
                f"cannot read {path} ({error.strerror})", hint="give the user that runs the gates read access"
            ) from error
        digest.update(
            b"%s %s %s\n" % (mode.encode(), hashlib.sha256(content).hexdigest().encode(), os.fsencode(name))
        )
    return digest.hexdigest()


def _unversioned(app: Path, reports: Path | None) -> SourceState:
    files = [path for path in walk([app]).files if reports is None or not path.is_relative_to(reports)]
    digest = manifest(app, (path.relative_to(app).as_posix() for path in files))
    subject = Subject(SOURCE, {"sha256": digest}, "", {"method": "manifest", "tree": "without a commit"})
    return SourceState(subject, True, "", ())


def _in_repository(app: Path) -> bool:
    try:
        return _git(app, "rev-parse", "--is-inside-work-tree").strip() == "true"
    except _NoRepositoryError:
        return False


class _NoRepositoryError(ToolError):
    pass


def _commit(app: Path) -> str:
    """HEAD's commit; empty where there is none yet."""
    try:
        return _git(app, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip()
    except ToolError:
        return ""


def _modified(app: Path, commit: str) -> Sequence[str]:
    """Tracked files that differ from the commit: staged, unstaged, gone, submodules included."""
    if not commit:
        return ()
    return _git_lines(
        app,
        "diff",
        "--name-only",
        "--no-ext-diff",
        "--ignore-submodules=none",
        "--relative",
        "-z",
        commit,
        "--",
        ".",
    )


def _overlooked(app: Path) -> Sequence[str]:
    """What git does not compare: files it was told to leave alone, and submodules that are no repository any more."""
    index = {}
    for entry in _git_lines(app, "ls-files", "--stage", "-z", "--", "."):
        mode, digest = entry.split()[:2]
        index[entry.partition("\t")[2]] = (mode, digest)
    flagged = [
        line[2:]
        for line in _git_lines(app, "ls-files", "-v", "-z", "--", ".")
        if (line[0].islower() or line[0] == "S") and (app / line[2:]).is_file()
    ]
    modules = [
        app / name for name, (mode, _) in index.items() if mode == _SUBMODULE and (app / name).is_dir()
    ]
    return [
        *(name for name in flagged if _git(app, "hash-object", "--", name).strip() != index[name][1]),
        *(show(path, app) for path in modules if any(path.iterdir()) and not (path / ".git").exists()),
    ]


def _origin(app: Path) -> str:
    """Where the repository comes from, without the credentials that such addresses may carry."""
    try:
        return _USERINFO.sub(r"\1", _git(app, "remote", "get-url", "origin").strip())
    except ToolError:
        return ""


def _git_lines(app: Path, *arguments: str) -> list[str]:
    return [line for line in _git(app, *arguments).split("\0") if line]


def _git(app: Path, *arguments: str) -> str:
    """What git says. Variables such as ``GIT_DIR`` (set inside hooks) would speak of another repository.

    Raises:
        _NoRepositoryError: there is no git, or no repository.
        ToolError: git refuses; the message is git's.
    """
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", *arguments]
    environment = {**scrubbed(os.environ, ("GIT_",)), "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            command, cwd=app, env=environment, capture_output=True, timeout=_TIMEOUT, check=False
        )
    except FileNotFoundError as error:
        raise _NoRepositoryError("there is no git", hint="install git to release commits") from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"git {arguments[0]} did not end within {_TIMEOUT:g} s in {app}",
            hint="run `git status` there by hand",
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        kind = _NoRepositoryError if _NO_REPOSITORY in said else ToolError
        raise kind(
            f"git {arguments[0]} failed in {app}: {said.splitlines()[0] if said else done.returncode}",
            hint="run `git status` there by hand; in a container, `git config --global --add safe.directory PATH`",
        )
    return os.fsdecode(done.stdout)
