"""Keys and signers for tests."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from harness.profile.public_key import KeyText, read_key
from harness.profile.schema import SignerConfig
from harness.verdict.envelope import Signature
from harness.verdict.trust import canonical_der

Private = Ed25519PrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Signer:
    """A signer with its private key in memory."""

    name: str
    private: Private

    @classmethod
    def make(cls, name: str, kind: str = "ed25519") -> "Signer":
        return cls(
            name,
            Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1()),
        )

    @property
    def pem(self) -> str:
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(encoding, form).decode()

    @property
    def key(self) -> KeyText:
        return read_key(self.pem)

    @property
    def config(self) -> SignerConfig:
        return SignerConfig(name=self.name, key=self.pem)

    def write(self, folder: Path, mode: int = 0o600) -> Path:
        """The private key as a file."""
        path = folder / f"{self.name}.key"
        path.write_bytes(
            self.private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        path.chmod(mode)
        return path

    def sign(self, message: bytes) -> Signature:
        if isinstance(self.private, Ed25519PrivateKey):
            return Signature(self.key.keyid, self.private.sign(message))
        return Signature(self.key.keyid, canonical_der(self.private.sign(message, ec.ECDSA(SHA256()))))
