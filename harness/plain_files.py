"""Reading files that somebody else may have put there: plain files only, and no more of them than there can be."""

import errno
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

LARGEST = 64_000_000
"""Bytes of the largest verdict or record that is read."""
LARGEST_TEXT = 4_000_000
"""Bytes of the largest file that people write: a profile, waivers, a key."""
_PIECE = 1 << 20


def open_plain(path: Path, *, follow: bool = True) -> BufferedReader:
    """Open a plain file. What stands in its place never makes the reader wait or read for ever: a pipe, a device.

    Without `follow`, a link is none either.

    Raises:
        OSError: it is no plain file, or cannot be opened.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a plain file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_plain(path: Path, most: int = LARGEST) -> bytes:
    """The content of a plain file of at most `most` bytes.

    Raises:
        OSError: it is none, is larger, or cannot be read.
    """
    with open_plain(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise _too_large(path, most)
    return content


def pieces(path: Path, most: int) -> Iterator[bytes]:
    """The content of a plain file of at most `most` bytes, piece by piece. A link is none.

    Raises:
        OSError: it is none, is larger, or cannot be read.
    """
    left = most
    with open_plain(path, follow=False) as file:
        while piece := file.read(_PIECE):
            left -= len(piece)
            if left < 0:
                raise _too_large(path, most)
            yield piece


def is_file(path: Path) -> bool:
    """Whether there is a file; what cannot be the name of one (too long, say), or cannot be looked at, names none."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder; what cannot be the name of one, or cannot be looked at, names none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _too_large(path: Path, most: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {most} bytes", str(path))
