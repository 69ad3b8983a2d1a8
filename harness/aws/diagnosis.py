"""What one would look up next: gathered after a check has failed, and never a reason to fail differently."""

from collections.abc import Callable, Iterable

from harness.aws.faults import Fault

Part = tuple[str, Callable[[], Iterable[str]]]
"""What it is called, and how to read its lines."""


def gather(*parts: Part) -> tuple[str, ...]:
    """The lines of every part; one that AWS does not give says so in a line of its own."""
    lines: list[str] = []
    for title, read in parts:
        try:
            lines.extend(read())
        except Fault as fault:
            lines.append(f"{title} could not be read: {fault.message}")
    return tuple(lines)
