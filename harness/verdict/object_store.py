"""The rules of a verdict store over objects that can be created once and replaced on a condition (S3).

    <profile>/<phase>/verdict.intoto.json                     the newest run's verdict
    <profile>/<phase>/runs/<run-id>/pending.intoto.json       each run's placeholder
    <profile>/<phase>/runs/<run-id>/verdict.intoto.json       each run's own, beside records/ and its evidence

Everything below ``runs/`` is created and never replaced. The newest verdict is the one object that changes, each time
on the condition that it still is what was read: whoever loses reads again and decides again. So of two that publish
at once one is the newest and neither loses its verdict.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from harness.errors import GonogoError
from harness.model import Decision, Evidence, Phase
from harness.verdict.evidence import evidence_of
from harness.verdict.statement import Verdict, parse
from harness.verdict.store import FILE, RECORDS, RUNS, StoreError, record_name, run_of, write_atomic
from harness.verdict.stores import Series, missing_run, new_folder, parsed

PENDING = "pending.intoto.json"
_TRIES = 100
"""How often a conditional write is tried: each loss means that somebody else's was done."""
_WIDTH = 8
"""Files sent or fetched at once."""
_RECORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
"""A name that a file can have; whether it is a record's is told by who reads it."""

T = TypeVar("T")


