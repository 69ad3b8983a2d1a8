"""A verdict with its records and its evidence in one file, for handing from one CI job to another.

A bundle is a gzipped tar archive of one folder, the run's, and holds exactly what the verdict names:

    <run-id>/verdict.intoto.json
    <run-id>/<gate>/evidence/…
    <run-id>/records/<kind>-<n>.intoto.json

Of the same files always the same archive is made. Only such an archive is read: plain files, the verdict first and the
others in the order of their names, with headers as they are written here, byte for byte. So there is nothing in it to be
fooled by: no link, no device, no path out of the folder, no name twice; and nothing is unpacked but what the verdict
names, in the size that it states.
"""

import errno
import gzip
import hashlib
import io
import json
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

from harness.errors import UsageError, VerdictError
from harness.frozen import dataclass
from harness.model import Decision, Evidence
from harness.plain_files import LARGEST, open_plain, pieces, read_plain
from harness.verdict.envelope import unseal
from harness.verdict.evidence import evidence_of, run_home
from harness.verdict.on_file import parse_verdict, read_bytes
from harness.verdict.refusal import Refusal, RefusedError, not_go
from harness.verdict.statement import Verdict
from harness.verdict.store import FILE, RECORDS, StoreError, whole_file

MOST_FILES = 20_000
MOST_BYTES = 4 * 1024**3
"""What all files of a bundle may have together, unpacked."""
_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20
_LONGEST = 4096

Content = tuple[int, Iterable[bytes]]
"""A file's size, and its bytes piece by piece."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written: how many files it holds, and its own digest."""

    path: Path
    files: int
    sha256: str


def pack(verdict: Path, output: Path, *, evidence: bool = True) -> Bundle:
    """Write the bundle of a verdict on file, the newest one or a run's own; without `evidence`, of the verdict and its
    records alone.

    Raises:
        VerdictError: the verdict cannot be read or is PENDING, or a file of evidence is not there or not what it was.
        StoreError: the bundle could not be written.
    """
    raw = read_bytes(verdict)
    found = parse_verdict(verdict, raw)
    if found.decision is Decision.PENDING:
        raise not_go(found)
    run = run_home(verdict, found.info.run_id)
    try:
        files = {f"{RECORDS}/{file.name}": _bytes(read_plain(file)) for file in _records(run)}
        for each in evidence_of(found) if evidence else ():
            files[each.path] = (each.size, _evidence(found, run / each.path, each))
        with whole_file(output) as file:
            _write(file, found.info.run_id, {FILE: _bytes(raw)} | dict(sorted(files.items())))
        with output.open("rb") as written:
            return Bundle(output, len(files) + 1, hashlib.file_digest(written, "sha256").hexdigest())
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
        UsageError: the folder is there already.
        StoreError: it could not be written.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into, prefix=".opening-") as temporary:
            run = _unpack(file, Path(temporary))
            target = into / run.name
            if target.exists() or target.is_symlink():
                raise UsageError(f"{target}: is there already", hint="name another folder")
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


def _bytes(content: bytes) -> Content:
    return len(content), (content,)


def _evidence(verdict: Verdict, path: Path, evidence: Evidence) -> Iterator[bytes]:
    """A file of evidence, held against its digest as it is read."""
    digest = hashlib.sha256()
    try:
        for piece in pieces(path, evidence.size):
            digest.update(piece)
            yield piece
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            raise RefusedError(
                Refusal.EVIDENCE_MISSING,
                f"{path}: the evidence is not there",
                verdict,
                hint="bundle the run where it took place, or leave its evidence out with --no-evidence",
            ) from None
        if error.errno != errno.EFBIG:
            raise _wrong(verdict, path, f"cannot be read: {error.strerror}") from None
    if digest.hexdigest() != evidence.sha256:
        raise _wrong(verdict, path)


def _wrong(verdict: Verdict, path: object, why: str = "is not what the verdict rests on") -> RefusedError:
    return RefusedError(
        Refusal.EVIDENCE,
        f"{path}: the evidence {why}",
        verdict,
        hint="it was changed after the run; run the gates again",
    )


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


