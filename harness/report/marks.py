"""Signs and colours of the terminal: one of each for every state, the same in the live table and the summary."""

from collections.abc import Mapping
from io import TextIOWrapper

from rich.console import Console

from harness.model import Decision, GateOutcome, Outcome
from harness.report.view import State

GOOD, BAD, BROKEN, UNKNOWN, QUIET = "green", "red", "magenta", "yellow", "dim"
"""Colour only where it means something: held, failed, broken, not proven, not concerned."""

DECISIONS: Mapping[str, str] = {
    Decision.GO: GOOD,
    Decision.PENDING: UNKNOWN,
    Decision.INCONCLUSIVE: UNKNOWN,
    Decision.NO_GO: BAD,
    Decision.ERROR: BROKEN,
}

_STYLES: Mapping[str, str] = {
    **dict.fromkeys((State.PASSED, GateOutcome.PASS, Outcome.PASSED), GOOD),
    **dict.fromkeys((State.FAILED, GateOutcome.FAIL, Outcome.FAILED), BAD),
    **dict.fromkeys((State.ERROR, GateOutcome.ERROR, "unexpected"), BROKEN),
    **dict.fromkeys((State.INCONCLUSIVE, State.NOT_RUN, GateOutcome.NOT_RUN, "no checks"), UNKNOWN),
    **dict.fromkeys((State.SKIPPED, State.WAIVED), "cyan"),
    **dict.fromkeys((State.BLOCKED, "waiting"), QUIET),
}
_SIGNS = {GOOD: "✓", BAD: "✗", BROKEN: "!", UNKNOWN: "?", "cyan": "–", QUIET: "·", "": "·"}
_PLAIN = {"✓": "+", "✗": "x", "–": "-", "·": ".", "→": "->", "│": "|", "…": "...", "█": "#", "░": "."}


def style(state: str) -> str:
    """The colour of a state, an outcome or a gate's outcome; none for one it does not know."""
    return _STYLES.get(state, "")


def sign(console: Console, state: str) -> str:
    """The sign of a state, drawable on this terminal."""
    return draw(console, _SIGNS[style(state)])


def draw(console: Console, text: str) -> str:
    """The text with signs that a terminal without Unicode can show."""
    if not console.options.ascii_only:
        return text
    for char, plain in _PLAIN.items():
        text = text.replace(char, plain)
    return text


def tolerant(console: Console) -> Console:
    """The console, from now on printing a replacement for what its encoding cannot hold, instead of failing."""
    if isinstance(console.file, TextIOWrapper):
        console.file.reconfigure(errors="replace")
    return console
