"""Signing by an identity: held against a Sigstore of one's own, since the public one cannot be asked here."""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from harness.codec import canonical
from harness.errors import ToolError, UsageError, VerdictError
from harness.profile.schema import SignerConfig, SigningConfig
from harness.verdict import keyless
from harness.verdict.envelope import PAYLOAD_TYPE, Signature, pae, seal, unseal
from harness.verdict.signing import SigningError, open_signers, sign_verdict
from harness.verdict.trust import hold_signatures, identity_keyid
from sigstore_parts import OwnSigstore

WHO, ISSUER = (
    "https://github.com/acme/shop/.github/workflows/gate.yml@refs/heads/main",
    "https://token.example.com",
)
PAYLOAD = b'{"a":1}\n'
SIGNING = SigningConfig(signers=[SignerConfig(name="release", identity=WHO, issuer=ISSUER)])


@pytest.fixture(scope="module")
def own() -> OwnSigstore:
    return OwnSigstore()


@pytest.fixture
def trusted(own: OwnSigstore, monkeypatch: pytest.MonkeyPatch) -> OwnSigstore:
    """Its root in place of the public one's."""
    from sigstore.models import TrustedRoot
    from sigstore.verify import Verifier
    from sigstore_models.trustroot.v1 import TrustedRoot as Inner

    root = TrustedRoot(Inner.from_json(json.dumps(own.trusted_root())))
    monkeypatch.setattr(keyless, "_verifier", lambda: Verifier(trusted_root=root))
    return own


class Signed:
    """A signer whose bundle is given."""

    def __init__(self, bundle: dict[str, Any] | bytes) -> None:
        sig = bundle if isinstance(bundle, bytes) else canonical(bundle)
        self.signature = Signature(identity_keyid(WHO, ISSUER), sig)

    def sign(self, _message: bytes) -> Signature:
        return self.signature


def held(bundle: dict[str, Any] | bytes) -> tuple[str, ...]:
    return hold_signatures(unseal(seal(PAYLOAD, PAYLOAD_TYPE, [Signed(bundle)])), SIGNING)


def refused(bundle: dict[str, Any] | bytes) -> None:
    with pytest.raises(VerdictError) as caught:
        held(bundle)
    assert caught.value.code == "signature_invalid"


MESSAGE = pae(PAYLOAD_TYPE, PAYLOAD)


def test_the_identity_that_the_profile_names_is_accepted(trusted: OwnSigstore) -> None:
    assert held(trusted.bundle(MESSAGE, WHO, ISSUER)) == ("release",)


def test_another_identity_issuer_message_or_root_is_refused(trusted: OwnSigstore) -> None:
    refused(trusted.bundle(MESSAGE, WHO.replace("main", "evil"), ISSUER))
    refused(trusted.bundle(MESSAGE, WHO, "https://evil.example.com"))
    refused(trusted.bundle(MESSAGE + b" ", WHO, ISSUER))
    refused(OwnSigstore().bundle(MESSAGE, WHO, ISSUER))


def test_a_changed_or_loosely_written_bundle_is_refused(trusted: OwnSigstore) -> None:
    good = trusted.bundle(MESSAGE, WHO, ISSUER)
    refused(json.dumps(good, indent=1).encode())
    refused(b"no bundle")
    refused(b"{}")
    refused(b"[]")
    refused(canonical(good).replace(b'"digest":"', b'"digest":" '))
    refused(canonical({**good, "more": 1}))
    entry = ("verificationMaterial", "tlogEntries", 0)
    der = good["verificationMaterial"]["certificate"]["rawBytes"]
    for path, value in (
        (("messageSignature", "signature"), "AAAA"),
        (("verificationMaterial", "certificate", "rawBytes"), f"{der[:14]}B{der[15:]}"),
        ((*entry, "integratedTime"), "1"),
        ((*entry, "inclusionPromise", "signedEntryTimestamp"), "AAAA"),
        ((*entry, "canonicalizedBody"), "e30="),
    ):
        changed: Any = copy.deepcopy(good)
        target = changed
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value
        refused(changed)


