"""Text for people: what others wrote made harmless, numbers and times in one style everywhere.

Reasons, diagnoses and names come from tools, servers and other people's tests. None of them may colour a
terminal, break a document, reverse the reading direction or carry a secret into a report.
"""

import re
from collections.abc import Mapping
from fractions import Fraction

from harness.masking import mask
from harness.model import Decision, Finding, Outcome, ThresholdResult, Unit
from harness.threshold import show

_DAY = 86_400
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Control characters, direction overrides, lone surrogates and what XML 1.0 (section 2.2) does not allow."""

EXIT_TEXT: Mapping[Decision, str] = {
    Decision.GO: "The release may go.",
    Decision.NO_GO: "The release may not go: a proof failed.",
    Decision.INCONCLUSIVE: "The release may not go: a required proof could not be had.",
    Decision.ERROR: "The release may not go: a gate or a tool broke, so nothing is known.",
    Decision.PENDING: "The release may not go yet: the run has not finished.",
}
"""What each decision means, in one sentence."""

COUNTS: tuple[tuple[str, str], ...] = (
    (Outcome.PASSED, "passed"),
    (Outcome.FAILED, "failed"),
    (Outcome.ERROR, "broken"),
    (Outcome.INCONCLUSIVE, "inconclusive"),
    (Outcome.SKIPPED, "skipped"),
    ("missing", "not run"),
)
"""The counts of a gate in reading order, and how each is called."""


def clean(text: str) -> str:
    """Make foreign text harmless: masked, no escape sequences, no control characters but tab and line end."""
    text = _ANSI.sub("", mask(text)).replace("\r\n", "\n")
    return _FORBIDDEN.sub("\ufffd", text.replace("\r", "\n"))


def one_line(text: str, width: int = 0) -> str:
    """The text on one line, white space collapsed; cut with an ellipsis when longer than `width` (0: never)."""
    line = " ".join(clean(text).split())
    return line if not width or len(line) <= width else f"{line[: max(width - 1, 0)].rstrip()}…"


def bounded(lines: tuple[str, ...], limit: int, width: int = 0) -> list[str]:
    """At most `limit` lines, each at most `width` long, and a last one that says how many were left out."""
    shown = [line[:width] if width else line for text in lines for line in clean(text).split("\n")]
    if len(shown) <= limit:
        return shown
    return [*shown[:limit], f"… {len(shown) - limit:,} more lines"]


def plural(count: int, noun: str, many: str = "") -> str:
    """``1 check``, ``2 checks``."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def seconds(value: float) -> str:
    """A length of time as one reads it: ``0.3 s``, ``42 s``, ``4 m 05 s``, ``1 h 02 m``."""
    if value < 9.95:
        return f"{max(value, 0.0):.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} m {rest:02d} s" if rest else f"{minutes} m"
    hours, rest = divmod(whole // 60, 60)
    return f"{hours} h {rest:02d} m" if rest else f"{hours} h"


def figure(result: ThresholdResult) -> str:
    """What a threshold was held against, never reading like its limit; times of days in days."""
    value, limit = result.actual, result.limit
    if value is not None and result.unit is Unit.SECONDS and _far(value, limit):
        return f"{round(value / _DAY * 10) / 10:,.1f} d"
    return show(value, result.unit, beside=limit)


def _far(value: Fraction, limit: Fraction) -> bool:
    """Whether a time is one of days, and so far from its limit that tenths of a day tell them apart."""
    return abs(value) >= 2 * _DAY and abs(value - limit) >= _DAY


def counts(figures: Mapping[str, int]) -> str:
    """The figures of a gate in words, without the zeros: ``41 passed, 1 failed``."""
    parts = [f"{figures[key]:,} {word}" for key, word in COUNTS if figures.get(key)]
    return ", ".join(parts) or "no checks"


def finding_line(finding: Finding) -> str:
    """A finding in one line: its place, what it is, and the waiver that covers it."""
    place = f"{finding.path}:{finding.line}" if finding.path else ""
    waived = f"(waived by {finding.waiver})" if finding.waiver else ""
    return " ".join(part for part in (place, finding.rule, finding.severity, finding.message, waived) if part)
