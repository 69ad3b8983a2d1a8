"""Where verdicts are kept: one interface, a folder (`harness.verdict.folder_store`) or an S3 bucket
(`harness.verdict.object_store`) behind it; `harness.verdict.named_store` says which.

A *series* is the runs of one profile and phase. Each run has a verdict of its own, which is written once; one run is
the newest, the one that *began* last, and its verdict (PENDING until it is over) is what a deploy step is given.
"""

from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Protocol

from harness.errors import UsageError, VerdictError
from harness.frozen import dataclass
from harness.model import Phase
from harness.verdict.envelope import payload_of
from harness.verdict.refusal import Refusal
from harness.verdict.statement import Verdict, parse
from harness.verdict.store import StoreError


@dataclass(frozen=True, order=True)
class Series:
    """The runs of one profile and phase."""

    profile: str
    phase: Phase

    def __str__(self) -> str:
        return f"{self.profile}/{self.phase.value}"


class VerdictStore(Protocol):
    """What a store can do. Nothing in it is ever overwritten but the newest verdict, and that only by the rule.

    Every method raises a `GonogoError` (a `StoreError`, or the fault that was met) where it could not be done.
    """

    @property
    def uri(self) -> str:
        """How it is called in messages and on the command line."""

    def begin(self, series: Series, run_id: str, placeholder: bytes) -> None:
        """Make a run the newest, with its PENDING verdict."""

    def finish(self, series: Series, run_id: str, raw: bytes, folder: Path | None = None) -> bool:
        """Keep a run's verdict, after the evidence in `folder` that it names. Says whether it is the newest.

        What is kept already with the same bytes is not sent again; with other bytes it is an error.
        """

    def attach(self, series: Series, run_id: str, kind: str, raw: bytes) -> str:
        """Keep a record (``approval``…) beside a run's verdict; returns its name, ``approval-1.intoto.json``."""

    def latest(self, series: Series) -> bytes | None:
        """The newest run's verdict."""

    def series(self) -> tuple[Series, ...]:
        """Of which profiles and phases there are runs."""

    def runs(self, series: Series, after: str = "") -> tuple[str, ...]:
        """The ids of the runs that are kept, the last first: an id begins with the time the run began (`began`).

        With `after`, those that are greater.
        """

    def verdict(self, series: Series, run_id: str) -> bytes | None:
        """One run's verdict, or its placeholder."""

    def records(self, series: Series, run_id: str) -> tuple[str, ...]:
        """The names of a run's records."""

    def fetch(self, series: Series, run_id: str, into: Path, *, evidence: bool = True) -> Path:
        """Copy a run's verdict, records and evidence to a folder ``into/<run-id>``, which is returned."""


def began(run_id: str) -> datetime | None:
    """When a run began, to the second (UTC), as its id says; ``None`` where it is no gate's own id."""
    try:
        return datetime.strptime(run_id.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def require_name(run_id: str) -> None:
    """A run's id is the name of a folder, and no way out of it.

    Raises:
        StoreError: it is not.
    """
    if PurePosixPath(run_id).name != run_id or not run_id.isprintable() or run_id in ("", ".", ".."):
        raise StoreError(f"{run_id!r} is no run's id", hint="see `gonogo verdicts list`")


def new_folder(into: Path, run_id: str) -> Path:
    """The folder that a run is copied to, which must not be there.

    Raises:
        UsageError: it is.
        StoreError: it cannot be made, or the id is no name.
    """
    require_name(run_id)
    target = into / run_id
    try:
        target.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(f"{target}: is there already", hint="name another folder") from None
    except OSError as error:
        raise StoreError(
            f"{target}: cannot be made: {error.strerror}", hint="name a folder that can be written"
        ) from error
    return target


def parsed(raw: bytes, where: str) -> Verdict:
    """A verdict out of a store.

    Raises:
        VerdictError: it is damaged; the message says where it is.
    """
    try:
        return parse(raw)
    except VerdictError as error:
        raise VerdictError(error.code, f"{where}: {error.message}", hint=error.hint) from None


def same_verdict(one: bytes, other: bytes) -> bool:
    """Whether two files hold the same statement, however it is signed."""
    return payload_of(one) == payload_of(other)


def missing_run(uri: str, run_id: str) -> VerdictError:
    """There is no such run."""
    return VerdictError(
        Refusal.MISSING.value, f"{uri}: there is no run {run_id}", hint="see `gonogo verdicts list`"
    )