def test_the_public_root_comes_with_the_extra(own: OwnSigstore) -> None:
    """The real one, offline: it knows nothing of a bundle of our own."""
    refused(own.bundle(MESSAGE, WHO, ISSUER))


def test_a_broken_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from sigstore.errors import RootError
    from sigstore.verify import Verifier

    def broken(**_: object) -> None:
        raise RootError

    monkeypatch.setattr(Verifier, "production", broken)
    with pytest.raises(ToolError, match="root of trust cannot be read"):
        held(b"{}")


def test_a_certificate_names_who_signed(own: OwnSigstore) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    assert keyless.identity_of(own.certificate(public, WHO, ISSUER)) == (WHO, ISSUER)
    with pytest.raises(ToolError, match="no identity"):
        keyless.identity_of(own.root)


def test_a_certificate_may_name_another_kind_of_name(own: OwnSigstore) -> None:
    from sigstore_parts import ISSUER_OID

    name = x509.Name([])
    value = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7"), b"\x0c\x03bot")
    certificate = (
        x509.CertificateBuilder(name, name, own.authority.public_key(), 3, own.now, own.now)
        .add_extension(x509.SubjectAlternativeName([value]), critical=False)
        .add_extension(x509.UnrecognizedExtension(ISSUER_OID, b"\x0c\x81\x80" + b"i" * 128), critical=False)
        .sign(own.authority, SHA256())
    )
    assert keyless.identity_of(certificate) == ("bot", "i" * 128)


# Signing


@pytest.fixture
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in os.environ:
        if name.startswith(("GITHUB_", "ACTIONS_", "GITLAB_", "BUILDKITE", "CIRCLE", "SIGSTORE_")):
            monkeypatch.delenv(name)


def test_where_there_is_no_token_it_says_what_gives_one(no_ci: None) -> None:
    with pytest.raises(UsageError, match="no OpenID token") as caught:
        open_signers(["sigstore:"])
    assert "id-token: write" in caught.value.hint


def test_a_job_that_may_not_ask_for_a_token_is_told(no_ci: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with pytest.raises(UsageError, match="cannot be had") as caught:
        open_signers(["sigstore:"])
    assert "id-token: write" in caught.value.hint


def test_a_signature_is_bound_to_the_certificates_identity(
    trusted: OwnSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What asks Sigstore is put in its place; what becomes of the answer is ours."""
    from sigstore import oidc, sign
    from sigstore.models import Bundle, ClientTrustConfig

    class Answering:
        identity = WHO

        @contextmanager
        def signer(self, token: str) -> Iterator["Answering"]:
            assert token == "a token"
            yield self

        def sign_artifact(self, message: bytes) -> Bundle:
            return Bundle.from_json(json.dumps(trusted.bundle(message, self.identity, ISSUER)))

    answering = Answering()
    monkeypatch.setattr(oidc, "detect_credential", lambda: "a token")
    monkeypatch.setattr(oidc, "IdentityToken", str)
    monkeypatch.setattr(ClientTrustConfig, "production", lambda: None)
    monkeypatch.setattr(sign.SigningContext, "from_trust_config", lambda _: answering)
    signers = open_signers(["sigstore:"])
    assert hold_signatures(unseal(sign_verdict(PAYLOAD, signers, SIGNING)), SIGNING) == ("release",)
    answering.identity = "https://example.com/somebody-else"
    with pytest.raises(SigningError, match="none of those that are trusted"):
        sign_verdict(PAYLOAD, signers, SIGNING)


def test_a_sigstore_that_refuses_leaves_the_verdict_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    from sigstore import oidc
    from sigstore.models import ClientTrustConfig

    def unreachable() -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(oidc, "detect_credential", lambda: "a token")
    monkeypatch.setattr(ClientTrustConfig, "production", unreachable)
    with pytest.raises(SigningError, match="stays PENDING: Sigstore did not sign: Network is unreachable"):
        sign_verdict(PAYLOAD, open_signers(["sigstore:"]), SIGNING)
