"""Why a verdict does not let a deploy go on: the codes, and the errors that carry them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from harness.errors import ExitCode, VerdictError
from harness.model import Decision
from harness.verdict.statement import Verdict


class Refusal(StrEnum):
    """Why a verdict does not let a deploy go on: one stable code each, in the order they are looked for."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    BUNDLE = "bundle"
    STORE = "store"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    NOT_CANONICAL = "not_canonical"
    UNKNOWN_VALUE = "unknown_value"
    ALTERED = "altered"
    INCONSISTENT = "inconsistent"
    SUPERSEDED = "superseded"
    PENDING = "pending"
    UNSIGNED = "unsigned"
    SIGNER_UNKNOWN = "signer_unknown"
    SIGNATURE_INVALID = "signature_invalid"
    SIGNERS_TOO_FEW = "signers_too_few"
    SUBJECT = "subject"
    SOURCE = "source"
    ENVIRONMENT = "environment"
    STAND_IN = "stand_in"
    PHASE = "phase"
    POLICY = "policy"
    WAIVER = "waiver"
    FROM_THE_FUTURE = "from_the_future"
    EXPIRED = "expired"
    EXPECTED_GATES = "expected_gates"
    EXPECTED_CHECKS = "expected_checks"
    PARTIAL = "partial"
    RECORD_MALFORMED = "record_malformed"
    RECORD_SUBJECT = "record_subject"
    RECORD_SIGNER_UNKNOWN = "record_signer_unknown"
    RECORD_SIGNATURE_INVALID = "record_signature_invalid"
    RECORD_TIME = "record_time"
    EVIDENCE_MISSING = "evidence_missing"
    EVIDENCE = "evidence"
    NOT_DERIVABLE = "not_derivable"
    NO_GO = "no_go"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    OVERRIDDEN = "overridden"
    DENIED = "denied"
    TOO_EARLY = "too_early"
    STARTER_UNPROVEN = "starter_unproven"
    SELF_APPROVED = "self_approved"
    APPROVAL_EXPIRED = "approval_expired"
    APPROVAL_MISSING = "approval_missing"


class RefusedError(VerdictError):
    """A verdict that was read and may not be used for what was asked; `verdict` is what it says all the same."""

    def __init__(self, code: Refusal, message: str, verdict: Verdict, *, hint: str) -> None:
        super().__init__(code.value, message, hint=hint)
        self.verdict = verdict


class NotGoError(RefusedError):
    """A usable verdict that says something else than GO; the exit code is the decision's."""


class _NoGoError(NotGoError):
    exit_code: ClassVar[ExitCode] = ExitCode.NO_GO


class _InconclusiveError(NotGoError):
    exit_code: ClassVar[ExitCode] = ExitCode.INCONCLUSIVE


class _BrokenError(NotGoError):
    exit_code: ClassVar[ExitCode] = ExitCode.ERROR


class _PendingError(NotGoError):
    exit_code: ClassVar[ExitCode] = ExitCode.PENDING


_NOT_GO: Mapping[Decision, tuple[type[NotGoError], Refusal]] = {
    Decision.NO_GO: (_NoGoError, Refusal.NO_GO),
    Decision.INCONCLUSIVE: (_InconclusiveError, Refusal.INCONCLUSIVE),
    Decision.ERROR: (_BrokenError, Refusal.ERROR),
    Decision.PENDING: (_PendingError, Refusal.PENDING),
}


def not_go(verdict: Verdict, more: str = "") -> NotGoError:
    """The refusal of a verdict that says something else than GO, with its first reason and what `more` there is to say."""
    kind, code = _NOT_GO[verdict.decision]
    first = verdict.decided.reasons[0]
    place = first.check or first.gate
    return kind(
        code,
        f"the verdict is {verdict.decision}: {f'{place}: ' if place else ''}{first.text}{more}",
        verdict,
        hint=first.hint or "see `gonogo explain`",
    )
