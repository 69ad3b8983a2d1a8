"""Everything that can go wrong on purpose: one tree, and every error says what to do next.

An error that is *expected* (bad input, a missing tool, a verdict that does not verify) is a `GonogoError`; the
command line prints its message and hint and exits with its code. Anything else is a bug: it keeps its traceback and is an `ExitCode.ERROR`.
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The process exit codes. ``0`` is the only one that lets a deploy go on; 1 to 5 are pytest's and never used."""

    GO = 0
    NO_GO = 10
    INCONCLUSIVE = 11
    ERROR = 12
    PENDING = 13
    UNUSABLE = 14
    OVERRIDDEN = 15
    USAGE = 64


class GonogoError(Exception):
    """An expected failure: what happened and where (`message`), and what to do next (`hint`)."""

    exit_code: ClassVar[ExitCode] = ExitCode.ERROR

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message


class UsageError(GonogoError):
    """A command that cannot mean anything: an unknown gate, phase or option value."""

    exit_code = ExitCode.USAGE


class ProfileError(GonogoError):
    """A profile that cannot be read or does not validate; the message names file, line and key."""

    exit_code = ExitCode.USAGE


class ThresholdError(ProfileError):
    """A threshold that does not parse, or that compares a metric with a limit of another kind."""


class ToolError(GonogoError):
    """A tool that broke, is missing, or wrote something that cannot be trusted. A tool that broke did not pass."""


class OutputError(GonogoError):
    """What was found could not be told: an answer that nobody got is no GO."""


class VerdictError(GonogoError):
    """A verdict that may not be used. `code` is the stable reason, one per way of refusing."""

    exit_code = ExitCode.UNUSABLE

    def __init__(self, code: str, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.code = code