class Objects(Protocol):
    """What the rules need; keys are relative to the store's own place. Every method raises a fault where it failed."""

    @property
    def uri(self) -> str:
        """How it is called."""

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Its content, and a tag that tells this content from any other; ``None`` where it is not there."""

    def create(self, key: str, content: bytes) -> bool:
        """Write it if it is not there; says whether it was written."""

    def replace(self, key: str, content: bytes, tag: str) -> bool:
        """Write it if it still has this tag; says whether it was written."""

    def create_file(self, key: str, path: Path, sha256: str) -> bool:
        """As `create`, from a file whose digest is known."""

    def sha256(self, key: str) -> str:
        """The digest of an object, in hexadecimal; empty where there is none."""

    def download(self, key: str, path: Path, size: int) -> bool:
        """Write an object of this size to a file; says whether it is there."""

    def keys(self, prefix: str) -> tuple[str, ...]:
        """The keys that begin so."""

    def folders(self, prefix: str, after: str = "") -> tuple[str, ...]:
        """The next parts of the keys that begin so and go on with a slash; with `after`, those that are greater."""


class ObjectStore:
    """A `VerdictStore` over `Objects`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    @property
    def uri(self) -> str:
        """``s3://bucket/prefix``."""
        return self._objects.uri

    def begin(self, series: Series, run_id: str, placeholder: bytes) -> None:
        """Make a run the newest, with its PENDING verdict."""
        self._own(placeholder, run_id, pending=True)
        self._create(f"{_run(series, run_id)}/{PENDING}", placeholder)
        self._settle(series, lambda _: True, placeholder)

    def finish(self, series: Series, run_id: str, raw: bytes, folder: Path | None = None) -> bool:
        """Keep a run's verdict, after its evidence and before the newest verdict is replaced by it."""
        verdict = self._own(raw, run_id, pending=False)
        if folder is not None:
            self._send(series, run_id, verdict, folder)
        self._create(f"{_run(series, run_id)}/{FILE}", raw)
        return self._settle(series, lambda content: run_of(content) == run_id, raw)

    def attach(self, series: Series, run_id: str, kind: str, raw: bytes) -> str:
        """Keep a record beside a run's verdict, under the first number that is free."""
        if self.verdict(series, run_id) is None:
            raise missing_run(self.uri, run_id)
        taken = set(self.records(series, run_id))
        for number in range(1, _TRIES + len(taken)):
            name = record_name(kind, number)
            if name not in taken and self._objects.create(f"{_run(series, run_id)}/{RECORDS}/{name}", raw):
                return name
        raise StoreError(
            f"{self.uri}: run {run_id} has too many records of kind {kind}", hint="find out who writes them"
        )

    def latest(self, series: Series) -> bytes | None:
        """The newest run's verdict."""
        found = self._objects.read(f"{series}/{FILE}")
        return found[0] if found else None

    def series(self) -> tuple[Series, ...]:
        """Of which profiles and phases there are runs."""
        known = {phase.value: phase for phase in Phase}
        return tuple(
            sorted(
                Series(profile, known[phase])
                for profile in self._objects.folders("")
                for phase in self._objects.folders(f"{profile}/")
                if phase in known
            )
        )

    def runs(self, series: Series, after: str = "") -> tuple[str, ...]:
        """The ids of the runs that are kept, the last first; with `after`, those that are greater."""
        return tuple(sorted(self._objects.folders(f"{series}/{RUNS}/", after), reverse=True))

    def verdict(self, series: Series, run_id: str) -> bytes | None:
        """One run's verdict, or its placeholder."""
        for name in (FILE, PENDING):
            if found := self._objects.read(f"{_run(series, run_id)}/{name}"):
                return found[0]
        return None

    def records(self, series: Series, run_id: str) -> tuple[str, ...]:
        """The names of a run's records."""
        prefix = f"{_run(series, run_id)}/{RECORDS}/"
        names = (key.removeprefix(prefix) for key in self._objects.keys(prefix))
        return tuple(sorted(names))

    def fetch(self, series: Series, run_id: str, into: Path, *, evidence: bool = True) -> Path:
        """Copy a run's verdict, records and evidence to a folder ``into/<run-id>``."""
        raw = self.verdict(series, run_id)
        if raw is None:
            raise missing_run(self.uri, run_id)
        verdict = parsed(raw, f"{self.uri}/{_run(series, run_id)}")
        target = new_folder(into, run_id)
        for name in self.records(series, run_id):
            if not _RECORD.fullmatch(name):
                raise StoreError(f"{self.uri}: {name!r} is no record of run {run_id}", hint="remove it")
            if (record := self._objects.read(f"{_run(series, run_id)}/{RECORDS}/{name}")) is None:
                raise StoreError(
                    f"{self.uri}: {name} of run {run_id} is gone", hint="find out who removed it"
                )
            _write(target / RECORDS / name, record[0])

        def fetched(each: Evidence) -> None:
            self._objects.download(f"{_run(series, run_id)}/{each.path}", target / each.path, each.size)

        _side_by_side(fetched, evidence_of(verdict) if evidence else ())
        _write(target / FILE, raw)
        return target

    def _own(self, raw: bytes, run_id: str, *, pending: bool) -> Verdict:
        verdict = parse(raw)
        if verdict.info.run_id != run_id or (verdict.decision is Decision.PENDING) is not pending:
            raise StoreError(
                f"run {run_id} would publish {verdict.decision} of run {verdict.info.run_id}",
                hint="this is a bug; report it",
            )
        return verdict

    def _create(self, key: str, content: bytes) -> None:
        if self._objects.create(key, content):
            return
        if self._objects.sha256(key) != hashlib.sha256(content).hexdigest():
            raise self._other(key)

    def _other(self, key: str) -> StoreError:
        return StoreError(
            f"{self.uri}/{key} is there with other content",
            hint="nothing of a run is ever replaced: find out who wrote it, and run the gates again",
        )

    def _settle(self, series: Series, mine: Callable[[bytes], bool], content: bytes) -> bool:
        """Replace the newest verdict where it is `mine` to replace; on losing a race, look again."""
        key = f"{series}/{FILE}"
        for _ in range(_TRIES):
            found = self._objects.read(key)
            if found and found[0] == content:
                return True
            if not mine(found[0] if found else b""):
                return False
            written = (
                self._objects.replace(key, content, found[1]) if found else self._objects.create(key, content)
            )
            if written:
                return True
        raise StoreError(
            f"{self.uri}/{key} changed {_TRIES} times while it was to be replaced", hint="run again later"
        )

    def _send(self, series: Series, run_id: str, verdict: Verdict, folder: Path) -> None:
        """Evidence that is not kept yet; what is there from an earlier try is held against its digest."""
        kept = set(self._objects.keys(f"{_run(series, run_id)}/"))

        def send(each: Evidence) -> None:
            key, path = f"{_run(series, run_id)}/{each.path}", folder / each.path
            if not path.is_file():
                raise StoreError(f"{path}: the evidence is not there", hint="run the gates again")
            if key not in kept and self._objects.create_file(key, path, each.sha256):
                return
            if self._objects.sha256(key) != each.sha256:
                raise self._other(key)

        _side_by_side(send, evidence_of(verdict))


def _run(series: Series, run_id: str) -> str:
    return f"{series}/{RUNS}/{run_id}"


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomic(path, content)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}", hint="make room") from error


def _side_by_side(do: Callable[[T], None], things: Iterable[T]) -> None:
    """Do it with each; when some fail, the others are done all the same, so that the next try has less to do."""

    def tried(thing: T) -> GonogoError | None:
        try:
            do(thing)
        except GonogoError as error:
            return error
        return None

    with ThreadPoolExecutor(_WIDTH, thread_name_prefix="store") as pool:
        errors = [error for error in pool.map(tried, things) if error is not None]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        told = "; ".join(dict.fromkeys(error.message for error in errors))
        raise StoreError(told, hint=errors[0].hint)
