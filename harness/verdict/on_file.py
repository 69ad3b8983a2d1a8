"""A verdict in a file, read and nothing more: whether it can be relied on is for `harness.verdict.verify`."""

from pathlib import Path

from harness.errors import VerdictError
from harness.plain_files import open_plain, read_plain
from harness.verdict.refusal import Refusal
from harness.verdict.statement import Verdict, parse

_GZIP = b"\x1f\x8b"


def read_verdict(path: Path) -> Verdict:
    """Read the verdict at `path`, and nothing more: it may be anybody's, about anything.

    Raises:
        VerdictError: it is not there or not a verdict; the message names the file.
    """
    return parse_verdict(path, read_bytes(path))


def parse_verdict(path: Path, raw: bytes) -> Verdict:
    """Read a verdict that was read from `path`.

    Raises:
        VerdictError: it is not one; the message names the file.
    """
    try:
        return parse(raw)
    except VerdictError as error:
        raise VerdictError(error.code, f"{path}: {error.message}", hint=error.hint) from None


def read_bytes(path: Path) -> bytes:
    """The bytes of the verdict at `path`.

    Raises:
        VerdictError: ``missing``, or ``unreadable``: no plain file, or larger than any verdict.
    """
    try:
        return read_plain(path)
    except FileNotFoundError:
        raise VerdictError(
            Refusal.MISSING.value,
            f"{path}: there is no verdict",
            hint=f"run the gates first (gonogo gate), or {_looked(path)}",
        ) from None
    except OSError as error:
        raise VerdictError(
            Refusal.UNREADABLE.value,
            f"{path}: the verdict cannot be read: {error.strerror}",
            hint="look at the path and its permissions",
        ) from error


def is_bundle(path: Path) -> bool:
    """Whether a file is a bundle (`harness.verdict.bundle`) rather than a verdict, by its first bytes."""
    try:
        with open_plain(path) as file:
            return file.read(len(_GZIP)) == _GZIP
    except OSError:
        return False


def _looked(path: Path) -> str:
    """What else may be wrong where nothing was found."""
    return "correct the path" if path.is_absolute() else f"correct the path, which begins in {Path.cwd()}"
