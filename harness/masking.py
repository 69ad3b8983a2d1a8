"""Secrets never reach disk or screen: one place where values are registered and text is masked.

Two nets: values that were read somewhere (`register`) are masked wherever they appear, also escaped as they stand in
JSON or a URL; and what looks like a secret is masked by its shape. The mask has one width, so that it tells no
length, and masking twice is masking once. When in doubt it hides too much.
"""

import json
import re
from collections.abc import Callable
from functools import cache, cached_property
from urllib.parse import quote, quote_plus

from harness.frozen import dataclass

MASK = "****"
_SHORTEST = 4
_SHORT = 8
"""A registered value shorter than this is masked as a whole word only: `abcd` must not blot out `abcde`."""
_known: set[str] = set()


class _Pattern:
    """A regular expression, compiled when it is first looked for: most processes mask nothing."""

    def __init__(self, text: str, flags: int = 0) -> None:
        self._text = text
        self._flags = flags

    def sub(self, replacement: str | Callable[[re.Match[str]], str], text: str) -> str:
        """`re.Pattern.sub`."""
        return self._compiled.sub(replacement, text)

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self._text, self._flags)


@dataclass(frozen=True)
class _Shape:
    """What secrets of one kind look like. Text with none of the `anchors` (lower case) in it has none of them."""

    pattern: _Pattern
    replacement: str | Callable[[re.Match[str]], str]
    anchors: tuple[str, ...]


_NAMES = (
    r"(?:pass(?:word|wd|phrase)|pwd|secret[_-]?access[_-]?key|secret[_-]?key|secret[_-]?string|client[_-]?secret|"
    r"(?:session|security|access|refresh|auth|id|api|bearer)[_-]?token|api[_-]?key|private[_-]?key)"
)
_VALUES = (
    r"(?P<escaped>\\\"(?:[^\\\"\n]|\\\\(?:\\.|[^\\]))*(?:\\\"|(?=\n)|\Z))"
    r"|(?P<double>\"(?:[^\"\\\n]|\\.)*(?:\"|(?=\n)|\Z))"
    r"|(?P<single>'(?:[^'\\\n]|\\.)*(?:'|(?=\n)|\Z))"
    r"|(?(quote)(?P<number>-?\d[\d.eE+-]*)|(?P<plain>[^\s\"'&\\]+))"
)
_SCHEMES = r"(?:basic|bearer|digest|token|aws4-hmac-sha256)"


def _named(match: re.Match[str]) -> str:
    """A value keeps its quotes, so that JSON stays JSON; a number becomes a string."""
    quotes = {"escaped": '\\"', "double": '"', "single": "'", "number": '"'}
    quote_ = next((quotes[kind] for kind in quotes if match[kind] is not None), "")
    return f"{match['key']}{quote_}{MASK}{quote_}"


_SHAPES = (
    _Shape(
        _Pattern(r"-----BEGIN ([A-Z ]{0,30}PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL),
        rf"-----BEGIN \1-----{MASK}-----END \1-----",
        ("private key-----",),
    ),
    _Shape(
        _Pattern(
            rf"(?P<key>{_NAMES}\w{{0,20}}(?P<quote>\\?[\"'])?\s{{0,5}}[:=]\s{{0,5}})(?:{_VALUES})",
            re.IGNORECASE,
        ),
        _named,
        (
            "passw",
            "passp",
            "pwd",
            "secret",
            "token",
            "api_key",
            "api-key",
            "apikey",
            "private_key",
            "private-key",
        ),
    ),
    _Shape(
        _Pattern(r"(X-Amz-(?:Security-Token|Signature|Credential)=)[^\s&\"'\\]+", re.IGNORECASE),
        rf"\1{MASK}",
        ("x-amz-",),
    ),
    # A password with a raw slash is taken too, unless what follows the colon is a port.
    _Shape(
        _Pattern(r"(://[^\s/:@\"']{0,100}:)(?:[^\s/\"']{1,256}@|(?!\d+/)[^\s\"']{1,256}?@)"),
        rf"\1{MASK}@",
        ("://",),
    ),
    _Shape(
        _Pattern(
            rf"((?:authorization|cookie|x-api-key)\\?[\"']?\s{{0,5}}[:=]\s{{0,5}}\\?[\"']?)"
            rf"(?!(?:{_SCHEMES}\s{{1,5}})?\*{{4}})({_SCHEMES}\s{{1,5}})?[^\s\"'\\][^\r\n\"'\\]*",
            re.IGNORECASE,
        ),
        rf"\1\2{MASK}",
        ("authorization", "cookie", "x-api-key"),
    ),
    _Shape(
        _Pattern(r"\b((?:basic|bearer)\s{1,5})[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE),
        rf"\1{MASK}",
        ("basic", "bearer"),
    ),
    _Shape(_Pattern(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), MASK, ("eyj",)),
    _Shape(
        _Pattern(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|xox[abeoprs]-[\w-]{10,})"),
        MASK,
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "xox"),
    ),
)


def register(secret: str) -> None:
    """Make `secret` unspeakable in this process; called wherever one is read. Shorter than 4 characters is none."""
    if len(secret) >= _SHORTEST and MASK not in secret:
        _known.add(secret)
        _registered.cache_clear()


def mask(text: str) -> str:
    """Replace every known secret, and everything shaped like one."""
    if (known := _registered()) is not None:
        text = known.sub(MASK, text)
    lower = text.lower()
    for shape in _SHAPES:
        if any(anchor in lower for anchor in shape.anchors):
            text = shape.pattern.sub(shape.replacement, text)
    return text


@cache
def _registered() -> re.Pattern[str] | None:
    """One expression for all registered values in all forms, the longest first."""
    forms = {form for secret in _known for form in _forms(secret)}
    if not forms:
        return None
    return re.compile("|".join(_whole(form) for form in sorted(forms, key=len, reverse=True)))


def _forms(secret: str) -> set[str]:
    """The ways a value is written: as it is, in JSON, in a Python literal, in a URL."""
    in_json = json.dumps(secret)[1:-1]
    return {
        secret,
        in_json,
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(in_json)[1:-1],
        repr(secret)[1:-1],
        quote(secret, safe=""),
        quote_plus(secret),
    }


def _whole(form: str) -> str:
    escaped = re.escape(form)
    return rf"(?<!\w){escaped}(?!\w)" if len(form) < _SHORT else escaped
