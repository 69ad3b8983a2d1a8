"""Who signs: what ``--sign-with`` names, opened before a run begins and used when it is over.

    file:PATH              a private key in a PEM file (Ed25519, or ECDSA on P-256)
    awskms:KEY             a key of AWS KMS, by id, ARN or alias; it never leaves KMS
    sigstore:              the identity that the CI's OpenID token proves; the extra ``gonogo[sigstore]``

Private keys are masked wherever text is written; their passphrase is taken out of the environment, which the code under
test inherits.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.errors import GonogoError, UsageError, VerdictError
from harness.frozen import dataclass, field
from harness.masking import register
from harness.profile.public_key import KeyKind, KeyText, key_of
from harness.profile.schema import SigningConfig
from harness.verdict.envelope import PAYLOAD_TYPE, Signature, seal, unseal
from harness.verdict.info import Starter
from harness.verdict.trust import SIGSTORE, EcdsaKey, canonical_der, hold_signatures, key_ring

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from harness.aws.kms import KmsKey

PASSPHRASE = "GONOGO_KEY_PASSPHRASE"  # noqa: S105 - a variable's name
"""The variable that holds the passphrase of private key files; one for all of them."""
SIGN_WITH = "GONOGO_SIGN_WITH"
"""The variable that names signers where no ``--sign-with`` does, with spaces between them."""
_FORMS = "file:PATH, awskms:KEY, sigstore:"


class SigningError(GonogoError):
    """A payload could not be signed. Nothing unsigned takes its place."""


class Signer(Protocol):
    """Whoever can sign; `keyid` is empty where it is known only from a signature."""

    @property
    def keyid(self) -> str:
        """The key id of its signatures."""

    def sign(self, message: bytes) -> Signature:
        """Sign.

        Raises:
            GonogoError: it cannot.
        """


@dataclass(frozen=True)
class FileKey:
    """A private key from a file, in memory."""

    key: KeyText
    private: "Ed25519PrivateKey | EllipticCurvePrivateKey" = field(repr=False)

    @property
    def keyid(self) -> str:
        """The key id of its signatures."""
        return self.key.keyid

    def sign(self, message: bytes) -> Signature:
        """Sign; an ECDSA signature is brought to the form that is accepted."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if isinstance(self.private, Ed25519PrivateKey):
            return Signature(self.keyid, self.private.sign(message))
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        return Signature(self.keyid, canonical_der(self.private.sign(message, ECDSA(SHA256()))))


@dataclass(frozen=True)
class RemoteKey:
    """A key of AWS KMS with its public half."""

    key: KeyText
    kms: "KmsKey"

    @property
    def keyid(self) -> str:
        """The key id of its signatures."""
        return self.key.keyid

    def sign(self, message: bytes) -> Signature:
        """Have KMS sign the digest, and hold its answer against the public key, which an alias may have left.

        Raises:
            Fault: what was met instead of an answer.
            SigningError: the signature is not of the key that was asked for at first.
        """
        sig = canonical_der(self.kms.sign(hashlib.sha256(message).digest()))
        if not EcdsaKey(self.kms.key, self.key).verify(message, sig):
            raise SigningError(
                f"KMS key {self.kms.key} signed with another key than {self.keyid[:16]}…",
                hint="does its alias point to another key meanwhile? Then run again",
            )
        return Signature(self.keyid, sig)


def open_signers(uris: Sequence[str], *, region: str = "") -> tuple[Signer, ...]:
    """Open what signs: read the key files, ask KMS for the public keys. `region` is KMS's where nothing else names one.

    Raises:
        UsageError: no such form, a file that is no private key, a passphrase that is missing or wrong.
        Fault: KMS does not answer, or refuses.
    """
    passphrase = os.environ.pop(PASSPHRASE, "")
    if passphrase:
        register(passphrase)
    found: list[Signer] = []
    for uri in uris:
        scheme, colon, rest = uri.partition(":")
        if not colon or scheme not in _OPENERS or (not rest) != (scheme == "sigstore"):
            meant = f"did you mean file:{uri}?" if Path(uri).is_file() else f"write one of {_FORMS}"
            raise UsageError(f"--sign-with {uri!r} names no signer", hint=meant)
        found.append(_OPENERS[scheme](rest, passphrase, region))
    twice = {each.keyid for each in found if [other.keyid for other in found].count(each.keyid) > 1}
    if twice:
        raise UsageError("--sign-with names the same key twice", hint="one that signs counts once")
    return tuple(found)


def check_signers(signers: Sequence[Signer], signing: SigningConfig, profile: str) -> None:
    """Say before a run what `harness.verdict.trust` would say of its verdict after it.

    Raises:
        UsageError: the profile wants other signers, or more.
    """
    if not signing.signers:
        return
    names = ", ".join(signer.name for signer in signing.signers)
    if len(signers) < signing.threshold:
        raise UsageError(
            f"profile {profile!r} wants a verdict signed by {signing.threshold} of {names}; "
            f"--sign-with names {len(signers)}",
            hint=f"--sign-with {_FORMS}; or `gonogo try GATE…` for a look without a verdict",
        )
    ring = key_ring(signing.signers)
    for signer in signers:
        if signer.keyid and signer.keyid not in ring:
            raise UsageError(
                f"--sign-with names key {signer.keyid}, which is none of those that profile {profile!r} trusts ({names})",
                hint="sign with one of them, or name this key in [policy.signing] signers",
            )


