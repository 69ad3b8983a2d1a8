"""Others read what we sign: securesystemslib's DSSE, the in-toto bindings; and we read what they sign."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from google.protobuf.json_format import MessageToDict
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from harness.verdict.envelope import PAYLOAD_TYPE, Signature, pae, seal, unseal
from harness.verdict.trust import canonical_der, key_ring
from signing_parts import Signer

CI, RELEASE = Signer.make("ci"), Signer.make("release", "ecdsa")


def their_key(signer: Signer) -> SSlibKey:
    return SSlibKey.from_crypto(signer.private.public_key(), keyid=signer.key.keyid)


def test_securesystemslib_verifies_our_envelope(stored: bytes) -> None:
    raw = seal(stored, PAYLOAD_TYPE, [CI, RELEASE])
    theirs = TheirEnvelope.from_dict(json.loads(raw))
    assert (theirs.payload, theirs.payload_type) == (stored, PAYLOAD_TYPE)
    assert theirs.pae() == pae(PAYLOAD_TYPE, stored)
    assert theirs.verify([their_key(CI), their_key(RELEASE)], threshold=2).keys() == {
        CI.key.keyid,
        RELEASE.key.keyid,
    }
    theirs.payload = stored.replace(b"GO", b"NO")
    with pytest.raises(VerificationError):
        theirs.verify([their_key(CI)], threshold=1)


class Theirs:
    """A signer of securesystemslib as one of ours."""

    def __init__(self, signer: Signer) -> None:
        self.inner = CryptoSigner(signer.private, their_key(signer))

    def sign(self, message: bytes) -> Signature:
        made = self.inner.sign(message)
        sig = bytes.fromhex(made.signature)
        return Signature(made.keyid, sig if made.keyid == CI.key.keyid else canonical_der(sig))


def test_we_verify_what_securesystemslib_signs(stored: bytes) -> None:
    ring = key_ring([CI.config, RELEASE.config])
    assert unseal(seal(stored, PAYLOAD_TYPE, [Theirs(CI), Theirs(RELEASE)])).signed_by(ring) == (
        "ci",
        "release",
    )
    theirs = TheirEnvelope(stored, PAYLOAD_TYPE, {})
    theirs.sign(CryptoSigner(CI.private, their_key(CI)))
    again = json.dumps(theirs.to_dict(), sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert again == seal(stored, PAYLOAD_TYPE, [CI])
    assert unseal(again).signed_by(ring) == ("ci",)


def test_the_in_toto_bindings_parse_our_statement(stored: bytes) -> None:
    data = json.loads(unseal(seal(stored, PAYLOAD_TYPE, [CI])).payload)
    statement = Statement.copy_from_pb(_parsed(data))
    statement.validate()
    subjects = [(each.name, dict(each.digest)) for each in statement.pb.subject]
    assert subjects == [(each["name"], each["digest"]) for each in data["subject"]]
    assert statement.pb.predicate_type == data["predicateType"]
    assert MessageToDict(statement.pb.predicate)["policy"] == data["predicate"]["policy"]


def _parsed(data: dict[str, Any]) -> Any:
    from google.protobuf.json_format import ParseDict
    from in_toto_attestation.v1 import statement_pb2

    return ParseDict(data, statement_pb2.Statement())


def test_the_key_id_is_what_openssl_says() -> None:
    """``openssl pkey -pubin -outform der | sha256sum``: of the SubjectPublicKeyInfo."""
    import hashlib

    body = "".join(RELEASE.pem.splitlines()[1:-1])
    assert hashlib.sha256(base64.b64decode(body)).hexdigest() == RELEASE.key.keyid


def test_a_signature_by_a_plain_library_over_the_pae_is_ours(stored: bytes) -> None:
    (signature,) = unseal(seal(stored, PAYLOAD_TYPE, [RELEASE])).signatures
    public = RELEASE.private.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature.sig, pae(PAYLOAD_TYPE, stored), ec.ECDSA(SHA256()))
