"""Earlier runs: the GO verdicts of the folder store, for what compares a run with one; and a store's whole history."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness.errors import VerdictError
from harness.frozen import dataclass
from harness.model import Decision
from harness.plain_files import read_plain
from harness.policy import decide
from harness.verdict.info import SOURCE
from harness.verdict.refusal import Refusal
from harness.verdict.statement import Verdict, parse
from harness.verdict.store import FILE, run_of, runs
from harness.verdict.stores import Series, VerdictStore, missing_run
from harness.verdict.verify import Question, Verified, verify


def go_runs(folder: Path) -> list[tuple[Path, Verdict]]:
    """The runs of a profile and phase that were GO, with their folders, the last to finish first.

    A verdict that cannot be read, is another run's, or does not follow from its own record is not one of them.
    """
    found = list(_go_runs(folder))
    return sorted(found, key=lambda run: run[1].info.finished or run[1].info.started, reverse=True)


def _go_runs(folder: Path) -> Iterator[tuple[Path, Verdict]]:
    for run in runs(folder):
        try:
            verdict = parse(read_plain(run / FILE))
        except (OSError, VerdictError):
            continue
        follows = decide(verdict.record).decision is verdict.decision
        if follows and verdict.decision is Decision.GO and verdict.info.run_id == run.name:
            yield run, verdict


@dataclass(frozen=True)
class Entry:
    """One run in a store's history. Where its verdict is damaged there is none, and `damage` says how."""

    series: Series
    run_id: str
    newest: bool
    verdict: Verdict | None
    damage: str = ""
    records: tuple[str, ...] = ()
    """The names of its records; whether they count is not known."""

    @property
    def superseded(self) -> bool:
        """Whether a later run of the same profile and phase has begun."""
        return not self.newest

    def about(self, subjects: Mapping[str, str], source: str = "") -> bool:
        """Whether it speaks of all these images (name -> ``sha256:…``), and of this source where one is given.

        A run that is not over has resolved no tags: it is asked by the digest that it was started with.
        """
        if self.verdict is None:
            return False
        info = self.verdict.info
        stated = {each.name: f"sha256:{each.digest.get('sha256', '')}" for each in info.subjects}
        digests = (
            {name: stated.get(name, info.images[name]) for name in info.images} if info.images else stated
        )
        own = info.subject(SOURCE)
        return all(digests.get(name) == digest for name, digest in subjects.items()) and (
            not source or (own is not None and source.removeprefix("sha256:") in own.digest.values())
        )


def history(store: VerdictStore, series: Series) -> Iterator[Entry]:
    """The runs of a series as they are asked for, the last first. A damaged verdict is one of them all the same.

    Raises:
        GonogoError: the store could not be asked.
    """
    newest = store.latest(series)
    newest_run = run_of(newest) if newest is not None else ""
    kept = store.runs(series)
    if newest is not None and not newest_run:
        yield Entry(series, "(newest)", True, None, "the newest verdict cannot be read")
    elif newest is not None and newest_run not in kept:
        yield _gone(series, newest_run, newest)
    elif newest is None and kept:
        yield Entry(series, "(newest)", True, None, "the newest verdict is gone")
    for run_id in kept:
        raw = store.verdict(series, run_id)
        yield _entry(series, run_id, raw, run_id == newest_run, store.records(series, run_id))


def _gone(series: Series, run_id: str, newest: bytes) -> Entry:
    """The newest run where it is not among those that are kept: begun after they were listed, if it is not over, or removed."""
    entry = _entry(series, run_id, newest, True, ())
    if entry.verdict is None or entry.verdict.decision is Decision.PENDING:
        return entry
    return Entry(series, run_id, True, None, "it is the newest, and its folder is gone")


def _entry(series: Series, run_id: str, raw: bytes | None, newest: bool, records: tuple[str, ...]) -> Entry:
    if raw is None:
        return Entry(series, run_id, newest, None, "it has no verdict", records)
    try:
        verdict = parse(raw)
    except VerdictError as error:
        return Entry(series, run_id, newest, None, f"{error.code}: {error.message}", records)
    info, damage = verdict.info, ""
    if (info.run_id, info.profile, info.phase) != (run_id, series.profile, series.phase):
        damage = f"it is the verdict of {info.profile}/{info.phase} run {info.run_id}"
    elif info.finished is not None and decide(verdict.record) != verdict.decided:
        damage = "its decision does not follow from its record"
    return Entry(series, run_id, newest, None if damage else verdict, damage, records)


def one(store: VerdictStore, series: Series, run_id: str) -> Entry:
    """One run of a series.

    Raises:
        GonogoError: the store could not be asked.
    """
    newest = store.latest(series)
    is_newest = newest is not None and run_of(newest) == run_id
    return _entry(series, run_id, store.verdict(series, run_id), is_newest, store.records(series, run_id))


def find(store: VerdictStore, run_id: str, profile: str = "") -> Series:
    """The series that a run is of, among those of a profile where one is named.

    Raises:
        VerdictError: there is no such run.
    """
    for series in store.series():
        if profile in ("", series.profile) and run_id in store.runs(series):
            return series
    raise missing_run(store.uri, run_id)


def _newest_first(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The run that the store holds for the newest, before those whose machines' clocks, and so their ids, were ahead of its own."""
    ahead: list[Entry] = []
    for entry in (found := iter(entries)):
        if entry.newest:
            yield entry
            break
        ahead.append(entry)
    yield from ahead
    yield from found


def last_go(store: VerdictStore, asked: Question, into: Path) -> Verified:
    """The verdict of a profile's last run that speaks of exactly what is asked, when it is a GO by that profile.

    What another gate needs that asks whether this release was GO elsewhere (in staging). The last run decides: an older
    GO of the same subjects does not count when a later one is no GO, nor when a later one is damaged, which may have been.
    A later run of other subjects changes nothing. The run is copied below `into`, with its evidence where that is required.

    Raises:
        VerdictError: there is none, or it is refused; the codes are those of `harness.verdict.verify`.
        GonogoError: the store could not be asked.
    """
    series = Series(asked.profile.name, asked.phase)
    for entry in _newest_first(history(store, series)):
        if entry.verdict is None:
            raise VerdictError(
                Refusal.UNREADABLE.value,
                f"{store.uri}: run {entry.run_id} of {series} is damaged ({entry.damage}); it may be about this release",
                hint="run the gates of this release again: the last run decides",
            )
        if entry.about(asked.subjects, asked.source):
            return verify(
                store.fetch(series, entry.run_id, into, evidence=asked.require_evidence) / FILE, asked
            )
    what = [f"{name}@{digest}" for name, digest in asked.subjects.items()]
    what += [asked.source] if asked.source else []
    images = "".join(f" --image {name}@{digest}" for name, digest in asked.subjects.items())
    raise VerdictError(
        Refusal.MISSING.value,
        f"{store.uri}: no run of {series} is about {', '.join(what)}",
        hint="run its gates for this release first: "
        f"gonogo gate --profile {asked.profile.name} --phase {asked.phase}{images}",
    )
