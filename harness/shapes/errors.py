"""What is wrong with a value: every thing of it, with the way to it."""

from collections.abc import Iterable
from typing import NamedTuple

Path = tuple[str | int, ...]


class Wrong(NamedTuple):
    """One thing that is wrong. `code` is stable (``extra_forbidden``, ``int_type``), `text` is for people; `value` is what
    stands there and `expected`, for some codes, what might."""

    path: Path
    code: str
    text: str
    value: object = None
    expected: str = ""


class ValidationError(ValueError):
    """A value that is not of its shape; `wrong` is all that was found, in the order of the shape's keys."""

    def __init__(self, wrong: Iterable[Wrong]) -> None:
        self.wrong = tuple(wrong)
        super().__init__(self.wrong)

    def __str__(self) -> str:
        return "; ".join(
            f"{'.'.join(map(str, each.path))}: {each.text}" if each.path else each.text for each in self.wrong
        )

    def below(self, key: str | int) -> list[Wrong]:
        """The same, seen from one level further out."""
        return [each._replace(path=(key, *each.path)) for each in self.wrong]


def refusal(code: str, text: str, value: object, expected: str = "") -> ValidationError:
    """The error of one value."""
    return ValidationError([Wrong((), code, text, value, expected)])
