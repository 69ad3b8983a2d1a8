"""Signatures around a payload: DSSE envelopes (https://github.com/secure-systems-lab/dsse), read so that every byte counts.

An envelope has one form only: canonical JSON and a line feed, canonical base64, one signature a key, sorted by key
id, each of which names its key. So whoever changes a byte of it breaks either the form or a signature.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NoReturn, Protocol

from harness.codec import canonical
from harness.errors import VerdictError
from harness.frozen import dataclass
from harness.verdict.reading import Unreadable, read, refuse

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_START = b'{"payload'
"""How the canonical bytes of an envelope begin, and those of no statement."""


class Untrusted(StrEnum):
    """Why signatures do not hold; codes of `harness.errors.VerdictError`."""

    UNSIGNED = "unsigned"
    SIGNER_UNKNOWN = "signer_unknown"
    SIGNATURE_INVALID = "signature_invalid"
    SIGNERS_TOO_FEW = "signers_too_few"


@dataclass(frozen=True)
class Signature:
    """One signature; `sig` are its bytes as the key's algorithm writes them."""

    keyid: str
    sig: bytes


class SigningKey(Protocol):
    """Whoever can sign."""

    def sign(self, message: bytes) -> Signature:
        """Sign `message`, the envelope's pre-authentication encoding.

        Raises:
            GonogoError: it cannot.
        """


class PublicKey(Protocol):
    """Whose signatures are accepted."""

    @property
    def name(self) -> str:
        """What the profile calls the signer."""

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's, of exactly this message and in its one encoding."""


@dataclass(frozen=True)
class Envelope:
    """An envelope that was read; nothing is known of its signatures before `signed_by`. `raw` are its own bytes."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]
    raw: bytes

    @property
    def sha256(self) -> str:
        """The payload's digest: what records about it are bound to."""
        return hashlib.sha256(self.payload).hexdigest()

    def signed_by(self, keys: Mapping[str, PublicKey]) -> tuple[str, ...]:
        """The names of who signed, each once and sorted. `keys` maps key ids to keys.

        Raises:
            VerdictError: a signature is not of a known key (``signer_unknown``), or does not hold (``signature_invalid``).
        """
        for each in self.signatures:
            if each.keyid not in keys:
                known = ", ".join(sorted(key.name for key in keys.values())) or "nobody"
                raise VerdictError(
                    Untrusted.SIGNER_UNKNOWN.value,
                    f"a signature is of key {each.keyid[:80]}, which is none of those that are trusted ({known})",
                    hint="sign with a key that the profile names, or name this one in the profile",
                )
        message = pae(self.payload_type, self.payload)
        for each in self.signatures:
            if not keys[each.keyid].verify(message, each.sig):
                raise VerdictError(
                    Untrusted.SIGNATURE_INVALID.value,
                    f"the signature of {keys[each.keyid].name} (key {each.keyid[:16]}…) does not hold",
                    hint="the content or the signature was changed; run the gates again",
                )
        return tuple(sorted({keys[each.keyid].name for each in self.signatures}))


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding of type and payload."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(payload: bytes, payload_type: str, signers: Sequence[SigningKey]) -> bytes:
    """The bytes of an envelope of `payload`, signed by each of `signers`.

    Raises:
        GonogoError: a signer cannot sign.
        ValueError: there is nobody to sign, nothing to sign, or one key signs twice.
    """
    message = pae(payload_type, payload)
    signatures = sorted((signer.sign(message) for signer in signers), key=lambda each: each.keyid)
    data = {
        "payload": _encode(payload),
        "payloadType": payload_type,
        "signatures": [{"keyid": each.keyid, "sig": _encode(each.sig)} for each in signatures],
    }
    raw = canonical(data) + b"\n"
    try:
        unseal(raw, payload_type=payload_type)
    except VerdictError as error:
        raise ValueError(error.message) from error
    return raw


def is_envelope(raw: bytes) -> bool:
    """Whether bytes are an envelope rather than a bare statement, or meant to be one."""
    return raw.lstrip().startswith(_START)


def unseal(raw: bytes, *, payload_type: str = PAYLOAD_TYPE, what: str = "verdict") -> Envelope:
    """Read an envelope; nothing is verified but its form. `payload_type` is the only one that is accepted, `what` is what
    messages call it.

    Raises:
        VerdictError: with one of the codes of `Unreadable`.
    """
    data = read(raw, what)
    if data.keys() != {"payload", "payloadType", "signatures"}:
        refuse(
            Unreadable.MALFORMED, f"an envelope has payload, payloadType and signatures, not {_names(data)}"
        )
    if data["payloadType"] != payload_type:
        refuse(
            Unreadable.MALFORMED,
            f"the envelope holds {str(data['payloadType'])[:80]!r}, not {payload_type!r}",
        )
    signatures = data["signatures"]
    if not isinstance(signatures, list) or not signatures:
        refuse(Unreadable.MALFORMED, "the envelope has no list of signatures")
    found = tuple(_signature(each) for each in signatures)
    keyids = [each.keyid for each in found]
    if keyids != sorted(set(keyids)):
        refuse(Unreadable.NOT_CANONICAL, "the envelope's signatures are not sorted by key, one of each")
    return Envelope(_decode(data["payload"], "payload"), payload_type, found, raw)


def payload_of(raw: bytes) -> bytes:
    """The statement's bytes in what may be an envelope or a bare statement; signatures are not looked at.

    Raises:
        VerdictError: it is an envelope that cannot be read.
    """
    return unseal(raw).payload if is_envelope(raw) else raw


def _signature(data: object) -> Signature:
    if not isinstance(data, dict) or data.keys() != {"keyid", "sig"}:
        refuse(Unreadable.MALFORMED, f"a signature has keyid and sig, not {_names(data)}")
    if not isinstance(data["keyid"], str) or not data["keyid"]:
        refuse(Unreadable.MALFORMED, "a signature does not say of which key it is")
    return Signature(data["keyid"], _decode(data["sig"], "sig"))


def _names(data: object) -> str:
    return ", ".join(map(str, data))[:80] if isinstance(data, dict) and data else "nothing of it"


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: Any, name: str) -> bytes:  # noqa: ANN401 - whatever stands in the file
    """Base64 in its one form: RFC 4648 with padding, whose unused bits are zero."""
    try:
        found = base64.b64decode(text.encode("ascii"), validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        _not_base64(name)
    if not found:
        refuse(Unreadable.MALFORMED, f"the envelope's {name} is empty or no text")
    if _encode(found) != text:
        _not_base64(name)
    return found


def _not_base64(name: str) -> NoReturn:
    refuse(Unreadable.NOT_CANONICAL, f"the envelope's {name} is not canonical base64")
