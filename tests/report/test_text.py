"""Foreign text is made harmless; figures read the same everywhere."""

from fractions import Fraction

import pytest

from harness.masking import register
from harness.model import Finding, ThresholdResult, Unit
from harness.report.text import bounded, clean, counts, figure, finding_line, one_line, plural, seconds


@pytest.mark.parametrize(
    ("foreign", "harmless"),
    [
        ("plain ✓ text\twith tab\n", "plain ✓ text\twith tab\n"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;https://evil.example\x07link\x1b]8;;\x1b\\", "link"),
        ("bell\x07 nul\x00", "bell\ufffd nul\ufffd"),
        ("dos\r\nline\rover", "dos\nline\nover"),
        ("abc\u202edcba", "abc\ufffddcba"),
        ("half \ud800 pair", "half \ufffd pair"),
        ("\ufffe\uffff", "\ufffd\ufffd"),
    ],
)
def test_clean(foreign: str, harmless: str) -> None:
    assert clean(foreign) == harmless
    clean(foreign).encode()


def test_clean_masks() -> None:
    register("correct-horse-battery")
    assert clean("password correct-horse-battery") == "password ****"


def test_one_line_is_cut_with_an_ellipsis() -> None:
    assert one_line("a\n  b\tc") == "a b c"
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("abcd", 4) == "abcd"
    assert one_line("ab cdef", 4) == "ab…"


def test_bounded_says_what_it_left_out() -> None:
    assert bounded(("a", "b"), 2) == ["a", "b"]
    assert bounded(("a\nb", "c" * 9), 2, 3) == ["a", "b", "… 1 more lines"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-1, "0.0 s"), (0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 m"), (60, "1 m"),
        (65, "1 m 05 s"), (3599.7, "1 h"), (3600, "1 h"), (3725, "1 h 02 m"), (86400, "24 h"),
    ],
)  # fmt: skip
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


def test_counts_and_plural() -> None:
    assert (
        counts({"passed": 1234, "failed": 0, "error": 1, "missing": 2}) == "1,234 passed, 1 broken, 2 not run"
    )
    assert counts({}) == "no checks"
    assert (plural(1, "check"), plural(2, "check"), plural(2, "entry", "entries")) == (
        "1 check",
        "2 checks",
        "2 entries",
    )


def test_a_finding_is_told_in_one_line_with_its_waiver() -> None:
    plain = Finding("B324", "md5", "high", "apps/etag.py", 3)
    assert finding_line(plain) == "apps/etag.py:3 B324 high md5"
    assert finding_line(Finding("CVE-1", "old", waiver="W-7")) == "CVE-1 old (waived by W-7)"


@pytest.mark.parametrize(
    ("seconds", "limit", "said"),
    [
        (1_076_358_983, 2_592_000, "12,457.9 d"),
        (2_592_000, 2_592_000, "2592000 s"),
        (2_592_001, 2_592_000, "2592001 s"),
        (60, 2_592_000, "60 s"),
    ],
)
def test_times_of_days_are_told_in_days_where_they_are_far_from_their_limit(
    seconds: int, limit: int, said: str
) -> None:
    judged = ThresholdResult(
        "left >= 30d", "left", Fraction(seconds), Fraction(limit), Unit.SECONDS, 1, seconds >= limit
    )
    assert figure(judged) == said
