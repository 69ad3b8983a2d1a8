"""A Sigstore of one's own, in memory: a certificate authority, a certificate log and a signature log, each with its key.

It makes bundles as a real one does (Fulcio's certificates, RFC 6962's timestamps, Rekor's entries), so that what
verifies them can be tried without a network.
"""

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

ISSUER_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_SCTS_OID = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a sigstore of one's own")])
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _private() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _usage(name: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{each: each == name for each in _USAGES})


def _spki(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _id(private: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(_spki(private)).digest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _sign(private: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return private.sign(data, ec.ECDSA(SHA256()))


@dataclass
class OwnSigstore:
    """Everything that a root of trust names."""

    authority: ec.EllipticCurvePrivateKey = field(default_factory=_private)
    certificates: ec.EllipticCurvePrivateKey = field(default_factory=_private)
    log: ec.EllipticCurvePrivateKey = field(default_factory=_private)
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    @property
    def root(self) -> x509.Certificate:
        public = self.authority.public_key()
        return (
            x509.CertificateBuilder(_NAME, _NAME, public, 1)
            .not_valid_before(self.now - timedelta(days=1))
            .not_valid_after(self.now + timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(_usage("key_cert_sign"), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self.authority, SHA256())
        )

    def trusted_root(self) -> dict[str, Any]:
        since = {"start": (self.now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}

        def log(private: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            return {
                "baseUrl": "https://log.example.com",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": _text(_spki(private)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": since,
                },
                "logId": {"keyId": _text(_id(private))},
            }

        chain = [{"rawBytes": _text(self.root.public_bytes(Encoding.DER))}]
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.log)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "example.com", "commonName": "own"},
                    "uri": "https://ca.example.com",
                    "certChain": {"certificates": chain},
                    "validFor": since,
                }
            ],
            "ctlogs": [log(self.certificates)],
            "timestampAuthorities": [],
        }

    def certificate(self, public: ec.EllipticCurvePublicKey, identity: str, issuer: str) -> x509.Certificate:
        """A certificate for ten minutes, with the certificate log's promise in it."""
        said = issuer.encode()
        base = (
            x509.CertificateBuilder(_NAME, x509.Name([]), public, 2)
            .not_valid_before(self.now - timedelta(minutes=5))
            .not_valid_after(self.now + timedelta(minutes=5))
            .add_extension(_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key()),
                critical=False,
            )
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True
            )
            .add_extension(
                x509.UnrecognizedExtension(ISSUER_OID, bytes((0x0C, len(said))) + said), critical=False
            )
        )
        bare = base.add_extension(self._promise(b""), critical=False).sign(self.authority, SHA256())
        return base.add_extension(self._promise(bare.tbs_precertificate_bytes), critical=False).sign(
            self.authority, SHA256()
        )

    def _promise(self, tbs: bytes) -> x509.UnrecognizedExtension:
        """The list of one signed certificate timestamp (RFC 6962, 3.2 and 3.3)."""
        at = int(self.now.timestamp() * 1000)
        entry = _id(self.authority) + len(tbs).to_bytes(3, "big") + tbs
        signature = _sign(self.certificates, struct.pack("!BBQH", 0, 0, at, 1) + entry + b"\0\0")
        promise = struct.pack("!B32sQH", 0, _id(self.certificates), at, 0)
        promise += struct.pack("!BBH", 4, 3, len(signature)) + signature
        listed = struct.pack("!HH", len(promise) + 2, len(promise)) + promise
        return x509.UnrecognizedExtension(_SCTS_OID, bytes((0x04, len(listed))) + listed)

    def bundle(self, message: bytes, identity: str, issuer: str) -> dict[str, Any]:
        """A signature of `message` by whoever `identity` is, with its certificate and its entry in the log."""
        private = _private()
        certificate = self.certificate(private.public_key(), identity, issuer)
        signature, digest = _sign(private, message), hashlib.sha256(message)
        body = _canonical(
            {
                "apiVersion": "0.0.1",
                "kind": "hashedrekord",
                "spec": {
                    "data": {"hash": {"algorithm": "sha256", "value": digest.hexdigest()}},
                    "signature": {
                        "content": _text(signature),
                        "publicKey": {"content": _text(certificate.public_bytes(Encoding.PEM))},
                    },
                },
            }
        )
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": _text(certificate.public_bytes(Encoding.DER))},
                "tlogEntries": [self._entry(body)],
            },
            "messageSignature": {
                "messageDigest": {"algorithm": "SHA2_256", "digest": _text(digest.digest())},
                "signature": _text(signature),
            },
        }

    def _entry(self, body: bytes) -> dict[str, Any]:
        """The log's only entry: its hash is the root of the tree."""
        at, root = int(self.now.timestamp()), hashlib.sha256(b"\0" + body).digest()
        promised = {"body": _text(body), "integratedTime": at, "logID": _id(self.log).hex(), "logIndex": 0}
        note = f"log.example.com - 1\n1\n{_text(root)}\n"
        mark = _text(_id(self.log)[:4] + _sign(self.log, note.encode()))
        return {
            "logIndex": "0",
            "logId": {"keyId": _text(_id(self.log))},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"},
            "integratedTime": str(at),
            "inclusionPromise": {"signedEntryTimestamp": _text(_sign(self.log, _canonical(promised)))},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": _text(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\N{EM DASH} log.example.com {mark}\n"},
            },
            "canonicalizedBody": _text(body),
        }


def _canonical(data: dict[str, Any]) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
