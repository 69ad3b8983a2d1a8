"""A `VerdictStore` in a folder: the reports folder of this machine, or a share that is laid out like one."""

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import VerdictError
from harness.model import Phase
from harness.plain_files import LARGEST, pieces, read_plain
from harness.verdict import store as folders
from harness.verdict.evidence import evidence_of
from harness.verdict.statement import parse
from harness.verdict.store import FILE, RECORDS, StoreError
from harness.verdict.stores import Series, missing_run, new_folder, parsed, require_name


class FolderStore:
    """The folder store of `harness.verdict.store`, for every series below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def uri(self) -> str:
        """``file:///…``."""
        return self.root.resolve().as_uri()

    def begin(self, series: Series, run_id: str, placeholder: bytes) -> None:
        """Make a run the newest, with its PENDING verdict."""
        folders.publish(self._home(series), placeholder, run_id, start=True)

    def finish(self, series: Series, run_id: str, raw: bytes, folder: Path | None = None) -> bool:
        """Keep a run's verdict, after the evidence in `folder` that it names."""
        verdict, own = parse(raw), self._run(series, run_id)
        kept = _read(own / FILE)
        if kept is not None and kept != raw and not _is_placeholder(kept):
            raise StoreError(
                f"{own / FILE}: run {run_id} has another verdict there",
                hint="a verdict is never replaced; run the gates again",
            )
        if folder is not None and folder.resolve() != own.resolve():
            for each in evidence_of(verdict):
                if _copy(folder / each.path, own / each.path, each.size) != each.sha256:
                    raise StoreError(
                        f"{folder / each.path}: the evidence is not what the verdict rests on",
                        hint="it was changed after the run; run the gates again",
                    )
        return folders.publish(self._home(series), raw, run_id)

    def attach(self, series: Series, run_id: str, kind: str, raw: bytes) -> str:
        """Keep a record beside a run's verdict, under the first number that is free."""
        self._require(series, run_id)
        return folders.add_record(self._run(series, run_id), kind, raw).name

    def latest(self, series: Series) -> bytes | None:
        """The newest run's verdict."""
        return _read(self._home(series) / FILE)

    def series(self) -> tuple[Series, ...]:
        """Of which profiles and phases there are runs."""
        with _listing(self.root):
            return tuple(
                sorted(
                    Series(profile.name, phase)
                    for profile in (self.root.iterdir() if self.root.is_dir() else ())
                    for phase in Phase
                    if (profile / phase.value / folders.RUNS).is_dir()
                )
            )

    def runs(self, series: Series, after: str = "") -> tuple[str, ...]:
        """The ids of the runs that are kept, the last first; with `after`, those that are greater."""
        home = self._home(series)
        with _listing(home):
            found = (run.name for run in folders.runs(home))
            return tuple(sorted((name for name in found if name > after), reverse=True))

    def verdict(self, series: Series, run_id: str) -> bytes | None:
        """One run's verdict, or its placeholder."""
        return _read(self._run(series, run_id) / FILE)

    def records(self, series: Series, run_id: str) -> tuple[str, ...]:
        """The names of a run's records."""
        folder = self._run(series, run_id) / RECORDS
        with _listing(folder):
            found = folder.iterdir() if folder.is_dir() else ()
            return tuple(sorted(file.name for file in found if not file.name.startswith(".")))

    def fetch(self, series: Series, run_id: str, into: Path, *, evidence: bool = True) -> Path:
        """Copy a run's verdict, records and evidence to a folder ``into/<run-id>``."""
        raw, own = self._require(series, run_id), self._run(series, run_id)
        verdict = parsed(raw, str(own / FILE))
        target = new_folder(into, run_id)
        for name in self.records(series, run_id):
            _copy(own / RECORDS / name, target / RECORDS / name, LARGEST)
        for each in evidence_of(verdict) if evidence else ():
            if (own / each.path).is_file():
                _copy(own / each.path, target / each.path, each.size)
        folders.write_atomic(target / FILE, raw)
        return target

    def _home(self, series: Series) -> Path:
        return folders.folder_of(self.root, series.profile, series.phase)

    def _run(self, series: Series, run_id: str) -> Path:
        require_name(run_id)
        return folders.run_folder(self._home(series), run_id)

    def _require(self, series: Series, run_id: str) -> bytes:
        if (raw := self.verdict(series, run_id)) is None:
            raise missing_run(self.uri, run_id)
        return raw


def _is_placeholder(raw: bytes) -> bool:
    try:
        return parse(raw).info.finished is None
    except VerdictError:
        return False


def _read(path: Path) -> bytes | None:
    try:
        return read_plain(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be read: {error.strerror}", hint="look at the path and its permissions"
        ) from error


@contextmanager
def _listing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be listed: {error.strerror}", hint="look at the path and its permissions"
        ) from error


def _copy(source: Path, target: Path, most: int) -> str:
    """Copy a plain file of at most `most` bytes, whole or not at all; returns its sha256."""
    digest = hashlib.sha256()
    try:
        with folders.whole_file(target) as out:
            for piece in pieces(source, most):
                digest.update(piece)
                out.write(piece)
    except OSError as error:
        raise StoreError(
            f"{source}: cannot be copied to {target}: {error.strerror}",
            hint="it is not what was written first; find out who changed it"
            if error.errno == errno.EFBIG
            else "make room, or set the permissions right",
        ) from error
    return digest.hexdigest()
