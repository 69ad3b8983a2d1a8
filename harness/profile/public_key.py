"""Public keys as a profile holds them: who may sign. Read without any cryptography, which loading a profile need not pay for.

A key is written as PEM, as the name of a PEM file beside the profile, or as the base64 between PEM's lines; all of
these are one SubjectPublicKeyInfo (RFC 5280), and that is what a profile is digested by.
"""

import base64
import binascii
import hashlib
import pathlib
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from harness.frozen import dataclass
from harness.masking import register
from harness.plain_files import LARGEST_TEXT, read_plain
from harness.profile.paths import Path, copied

_PEM = re.compile(
    r"\s*-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END PUBLIC KEY-----\s*", re.ASCII
)
_LISTS: tuple[Path, ...] = (
    ("policy", "signing", "signers"),
    ("approval", "approvers"),
    ("override", "signers"),
)
"""The lists of a profile whose entries have a `key`."""


class KeyKind(StrEnum):
    """The algorithms that are accepted, and no others: there is nothing to negotiate."""

    ED25519 = "ed25519"
    ECDSA = "ecdsa"
    """ECDSA on P-256 with SHA-256 (AWS KMS: ``ECC_NIST_P256``)."""


_PREFIXES: Mapping[KeyKind, tuple[bytes, int]] = {
    KeyKind.ED25519: (bytes.fromhex("302a300506032b6570032100"), 32),
    KeyKind.ECDSA: (bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"), 64),
}
"""What the SubjectPublicKeyInfo of each begins with (RFC 8410, RFC 5480; the point uncompressed), and how many bytes follow."""


@dataclass(frozen=True)
class KeyText:
    """A public key that was read; `spki` is its SubjectPublicKeyInfo in DER."""

    kind: KeyKind
    spki: bytes

    @property
    def keyid(self) -> str:
        """The sha256 of the SubjectPublicKeyInfo: ``openssl pkey -pubin -outform der | sha256sum`` says the same."""
        return hashlib.sha256(self.spki).hexdigest()

    @property
    def raw(self) -> bytes:
        """The key alone: 32 bytes, or the uncompressed point of 65."""
        length = _PREFIXES[self.kind][1]
        return self.spki[-length:] if self.kind is KeyKind.ED25519 else self.spki[-length - 1 :]

    @property
    def text(self) -> str:
        """One line of base64: the one form in which a profile keeps it."""
        return base64.b64encode(self.spki).decode()

    @property
    def pem(self) -> str:
        """As a file."""
        lines = "\n".join(self.text[at : at + 64] for at in range(0, len(self.text), 64))
        return f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"


def read_key(text: str) -> KeyText:
    """Read a public key, as PEM or as the base64 inside of it.

    Raises:
        ValueError: it is none that is accepted. The text is not repeated: it may be a private key.
    """
    if "PRIVATE KEY" in text:
        register(text.strip())
        msg = "this is a private key; a profile holds the public one (`gonogo keys show FILE` prints it)"
        raise ValueError(msg)
    match = _PEM.fullmatch(text)
    try:
        spki = base64.b64decode("".join((match[1] if match else text).split()), validate=True)
    except (binascii.Error, ValueError):
        msg = (
            "must be a public key: PEM, the base64 inside of it, or the name of a PEM file beside the profile"
        )
        raise ValueError(msg) from None
    return key_of(spki)


def key_of(spki: bytes) -> KeyText:
    """The key of a SubjectPublicKeyInfo in DER.

    Raises:
        ValueError: it is of a kind that is not accepted.
    """
    for kind, (prefix, length) in _PREFIXES.items():
        if spki.startswith(prefix) and len(spki) == len(prefix) + length:
            return KeyText(kind, spki)
    msg = "is not a public key of a kind that is accepted: Ed25519, or ECDSA on P-256"
    raise ValueError(msg)


def with_key_files(
    values: Mapping[str, Any], folder: pathlib.Path
) -> tuple[dict[str, Any], list[tuple[Path, str]]]:
    """The values of one profile file, with the content of key files put in for their names; and the way to each key that
    is neither a public key nor the name of a file of one, with what is wrong.

    Args:
        values: what the file holds.
        folder: where it lies; names are relative to it.
    """
    found: dict[str, Any] = copied(dict(values))
    wrong: list[tuple[Path, str]] = []
    for place in _LISTS:
        entries = _at(found, place)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            text = entry.get("key") if isinstance(entry, dict) else None
            if isinstance(text, str) and text and not _is_inline(text):
                try:
                    entry["key"] = _content(folder / text)
                except ValueError as error:
                    wrong.append(((*place, index, "key"), str(error)))
    return found, wrong


def _at(values: Mapping[str, Any], place: Path) -> Any:  # noqa: ANN401 - whatever stands there
    here: Any = values
    for part in place:
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def _is_inline(text: str) -> bool:
    """Whether it is a key itself; what is meant to be one is left to validation, which says what is wrong with it."""
    if "-----BEGIN" in text:
        return True
    try:
        read_key(text)
    except ValueError:
        return False
    return True


def _content(path: pathlib.Path) -> str:
    """The key in a file, as a profile keeps it.

    Raises:
        ValueError: there is none.
    """
    try:
        text = read_plain(path, LARGEST_TEXT).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no PEM file"
        msg = (
            f"the public key {path} cannot be read: {reason}; "
            "name a PEM file by its path from the profile's folder (`gonogo keys new NAME` makes one)"
        )
        raise ValueError(msg) from None
    try:
        return read_key(text).text
    except ValueError as error:
        msg = f"{path}: {error}"
        raise ValueError(msg) from None
