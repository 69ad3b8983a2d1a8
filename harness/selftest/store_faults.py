"""Faults of a store: older runs, two at once, and what is brought along although the store knows better."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from harness.frozen import replace
from harness.policy import decide
from harness.selftest.copies import APPROVER, PHASE, SOON, Copy
from harness.selftest.fault import Came, Fault
from harness.selftest.lab import Lab
from harness.selftest.verdict_faults import inconclusive, read, sealed
from harness.verdict.bundle import pack
from harness.verdict.folder_store import FolderStore
from harness.verdict.reading import encode
from harness.verdict.record_format import About, Denial
from harness.verdict.records import sign
from harness.verdict.statement import Verdict, build, placeholder
from harness.verdict.store import FILE
from harness.verdict.stores import Series

Tamper = Callable[[Copy, FolderStore, Series], Came]


def _root(copy: Copy) -> Path:
    return copy.root / "store"


def _begin(store: FolderStore, series: Series, verdict: Verdict) -> None:
    store.begin(series, verdict.info.run_id, encode(placeholder(verdict.info)))


def _later(verdict: Verdict) -> Verdict:
    """A run that began an hour later, and came to nothing."""
    began = verdict.info.started + timedelta(hours=1)
    changed = inconclusive(verdict)
    return replace(changed, info=replace(changed.info, run_id=f"{began:%Y%m%dT%H%M%SZ}-later"))


def _bytes(copy: Copy, verdict: Verdict) -> bytes:
    return sealed(copy, build(verdict.info, verdict.record, decide(verdict.record)))


def _superseded(copy: Copy, store: FolderStore, series: Series) -> Came:
    _begin(store, series, _later(read(copy)))
    return copy.verify(store=_root(copy), file=copy.verdict_file)


def _put_back(copy: Copy, store: FolderStore, series: Series) -> Came:
    """A later run ended, and somebody put the older GO in its place again."""
    later = _later(read(copy))
    _begin(store, series, later)
    store.finish(series, later.info.run_id, _bytes(copy, later))
    (_root(copy) / str(series) / FILE).write_bytes(copy.verdict_file.read_bytes())
    return copy.verify(store=_root(copy))


def _at_once(copy: Copy, store: FolderStore, series: Series) -> Came:
    """Two runs end at the same time: the one that began last decides, and it is not GO."""
    later = _later(read(copy))
    first = replace(read(copy), info=replace(read(copy).info, run_id=f"{read(copy).info.run_id}-again"))
    both = [(each.info.run_id, _bytes(copy, each)) for each in (first, later)]
    for each in (first, later):
        _begin(store, series, each)
    with ThreadPoolExecutor(len(both)) as pool:
        list(pool.map(lambda one: store.finish(series, *one), both))
    return copy.verify(store=_root(copy))


def _away(copy: Copy, store: FolderStore, series: Series) -> Came:
    home = store.root / str(series)
    (home / FILE).unlink()
    (home / FILE).mkdir()
    return copy.verify(store=_root(copy), file=copy.verdict_file)


def _left_out(copy: Copy, store: FolderStore, series: Series) -> Came:
    """A bundle that was made before the denial which the store has."""
    bundle = pack(copy.verdict_file, copy.root / "before.tar.gz").path
    about = About.of(read(copy))
    denial = Denial(about, APPROVER, copy.over + SOON, "the database is busy")
    store.attach(series, about.run_id, denial.kind, sign(denial, copy.lab.keys[APPROVER]))
    return copy.verify(store=_root(copy), file=bundle, now=copy.over + 2 * SOON)


def _fault(name: str, title: str, tamper: Tamper, *expect: str, approved: bool = False) -> Fault:
    def inject(lab: Lab) -> Came:
        copy = lab.again(approved=approved)
        store, series = FolderStore(_root(copy)), Series(lab.profile.name, PHASE)
        verdict = read(copy)
        _begin(store, series, verdict)
        store.finish(series, verdict.info.run_id, copy.verdict_file.read_bytes(), copy.run_home)
        return tamper(copy, store, series)

    return Fault(name, title, "the store", expect, inject=inject)


FAULTS = (
    _fault("store-superseded", "a later run has begun, and the older GO is brought along", _superseded, "superseded"),
    _fault("store-put-back", "an older GO is put in the place of a later verdict", _put_back, "superseded"),
    _fault("store-at-once", "two runs end at once, and the later is not GO", _at_once, "inconclusive"),
    _fault("store-away", "the store cannot be read", _away, "store", "missing", "unreadable"),
    _fault("store-left-out", "a bundle leaves a denial out that the store has", _left_out, "denied", approved=True),
)  # fmt: skip
