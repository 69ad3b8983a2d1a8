"""Publishing a run's verdict: to the reports folder, and to the store that others read, where there is one.

The store is told first of all that a run has begun, and is given the verdict before this machine's newest one is
replaced. So where the store could not be reached there is no GO here that nobody else sees: the newest verdict stays
PENDING in both places, and the run's own file waits to be published again.
"""

from pathlib import Path

from harness.errors import GonogoError
from harness.frozen import dataclass
from harness.verdict import store as folders
from harness.verdict.store import FILE, StoreError
from harness.verdict.stores import Series, VerdictStore


@dataclass(frozen=True)
class Publication:
    """What came of it: whether the verdict is the newest, here and in the store; and why it is not in the store."""

    newest: bool
    failure: GonogoError | None = None


def begin(home: Path, series: Series, run_id: str, placeholder: bytes, store: VerdictStore | None) -> None:
    """Make a run the newest, with its PENDING verdict, in its reports folder `home` and in the store.

    Raises:
        GonogoError: it could not be done; the run must not begin.
    """
    folders.publish(home, placeholder, run_id, start=True)
    if store is not None:
        store.begin(series, run_id, placeholder)


def publish(home: Path, series: Series, run_id: str, raw: bytes, store: VerdictStore | None) -> Publication:
    """Publish what a run came to, with the evidence in its folder.

    Raises:
        GonogoError: it could not be written on this machine.
    """
    if store is None:
        return Publication(folders.publish(home, raw, run_id))
    own = folders.run_folder(home, run_id)
    try:
        folders.write_atomic(own / FILE, raw)
    except OSError as error:
        raise StoreError(
            f"{own / FILE}: the verdict of run {run_id} could not be written: {error}",
            hint="make room or set the permissions right, and run again",
        ) from error
    try:
        newest = store.finish(series, run_id, raw, own)
    except GonogoError as failure:
        return Publication(False, failure)
    return Publication(folders.publish(home, raw, run_id) and newest)
