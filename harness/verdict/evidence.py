"""The files that a verdict rests on, held against their digests."""

import hashlib
import os
from pathlib import Path

from harness.model import Evidence
from harness.plain_files import open_plain
from harness.verdict.refusal import Refusal, RefusedError
from harness.verdict.statement import Verdict
from harness.verdict.store import RUNS


def run_home(verdict: Path, run_id: str) -> Path:
    """The folder of a verdict's run, for the run's own verdict and for the newest one alike."""
    return verdict.parent if verdict.parent.name == run_id else verdict.parent / RUNS / run_id


def evidence_of(verdict: Verdict) -> tuple[Evidence, ...]:
    """Every file of evidence that a verdict names, once, by its path."""
    found = {each.path: each for result in verdict.record.results for each in result.evidence}
    return tuple(found[path] for path in sorted(found))


def hold_evidence(path: Path, verdict: Verdict, *, require: bool) -> int:
    """Hold every evidence file that is there against its digest; says how many that were.

    Args:
        path: the verdict's file; the evidence is in its run's folder.
        verdict: what names the files.
        require: whether each must be there.

    Raises:
        RefusedError: one is not there and must be, or is not what it was.
    """
    run_id = verdict.info.run_id
    folder = run_home(path, run_id)
    held = 0
    if not require and _is_missing(folder):
        return 0
    for evidence in (each for result in verdict.record.results for each in result.evidence):
        file = folder / evidence.path
        try:
            found = _sha256(file, evidence.size)
        except FileNotFoundError:
            if not require:
                continue
            raise RefusedError(
                Refusal.EVIDENCE_MISSING,
                f"{file}: the evidence is not there",
                verdict,
                hint="bring the run's folder along, or leave out --require-evidence",
            ) from None
        except OSError as error:
            found = f"unreadable: {error.strerror or error}"
        if found != evidence.sha256:
            raise RefusedError(
                Refusal.EVIDENCE,
                f"{file}: the evidence is not what the verdict rests on",
                verdict,
                hint="it was changed after the run; run the gates again",
            )
        held += 1
    return held


def _is_missing(folder: Path) -> bool:
    """Whether there is nothing at all, so that no file in it need be looked for."""
    try:
        folder.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _sha256(file: Path, size: int) -> str:
    """The digest of a plain file of this size; a link or a pipe in its place is an `OSError`."""
    with open_plain(file, follow=False) as opened:
        if (found := os.fstat(opened.fileno()).st_size) != size:
            return f"{found} bytes"
        return hashlib.file_digest(opened, "sha256").hexdigest()
