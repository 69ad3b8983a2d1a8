"""Every position of a file, with several other values: what a single damaged or forged byte can be."""

from collections.abc import Callable, Iterator

from harness.errors import GonogoError

NEAR = (0x01, 0x20, 0x80)
"""What is laid over a byte (xor): its lowest bit, which base64 may not see; the case of a letter; no ASCII."""
WELL_KNOWN = b' "=A0\n'
"""Bytes that mean something in JSON or base64."""


def changes(raw: bytes, *, every: int = 1, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Each changed file with the position of its change: other values at every `every`-th position from `offset`, the
    byte left out, and a byte put in before it."""
    for position in range(offset, len(raw), every):
        here = raw[position]
        values = {here ^ mask for mask in NEAR} | {*WELL_KNOWN} | {(here + 1) % 256}
        for value in sorted(values - {here}):
            yield position, raw[:position] + bytes((value,)) + raw[position + 1 :]
        yield position, raw[:position] + raw[position + 1 :]
        yield position, raw[:position] + b" " + raw[position:]


def accepted(
    raw: bytes, judge: Callable[[bytes], object], *, every: int = 1, offset: int = 0
) -> tuple[int, list[str]]:
    """How many changes were tried, and those that `judge` accepted, which must raise a `GonogoError` of each.

    Any other exception is passed on: a reader must refuse what it cannot read, not break.
    """
    tried, found = 0, []
    judge(raw)  # what is refused anyhow proves nothing
    for position, changed in changes(raw, every=every, offset=offset):
        tried += 1
        try:
            judge(changed)
        except GonogoError:
            continue
        found.append(f"byte {position}: {changed[max(0, position - 20) : position + 20]!r}")
    return tried, found
