"""A verdict with its records and its evidence in one file, for handing from one CI job to another.

A bundle is a gzipped tar archive of one folder, the run's, and holds exactly what the verdict names:

    <run-id>/records/<kind>-<n>.intoto.json
    <run-id>/<gate>/evidence/…
    <run-id>/verdict.intoto.json

Of the same files always the same archive is made. Only such an archive is read: plain files in the order of their
names, with headers as they are written here, byte for byte. So there is nothing in it to be fooled by: no link, no
device, no path out of the folder, no name twice.
"""

import gzip
import hashlib
import io
import json
import os
import secrets
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

from harness.errors import VerdictError
from harness.frozen import dataclass
from harness.model import Decision
from harness.verdict.envelope import unseal
from harness.verdict.evidence import evidence_of
from harness.verdict.plain import open_plain, read_plain
from harness.verdict.refusal import Refusal, RefusedError, not_go
from harness.verdict.statement import Verdict, parse
from harness.verdict.store import FILE, RECORDS, RUNS, StoreError

MOST_FILES = 20_000
MOST_BYTES = 4 * 1024**3
"""What all files of a bundle may have together, unpacked."""
_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_LONGEST = 4096


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written: how many files it holds, and its own digest."""

    path: Path
    files: int
    sha256: str


def is_bundle(path: Path) -> bool:
    """Whether a file is one, by its first bytes; no verdict begins with these."""
    try:
        with open_plain(path) as file:
            return file.read(len(_GZIP)) == _GZIP
    except OSError:
        return False


def pack(verdict: Path, output: Path, *, evidence: bool = True) -> Bundle:
    """Write the bundle of a verdict on file, the newest one or a run's own; without `evidence`, of the verdict and its
    records alone.

    Raises:
        VerdictError: the verdict cannot be read or is PENDING, or a file of evidence is not there or not what it was.
        StoreError: the bundle could not be written.
    """
    from harness.verdict.on_file import read_verdict

    found = read_verdict(verdict)
    if found.decision is Decision.PENDING:
        raise not_go(found)
    run_id = found.info.run_id
    run = verdict.parent if verdict.parent.name == run_id else verdict.parent / RUNS / run_id
    files = {FILE: verdict} | {f"{RECORDS}/{file.name}": file for file in _records(run)}
    if evidence:
        for each in evidence_of(found):
            files[each.path] = run / each.path
            _require_evidence(found, run / each.path, each.sha256)
    temporary = output.with_name(f".writing-{secrets.token_hex(8)}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                _write(file, {f"{run_id}/{name}": path for name, path in files.items()})
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(output)
        finally:
            temporary.unlink(missing_ok=True)
        return Bundle(output, len(files), _sha256(output))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{output}: the bundle could not be written: {error}", hint="make room, or name another file"
        ) from error


def open_bundle(file: Path, into: Path) -> Path:
    """Unpack a bundle to a new folder ``into/<run-id>``, which is returned; whole or not at all.

    Nothing is said of the verdict but that it can be read and names exactly what is there.

    Raises:
        VerdictError: it is no bundle, or holds something else than its verdict names; ``bundle``, or what is wrong
            with the verdict or the evidence.
        StoreError: it could not be written.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into, prefix=".opening-") as temporary:
            run = _extract(file, Path(temporary))
            _hold(file, run)
            target = into / run.name
            if target.exists() or target.is_symlink():
                raise StoreError(f"{target}: is there already", hint="name another folder")
            run.rename(target)
            return target
    except OSError as error:
        raise StoreError(f"{file}: cannot be unpacked to {into}: {error}", hint="make room") from error


@contextmanager
def opened(file: Path) -> Iterator[Path]:
    """The verdict of a bundle, unpacked for the length of a block."""
    with tempfile.TemporaryDirectory(prefix="gonogo-") as folder:
        yield open_bundle(file, Path(folder)) / FILE


def _records(run: Path) -> list[Path]:
    folder = run / RECORDS
    found = folder.iterdir() if folder.is_dir() else ()
    return [file for file in found if not file.name.startswith(".")]


