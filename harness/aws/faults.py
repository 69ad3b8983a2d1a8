"""What a check meets instead of an answer, told apart: absent is not broken is not forbidden.

`harness.aws.reading` turns what botocore raises into one of these; each knows which outcome it is for a check.
"""

from harness.errors import GonogoError
from harness.model import Cause, Outcome


class Fault(GonogoError):  # noqa: N818 - what was met, not always an error
    """An environment that did not answer a check's question; `outcome` and `cause` say how a check reads it."""

    outcome: Outcome = Outcome.ERROR
    cause: Cause | None = None
    code: str = ""
    """The error code that AWS gave; empty where it gave none."""


class Absent(Fault):
    """The resource does not exist. A failure of the check; only the census may read absence as "not deployed"."""

    outcome = Outcome.FAILED


class Denied(Fault):
    """Access denied: an error, never a skip; the message names the IAM action."""


class Misconfigured(Fault):
    """Credentials, account, region or endpoint that are configured but wrong, expired or unreadable."""


class Broken(Fault):
    """The service answered with failures (throttling, 5xx) until the retries were used up."""


class NotDeployed(Fault):
    """Nothing of the environment that is expected now exists; only the census may say so."""

    outcome = Outcome.SKIPPED
    cause = Cause.ABSENT


class NoCredentials(Fault):
    """No credentials are configured at all."""

    outcome = Outcome.SKIPPED
    cause = Cause.NO_CREDENTIALS


class Unreachable(Fault):
    """No answer after retries: refused, timed out, DNS, TLS, something that is not the service."""

    outcome = Outcome.SKIPPED
    cause = Cause.UNREACHABLE


class NotEmulated(Fault):
    """The stand-in cannot show it; a run against the stand-in must not claim it."""

    outcome = Outcome.SKIPPED
    cause = Cause.NOT_EMULATED
