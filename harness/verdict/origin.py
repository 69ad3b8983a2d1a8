"""Where the verdict comes from that is verified: a file, a bundle, or a store, which also says whether it is the newest.

A profile that has a store is always held against it: whoever brings a file or a bundle along may bring one that a
later run has replaced.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import GonogoError, ProfileError, UsageError, VerdictError
from harness.frozen import dataclass
from harness.model import Phase
from harness.profile import Profile
from harness.verdict.on_file import is_bundle, parse_verdict, read_bytes
from harness.verdict.refusal import Refusal
from harness.verdict.store import FILE, folder_of, run_of
from harness.verdict.verify import Kept

if TYPE_CHECKING:
    from harness.verdict.stores import Series, VerdictStore


@dataclass(frozen=True)
class Origin:
    """A verdict on file, beside it its records and evidence; `name` is what it is called, also when the file is gone.

    `kept` is what the store has of a verdict that was brought along.
    """

    path: Path
    name: str
    kept: Kept | None = None


@contextmanager
def verdict_from(
    profile: Profile, phase: Phase, *, file: Path | None = None, store: str = "", run: str = ""
) -> Iterator[Origin]:
    """The verdict that is to be verified, for the length of a block.

    With a store (asked for, or the profile's), its newest verdict; or `run`, or the one in `file`, which must be it.

    Raises:
        VerdictError: it cannot be had (``missing``, ``bundle``, ``store``…), or is not the newest (``superseded``).
        UsageError: asked wrongly.
    """
    with ExitStack() as stack:
        path = file or folder_of(Path(profile.reports.path), profile.name, phase) / FILE
        name, kept = str(path), None
        if file is not None and is_bundle(file):
            from harness.verdict.bundle import opened

            path = stack.enter_context(opened(file))
        if (kept_in := _store(profile, store)) is not None:
            from harness.verdict.stores import Series

            newest = _Newest(kept_in, Series(profile.name, phase))
            if file is not None and run:
                raise UsageError("--run and --verdict name two verdicts", hint="give one of them")
            if file is None:
                path, name = stack.enter_context(newest.fetched(run))
            else:
                kept = stack.enter_context(newest.kept(path))
        elif run:
            raise UsageError("--run names a run of a store", hint="give --store as well")
        yield Origin(path, name, kept)


def _before(one: str, other: str) -> bool:
    """Whether a run is known to have begun before another."""
    from harness.verdict.stores import began

    first, second = began(one), began(other)
    return first is not None and second is not None and first < second


def _store(profile: Profile, asked: str) -> "VerdictStore | None":
    """What stores take is imported only where there is one."""
    if not (asked or profile.store.uri):
        return None
    from harness.verdict.named_store import store_of

    return store_of(profile, asked)


class _Newest:
    """A store, asked for the newest verdict of one profile and phase."""

    def __init__(self, store: "VerdictStore", series: "Series") -> None:
        self._store, self._series = store, series

    @contextmanager
    def fetched(self, run: str) -> Iterator[tuple[Path, str]]:
        """A run's verdict, records and evidence, or the newest run's; with its name."""
        import tempfile

        with tempfile.TemporaryDirectory(prefix="gonogo-") as folder:
            with self._asking():
                newest = self._latest()
                run_id = run or run_of(newest)
                name = f"{self._store.uri}/{self._series} run {run_id}"
                if not run_id:
                    raise VerdictError(
                        Refusal.UNREADABLE.value,
                        f"{self._store.uri}: the newest verdict of {self._series} is damaged",
                        hint="run the gates again",
                    )
                path = self._store.fetch(self._series, run_id, Path(folder)) / FILE
            self._require(read_bytes(path), run_id, newest)
            yield path, name

    @contextmanager
    def kept(self, path: Path) -> Iterator[Kept]:
        """The verdict at `path`, which is the newest, and the records that the store has of it.

        Whoever brings a file along may have left a denial out.
        """
        import tempfile

        raw = read_bytes(path)
        info = parse_verdict(path, raw).info
        run_id = info.run_id
        self._hold_series(info.profile, info.phase)
        with tempfile.TemporaryDirectory(prefix="gonogo-") as folder:
            with self._asking():
                self._require(raw, run_id, self._latest())
                run = self._store.fetch(self._series, run_id, Path(folder), evidence=False)
            yield Kept(raw, run)

    def _require(self, raw: bytes, run_id: str, newest: bytes) -> None:
        """Refuse a verdict unless it is the newest.

        Raises:
            VerdictError: ``superseded``.
        """
        from harness.verdict.stores import same_verdict

        if same_verdict(newest, raw):
            return
        later, hint = run_of(newest), "verify the newest verdict: leave out --run and --verdict"
        if later == run_id:
            what = "the store holds something else of it: its run has not finished there"
        elif later and _before(later, run_id):
            what = f"that is {later}, which began earlier, and so this run was not begun in this store"
            hint = "run the gates with this store: [store] of the profile, or --store"
        else:
            what = f"a later run has begun, {later or 'whose verdict is damaged'}"
        raise VerdictError(
            Refusal.SUPERSEDED.value,
            f"run {run_id} is not the newest of {self._series} in {self._store.uri}: {what}",
            hint=hint,
        )

    def _hold_series(self, profile: str, phase: Phase) -> None:
        """Refuse a verdict of another environment or phase by what it is, not as an old one of this.

        Raises:
            VerdictError: ``environment`` or ``phase``.
        """
        if profile != self._series.profile:
            raise VerdictError(
                Refusal.ENVIRONMENT.value,
                f"the verdict is about {profile}, not {self._series.profile}",
                hint=f"name the verdict of {self._series.profile}, or --profile {profile}",
            )
        if phase is not self._series.phase:
            raise VerdictError(
                Refusal.PHASE.value,
                f"the verdict is about {phase}, not {self._series.phase}",
                hint=f"name the verdict of {self._series.phase}, or --phase {phase}",
            )

    def _latest(self) -> bytes:
        found = self._store.latest(self._series)
        if found is None:
            raise VerdictError(
                Refusal.MISSING.value,
                f"{self._store.uri}: there is no verdict of {self._series}",
                hint=f"run the gates first: gonogo gate --profile {self._series.profile} --phase {self._series.phase}",
            )
        self._hold_last(found)
        return found

    def _hold_last(self, newest: bytes) -> None:
        """Refuse what is called the newest where runs are kept that began later: whoever may replace that one object could
        otherwise bring back an older GO of the same bytes. A minute is left for clocks.

        Raises:
            VerdictError: ``superseded``.
        """
        from harness.verdict.info import CLOCK_SKEW
        from harness.verdict.stores import began

        run_id = run_of(newest)
        if (begun := began(run_id)) is None:
            return
        for later in self._store.runs(self._series, run_id):
            if (other := began(later)) is not None and other > begun + CLOCK_SKEW:
                raise VerdictError(
                    Refusal.SUPERSEDED.value,
                    f"{self._store.uri}: run {later} of {self._series} began after run {run_id}, which is called the newest",
                    hint="run the gates again, and find out who replaced the newest verdict, or whose clock is wrong",
                )

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """What a store met instead of an answer is a reason of its own: nothing is known of the verdict."""
        try:
            yield
        except (VerdictError, UsageError, ProfileError):
            raise
        except GonogoError as error:
            raise VerdictError(Refusal.STORE.value, error.message, hint=error.hint) from error