def _require_evidence(verdict: Verdict, path: Path, sha256: str) -> None:
    try:
        if path.is_symlink() or not path.is_file():
            raise RefusedError(
                Refusal.EVIDENCE_MISSING,
                f"{path}: the evidence is not there",
                verdict,
                hint="bundle the run where it took place, or leave its evidence out with --no-evidence",
            )
        if _sha256(path) == sha256:
            return
        why = "is not what the verdict rests on"
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
    raise RefusedError(
        Refusal.EVIDENCE,
        f"{path}: the evidence {why}",
        verdict,
        hint="it was changed after the run; run the gates again",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _header(name: str, size: int) -> bytes:
    """The only header that a file of this name and size has in a bundle.

    Raises:
        ValueError: the name is too long for an archive that every tool reads.
    """
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")


def _padding(size: int, block: int = _BLOCK) -> int:
    return -size % block


def _write(out: BinaryIO, files: Mapping[str, Path]) -> None:
    total = 0
    with gzip.GzipFile("", "wb", compresslevel=9, fileobj=out, mtime=0) as packed:
        for name in sorted(files):
            with files[name].open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                packed.write(_header(name, size))
                sent = 0
                while chunk := file.read(_CHUNK):
                    packed.write(chunk)
                    sent += len(chunk)
                if sent != size:
                    msg = f"{files[name]} changed while it was read"
                    raise ValueError(msg)
                packed.write(bytes(_padding(size)))
                total += _BLOCK + size + _padding(size)
        packed.write(bytes(2 * _BLOCK + _padding(total + 2 * _BLOCK, tarfile.RECORDSIZE)))


def _extract(file: Path, into: Path) -> Path:
    """Unpack the files of a bundle as they stand in it; returns the one folder that they are in."""
    try:
        with open_plain(file) as raw, gzip.GzipFile(fileobj=raw, mode="rb") as packed:
            reader = _Reader(packed, file)
            last, folder = "", ""
            while (header := reader.header()) is not None:
                name, size = header
                first = name.partition("/")[0]
                if name <= last or (folder and first != folder):
                    _refuse(file, f"{name[:200]!r} is out of order, twice, or in another folder")
                last, folder = name, first
                reader.content(into / name, size)
            reader.end()
            if not folder:
                _refuse(file, "it holds nothing")
            return into / folder
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        _refuse(file, f"it cannot be unpacked: {error}")
    except FileNotFoundError:
        raise VerdictError(
            Refusal.MISSING.value, f"{file}: there is no bundle", hint="make it with `gonogo bundle`"
        ) from None


class _Reader:
    """The blocks of an archive, each of them as `_write` makes it."""

    def __init__(self, packed: gzip.GzipFile, file: Path) -> None:
        self._packed, self._file = packed, file
        self._bytes = self._files = 0

    def header(self) -> tuple[str, int] | None:
        """The next file's name and size; ``None`` at the end of the archive."""
        block = self._read(_BLOCK)
        if block == bytes(_BLOCK):
            return None
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
            same = info.size >= 0 and _header(info.name, info.size) == block
        except (tarfile.TarError, ValueError) as error:
            _refuse(self._file, f"a header cannot be read: {error}")
        self._files += 1
        if self._files > MOST_FILES or self._bytes + info.size > MOST_BYTES:
            _refuse(self._file, f"it holds more than {MOST_FILES} files, or than {MOST_BYTES} bytes")
        if not same:
            _refuse(self._file, f"{info.name[:200]!r} is no plain file, or not written as a bundle is")
        if not _is_path(info.name):
            _refuse(self._file, f"{info.name[:200]!r} is no path below the run's folder")
        return info.name, info.size

    def content(self, path: Path, size: int) -> None:
        """Write the next file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out:
            left = size
            while left:
                chunk = self._read(min(left, _CHUNK))
                out.write(chunk)
                left -= len(chunk)
        self._zeros(_padding(size))

    def end(self) -> None:
        """After the first empty block: the second, the filling of the last record, and nothing more."""
        self._zeros(_BLOCK)
        self._zeros(_padding(self._bytes, tarfile.RECORDSIZE))
        if self._packed.read(1):
            _refuse(self._file, "something follows its end")

    def _zeros(self, size: int) -> None:
        if self._read(size) != bytes(size):
            _refuse(self._file, "what should be empty in it is not")

    def _read(self, size: int) -> bytes:
        found = io.BytesIO()
        while (left := size - found.tell()) and (chunk := self._packed.read(left)):
            found.write(chunk)
        if found.tell() != size:
            _refuse(self._file, "it ends in the middle")
        self._bytes += size
        return found.getvalue()


def _is_path(name: str) -> bool:
    parts = name.split("/")
    plain = name.isprintable() and "\\" not in name and len(name) <= _LONGEST
    return plain and len(parts) > 1 and not {"", ".", ".."} & set(parts)


def _hold(file: Path, run: Path) -> None:
    """Hold what was unpacked against the verdict in it: this, all of it or all but the evidence, and nothing more."""
    path = run / FILE
    if not path.is_file():
        _refuse(file, f"it holds no {FILE}")
    try:
        verdict = parse(read_plain(path))
    except VerdictError as error:
        raise VerdictError(error.code, f"{file}: {error.message}", hint=error.hint) from None
    if verdict.info.run_id != run.name:
        _refuse(file, f"the verdict is of run {verdict.info.run_id}, its folder of run {run.name}")
    there = {str(each.relative_to(run)) for each in run.rglob("*") if each.is_file()}
    others = there - {FILE} - {name for name in there if name.partition("/")[0] == RECORDS}
    named = {each.path: each.sha256 for each in evidence_of(verdict)}
    if unknown := sorted(others - named.keys()):
        _refuse(file, f"it holds {unknown[0]!r}, which the verdict does not name")
    if others and (missing := sorted(named.keys() - others)):
        _refuse(file, f"it holds some of the evidence and not {missing[0]!r}")
    for name in sorted(others):
        _require_evidence(verdict, run / name, named[name])
    _hold_records(file, run, verdict)


def _hold_records(file: Path, run: Path, verdict: Verdict) -> None:
    """Each record must be about this verdict; what else it must be, whose it is and whether it counts is for who verifies."""
    for record in _records(run):
        try:
            statement = json.loads(unseal(read_plain(record)).payload)
            about = [each["digest"]["sha256"] for each in statement["subject"]]
        except (OSError, VerdictError, ValueError, TypeError, KeyError, RecursionError):
            _refuse(file, f"{record.name} is no record")
        if about != [verdict.sha256]:
            _refuse(file, f"{record.name} is about another verdict")


def _refuse(file: Path, why: str) -> NoReturn:
    raise VerdictError(
        Refusal.BUNDLE.value, f"{file}: {why}", hint="make the bundle again with `gonogo bundle`"
    )