def _write(out: BinaryIO, folder: str, files: Mapping[str, Content]) -> None:
    """Write an archive of files in one folder, in the order that they are given in."""
    total = 0
    with gzip.GzipFile("", "wb", compresslevel=9, fileobj=out, mtime=0) as packed:
        for name, (size, content) in files.items():
            packed.write(_header(f"{folder}/{name}", size))
            for piece in content:
                packed.write(piece)
            packed.write(bytes(_padding(size)))
            total += _BLOCK + size + _padding(size)
        packed.write(bytes(2 * _BLOCK + _padding(total + 2 * _BLOCK, tarfile.RECORDSIZE)))


def _unpack(file: Path, into: Path) -> Path:
    """Unpack what the verdict of a bundle names, and nothing else; returns the one folder that it is in."""
    try:
        with open_plain(file) as raw, gzip.GzipFile(fileobj=raw, mode="rb") as packed:
            reader = _Reader(packed, file)
            verdict = _first(reader, file, into)
            run = into / verdict.info.run_id
            _others(reader, file, run, verdict)
            reader.end()
            return run
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        _refuse(file, f"it cannot be unpacked: {error}")
    except FileNotFoundError:
        raise VerdictError(
            Refusal.MISSING.value, f"{file}: there is no bundle", hint="make it with `gonogo bundle`"
        ) from None


def _first(reader: "_Reader", file: Path, into: Path) -> Verdict:
    """The verdict, which says what may follow."""
    if (header := reader.header()) is None:
        _refuse(file, "it holds nothing")
    name, size = header
    folder, _, path = name.partition("/")
    if path != FILE or size > LARGEST:
        _refuse(file, f"it begins with {name[:200]!r} of {size} bytes, and not with a {FILE}")
    raw = reader.content(size)
    verdict = parse_verdict(file, raw)
    if verdict.info.run_id != folder:
        _refuse(file, f"the verdict is of run {verdict.info.run_id}, its folder of run {folder}")
    (into / folder).mkdir()
    (into / folder / FILE).write_bytes(raw)
    return verdict


def _others(reader: "_Reader", file: Path, run: Path, verdict: Verdict) -> None:
    """The records, and the evidence that the verdict names: all of it or none."""
    named = {each.path: each for each in evidence_of(verdict)}
    found: set[str] = set()
    last, left = "", LARGEST
    while (header := reader.header()) is not None:
        name, size = header
        folder, _, path = name.partition("/")
        if folder != run.name or path in ("", FILE) or path <= last:
            _refuse(file, f"{name[:200]!r} is out of order, twice, or in another folder")
        last = path
        if path.startswith(f"{RECORDS}/"):
            left -= size
            if left < 0:
                _refuse(file, f"its records have more than {LARGEST} bytes")
            record = reader.content(size)
            _hold_record(file, path, record, verdict)
            reader.save(run / path, [record])
            continue
        if (evidence := named.get(path)) is None:
            _refuse(file, f"it holds {path[:200]!r}, which the verdict does not name")
        if size != evidence.size or reader.save(run / path, reader.chunks(size)) != evidence.sha256:
            raise _wrong(verdict, f"{file}: {path}")
        found.add(path)
    if found and (missing := sorted(named.keys() - found)):
        _refuse(file, f"it holds some of the evidence and not {missing[0]!r}")


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

    def content(self, size: int) -> bytes:
        """What the next file holds."""
        return b"".join(self.chunks(size))

    def chunks(self, size: int) -> Iterator[bytes]:
        """What the next file holds, piece by piece."""
        for at in range(0, size, _CHUNK):
            yield self._read(min(size - at, _CHUNK))
        self._zeros(_padding(size))

    @staticmethod
    def save(path: Path, content: Iterable[bytes]) -> str:
        """Write a new file; returns its sha256."""
        digest = hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out:
            for piece in content:
                digest.update(piece)
                out.write(piece)
        return digest.hexdigest()

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


def _hold_record(file: Path, name: str, raw: bytes, verdict: Verdict) -> None:
    """A record must be about this verdict; what else it must be, whose it is and whether it counts is for who verifies."""
    try:
        statement = json.loads(unseal(raw).payload)
        about = [each["digest"]["sha256"] for each in statement["subject"]]
    except (VerdictError, ValueError, TypeError, KeyError, RecursionError):
        _refuse(file, f"{name} is no record")
    if about != [verdict.sha256]:
        _refuse(file, f"{name} is about another verdict")


def _refuse(file: Path, why: str) -> NoReturn:
    raise VerdictError(
        Refusal.BUNDLE.value, f"{file}: {why}", hint="make the bundle again with `gonogo bundle`"
    )
