"""What is wrong with a profile: every problem with its place, all of them at once."""

import re
from collections.abc import Iterable, Sequence

from harness.errors import ProfileError
from harness.frozen import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it was written (``staging.toml:12``, ``--set``), the key, and what is wrong."""

    source: str
    key: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.key, self.text) if part)


class InvalidProfileError(ProfileError):
    """A profile that does not validate; `problems` holds everything found."""

    def __init__(self, name: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=_order))
        count = len(self.problems)
        head = f"profile {name!r} has {count} problem{'s' if count > 1 else ''}:"
        super().__init__(
            "\n".join([head, *(f"  {problem}" for problem in self.problems)]),
            hint=f"correct {'them' if count > 1 else 'it'}, then run `gonogo profile check {name}`",
        )


def _order(problem: Problem) -> tuple[str, int, str, str]:
    label, _, line = problem.source.partition(":")
    digits = re.search(r"\d+$", line)
    return label, int(digits[0]) if digits else 0, problem.key, problem.text


def near(word: str, valid: Sequence[str], *, what: str = "valid") -> str:
    """``did you mean 'unit'? (valid: …)``, for a word that is none of the valid ones."""
    meant, all_of_them = meaning(word, valid), f"{what}: {', '.join(sorted(valid)) or 'none'}"
    return f"{meant} ({all_of_them})" if meant else all_of_them


def meaning(word: str, valid: Sequence[str]) -> str:
    """``did you mean 'unit'?``, or nothing where no valid word is near."""
    from difflib import get_close_matches

    close = get_close_matches(word, valid, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else ""