def starter(signers: Sequence[Signer], signing: SigningConfig) -> Starter | None:
    """Who starts a run, as its verdict's signature will prove it: the first of `signers` that the profile names.

    Sigstore tells the identity only when it signs; it is known before where the profile names one identity alone, since
    nobody else's would be accepted.
    """
    ring = key_ring(signing.signers)
    identities = [keyid for keyid in ring if keyid.startswith(SIGSTORE)]
    lone = identities[0] if len(identities) == 1 else ""
    keyids = (signer.keyid or lone for signer in signers)
    return next((Starter(ring[keyid].name, keyid) for keyid in keyids if keyid in ring), None)


def sign_verdict(raw: bytes, signers: Sequence[Signer], signing: SigningConfig) -> bytes:
    """A statement's bytes in an envelope, held against the profile as its readers will; unchanged where nobody signs.

    Raises:
        SigningError: it could not be signed, or its readers would refuse it.
    """
    if not signers and not signing.signers:
        return raw
    try:
        sealed = seal(raw, PAYLOAD_TYPE, signers)
        hold_signatures(unseal(sealed), signing)
    except (GonogoError, ValueError) as error:
        told = error.message if isinstance(error, GonogoError) else str(error)
        hint = error.hint if isinstance(error, GonogoError) and not isinstance(error, VerdictError) else ""
        raise SigningError(
            f"the verdict could not be signed and stays PENDING: {told}",
            hint=f"{hint + '; then ' if hint else ''}run the gates again",
        ) from error
    return sealed


def _open_file(text: str, passphrase: str, _region: str) -> Signer:
    return read_private(Path(text), passphrase)


def read_private(path: Path, passphrase: str = "") -> FileKey:
    """Read a private key in PEM (PKCS #8, or SEC 1), of one of the kinds that are accepted.

    Raises:
        UsageError: it cannot be read, others than its owner can read it, or it is no such key.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    content = _secret_file(path)
    private = _load(path, content, passphrase)
    if not isinstance(private, Ed25519PrivateKey | EllipticCurvePrivateKey):
        raise _unfit(path)
    try:
        return FileKey(public_of(private), private)
    except ValueError:
        raise _unfit(path) from None


def _unfit(path: Path) -> UsageError:
    return UsageError(
        f"{path} is a private key of another kind than Ed25519 or ECDSA on P-256",
        hint="make one: gonogo keys new NAME",
    )


def public_of(private: "Ed25519PrivateKey | EllipticCurvePrivateKey") -> KeyText:
    """The public half of a private key.

    Raises:
        ValueError: it is of a kind that is not accepted.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key_of(private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _secret_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(65_536)
    except OSError as error:
        raise UsageError(
            f"the private key {path} cannot be read: {error.strerror}", hint="name its file: file:PATH"
        ) from error
    if b"-----BEGIN PUBLIC KEY-----" in content:
        raise UsageError(
            f"{path} is a public key, which signs nothing", hint="name the private key's file: file:NAME.key"
        )
    if stat.S_ISREG(mode) and mode & 0o077:
        raise UsageError(
            f"the private key {path} can be read by others (mode {stat.S_IMODE(mode):04o})",
            hint=f"chmod 600 {path}",
        )
    for line in content.decode("ascii", "replace").splitlines():
        if line.strip() and "-----" not in line:
            register(line.strip())
    return content


def _load(path: Path, content: bytes, passphrase: str) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        try:
            return load_pem_private_key(content, None)
        except TypeError:  # it is encrypted
            if not passphrase:
                raise UsageError(
                    f"the private key {path} has a passphrase", hint=f"set {PASSPHRASE}"
                ) from None
        return load_pem_private_key(content, passphrase.encode())
    except (ValueError, UnsupportedAlgorithm):
        wrong = "is not opened by the passphrase" if b"ENCRYPTED" in content else "is no private key in PEM"
        raise UsageError(
            f"{path} {wrong}", hint=f"correct {PASSPHRASE}, or name another file; `gonogo keys new` makes one"
        ) from None


def open_kms(key: str, region: str = "") -> RemoteKey:
    """A key of AWS KMS; its public half is asked for.

    Raises:
        Fault: what was met instead of an answer.
        UsageError: boto3 is not installed, or the key is of another kind.
    """
    from importlib.util import find_spec

    if find_spec("boto3") is None:
        raise UsageError(
            "awskms: needs boto3, which the base install leaves out", hint="pip install 'gonogo[aws]'"
        )
    from harness.aws.kms import KmsKey

    kms = KmsKey(key, region)
    try:
        public = key_of(kms.public_key())
    except ValueError as error:
        raise UsageError(f"KMS key {key} {error}", hint="make a key of spec ECC_NIST_P256") from None
    return RemoteKey(public, kms)


def _open_kms(text: str, _passphrase: str, region: str) -> Signer:
    return open_kms(text, region)


def _open_sigstore(_text: str, _passphrase: str, _region: str) -> Signer:
    from harness.verdict.keyless import open_key

    return open_key()


_OPENERS: Mapping[str, Callable[[str, str, str], Signer]] = {
    "file": _open_file,
    "awskms": _open_kms,
    "sigstore": _open_sigstore,
}


def new_private(kind: KeyKind) -> "Ed25519PrivateKey | EllipticCurvePrivateKey":
    """A new private key, from the operating system's randomness."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return (
        Ed25519PrivateKey.generate() if kind is KeyKind.ED25519 else ec.generate_private_key(ec.SECP256R1())
    )


def private_pem(private: "Ed25519PrivateKey | EllipticCurvePrivateKey", passphrase: str = "") -> bytes:
    """A private key as a file holds it (PKCS #8), encrypted where there is a passphrase."""
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
    )

    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase:
        encryption = BestAvailableEncryption(passphrase.encode())
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
