"""Whose signatures count: the keys of a profile, and holding an envelope against them.

Only what is met is imported: an Ed25519 signature costs no elliptic curves, and Sigstore is asked only where a
profile names an identity.
"""

import hashlib
from collections.abc import Iterable

from harness.errors import ProfileError, VerdictError
from harness.frozen import dataclass
from harness.profile.public_key import KeyKind, KeyText, read_key
from harness.profile.schema import SignerConfig, SigningConfig
from harness.verdict.envelope import Envelope, PublicKey, Untrusted

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the P-256 group (FIPS 186-5)."""

SIGSTORE = "sigstore:"
"""How the key ids of Sigstore identities begin."""


@dataclass(frozen=True)
class Ed25519Key:
    """An Ed25519 public key (RFC 8032); its signatures have one encoding."""

    name: str
    key: KeyText

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether it holds."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.key.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class EcdsaKey:
    """An ECDSA public key on P-256, with SHA-256. Of the forms a signature may have, one is accepted (`canonical_der`)."""

    name: str
    key: KeyText

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether it holds.

        Raises:
            ProfileError: the key is not a point of the curve.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        if canonical_der(signature) != signature:
            return False
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.key.raw)
        except ValueError:
            raise ProfileError(
                f"the key of {self.name} is not a point of P-256", hint="copy the public key again"
            ) from None
        try:
            key.verify(signature, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class SigstoreIdentity:
    """Whoever Sigstore's certificate authority knew, at the time of signing, as `identity` by the word of `issuer`."""

    name: str
    identity: str
    issuer: str

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature`, a Sigstore bundle, holds.

        Raises:
            UsageError: the extra that reads bundles is not installed.
        """
        from harness.verdict.keyless import verify

        return verify(message, signature, identity=self.identity, issuer=self.issuer)


def canonical_der(signature: bytes) -> bytes:
    """The one encoding of an ECDSA signature that is accepted: DER, with the lower of the two equivalent s.

    Both (r, s) and (r, n - s) verify, so that one of them must be no signature; the lower s is what Bitcoin's BIP 146 and
    others settled on. Empty where it is no signature at all.
    """
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    try:
        r, s = decode_dss_signature(signature)
    except ValueError:
        return b""
    if not (0 < r < P256_ORDER and 0 < s < P256_ORDER):
        return b""
    return encode_dss_signature(r, min(s, P256_ORDER - s))


def identity_keyid(identity: str, issuer: str) -> str:
    """The key id of signatures by a Sigstore identity, which has no lasting key."""
    digest = hashlib.sha256(f"{issuer}\n{identity}".encode()).hexdigest()
    return f"{SIGSTORE}{digest}"


def key_ring(signers: Iterable[SignerConfig]) -> dict[str, PublicKey]:
    """Key id -> key, for `Envelope.signed_by`."""
    return dict(_entry(signer) for signer in signers)


def _entry(signer: SignerConfig) -> tuple[str, PublicKey]:
    if not signer.key:
        identity = SigstoreIdentity(signer.name, signer.identity, signer.issuer)
        return identity_keyid(signer.identity, signer.issuer), identity
    key = read_key(signer.key)
    kind = Ed25519Key if key.kind is KeyKind.ED25519 else EcdsaKey
    return key.keyid, kind(signer.name, key)


def hold_signatures(envelope: Envelope | None, signing: SigningConfig) -> tuple[str, ...]:
    """The names of who signed, as the profile demands it. Where it demands nothing, nothing is judged and nobody named.

    Raises:
        VerdictError: unsigned, signed by an unknown key, a signature does not hold, or too few signed.
    """
    if not signing.signers:
        return ()
    wanted = ", ".join(signer.name for signer in signing.signers)
    if envelope is None:
        raise VerdictError(
            Untrusted.UNSIGNED.value,
            f"the verdict is not signed, and the profile wants {signing.threshold} of {wanted} to sign",
            hint="run the gates with --sign-with",
        )
    names = envelope.signed_by(key_ring(signing.signers))
    if len(names) < signing.threshold:
        raise VerdictError(
            Untrusted.SIGNERS_TOO_FEW.value,
            f"{', '.join(names)} signed: {len(names)} of the {signing.threshold} that the profile wants of {wanted}",
            hint="run the gates with --sign-with once for each signer",
        )
    return names
