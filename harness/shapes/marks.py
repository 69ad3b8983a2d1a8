"""What ``Annotated`` and `Field` add to reading a type: bounds, patterns, meanings of text, validators."""

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any

from harness.shapes.errors import ValidationError, refusal
from harness.shapes.field import AfterValidator, Limits, Mark

Read = Callable[[Any], Any]
_patterns: dict[str, Any] = {}


def marked(read: Read, marks: tuple[Any, ...], *, strict: bool) -> Read:
    """`read`, held to what stands around the type: bounds, meanings, validators."""
    for mark in marks:
        if isinstance(mark, Limits):
            read = _limited(read, mark)
    for mark in marks:
        if isinstance(mark, AfterValidator):
            read = judged(read, mark.function)
        elif isinstance(mark, Mark) and type(mark).meaning is not Mark.meaning:
            read = _meaning(read, mark, strict=strict)
    return read


def judged(read: Read, function: Callable[[Any], Any]) -> Read:
    """`read`, and then a function whose `ValueError` refuses what was read."""

    def read_judged(value: Any) -> Any:  # noqa: ANN401
        found = read(value)
        try:
            return function(found)
        except ValidationError:
            raise
        except ValueError as error:
            raise refusal("value_error", str(error), value) from error

    return read_judged


def _meaning(read: Read, mark: Mark, *, strict: bool) -> Read:
    def read_meaning(value: Any) -> Any:  # noqa: ANN401
        try:
            meant = mark.meaning(value, strict=strict)
        except ValueError as error:
            raise refusal("value_error", str(error), value) from error
        return read(meant)

    return read_meaning


def _limited(read: Read, limits: Limits) -> Read:
    bounds = [
        (code, text, holds, limit)
        for code, text, holds, limit in (
            ("greater_than_equal", "greater than or equal to", ge, limits.ge),
            ("greater_than", "greater than", gt, limits.gt),
            ("less_than_equal", "less than or equal to", le, limits.le),
            ("less_than", "less than", lt, limits.lt),
        )
        if limit is not None
    ]
    sized = limits.min_length is not None or limits.max_length is not None
    if not bounds and not sized and limits.pattern is None:
        return read

    def read_limited(value: Any) -> Any:  # noqa: ANN401
        found = read(value)
        for code, text, holds, limit in bounds:
            if not holds(found, limit):
                raise refusal(code, f"Input should be {text} {limit}", value)
        if sized:
            _hold_length(found, limits)
        if limits.pattern is not None and not pattern(limits.pattern).search(found):
            told = f"String should match pattern '{limits.pattern}'"
            raise refusal("string_pattern_mismatch", told, value, limits.fits)
        return found

    return read_limited


def _hold_length(found: Any, limits: Limits) -> None:  # noqa: ANN401
    what, unit = ("String", "character") if isinstance(found, str) else ("List", "item")
    if isinstance(found, dict):
        what = "Dictionary"
    least, most, size = limits.min_length, limits.max_length, len(found)
    after = "" if what == "String" else f" after validation, not {size}"
    if least is not None and size < least:
        told = f"{what} should have at least {least} {unit}{'s' if least > 1 else ''}{after}"
        raise refusal("too_short", told, found)
    if most is not None and size > most:
        told = f"{what} should have at most {most} {unit}{'s' if most > 1 else ''}{after}"
        raise refusal("too_long", told, found)


def pattern(text: str) -> Any:  # noqa: ANN401 - a compiled pattern
    """A pattern, compiled when first needed; its ``$`` is the very end, which Python writes ``\\Z``."""
    if text not in _patterns:
        import re

        anchored = re.sub(
            r"\\.|\[(?:\\.|[^\]])*\]|\$", lambda match: r"\Z" if match[0] == "$" else match[0], text
        )
        _patterns[text] = re.compile(anchored)
    return _patterns[text]
