"""Signing without a lasting key, through Sigstore; the extra ``gonogo[sigstore]``, imported only where a profile names an identity.

The signature is a Sigstore bundle in canonical JSON over what the envelope's signature is over: a certificate for minutes,
issued to the identity that an OpenID token proves, and the public log's word on when it signed.
"""

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

from harness.codec import canonical
from harness.errors import ToolError, UsageError
from harness.frozen import dataclass
from harness.masking import mask, register
from harness.verdict.envelope import Signature
from harness.verdict.trust import identity_keyid

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore.verify import Verifier

_ISSUER = "1.3.6.1.4.1.57264.1.8"
"""The certificate's extension that names who vouched for the identity (Fulcio's OID registry)."""


@dataclass(frozen=True)
class KeylessKey:
    """Signs with the identity that the CI's OpenID token proves: a new token each time, since one lives for minutes."""

    keyid: str = ""
    """Known only from the certificate that a signature comes with."""

    def sign(self, message: bytes) -> Signature:
        """Have a certificate issued, sign, have it logged.

        Raises:
            ToolError: Sigstore refused, or does not answer.
        """
        from sigstore.errors import Error
        from sigstore.models import ClientTrustConfig
        from sigstore.oidc import IdentityError, IdentityToken
        from sigstore.sign import SigningContext

        try:
            context = SigningContext.from_trust_config(ClientTrustConfig.production())
            with context.signer(IdentityToken(_token())) as signer:
                bundle = signer.sign_artifact(message)
        except (Error, IdentityError, OSError) as error:
            raise ToolError(
                f"Sigstore did not sign: {mask(str(error))[:300]}",
                hint="see that the job may ask for an OpenID token and reach Sigstore, and run again",
            ) from error
        identity, issuer = identity_of(bundle.signing_certificate)
        return Signature(identity_keyid(identity, issuer), canonical(json.loads(bundle.to_json())))


def open_key() -> KeylessKey:
    """The key of whoever this CI job is, once its surroundings have shown that they give an OpenID token.

    Raises:
        UsageError: the extra is not installed, or there is no token here.
    """
    require_extra()
    _token()
    return KeylessKey()


def _token() -> str:
    """An OpenID token, masked from here on."""
    from sigstore.oidc import IdentityError, detect_credential

    try:
        token = detect_credential()
    except IdentityError as error:
        raise UsageError(
            f"sigstore: the OpenID token cannot be had: {mask(str(error))[:200]}",
            hint="on GitHub give the job `permissions: id-token: write`",
        ) from error
    if not token:
        raise UsageError(
            "sigstore: there is no OpenID token in these surroundings",
            hint="run in a CI that gives one (on GitHub: `permissions: id-token: write`), or sign with file: or awskms:",
        )
    register(token)
    return token


def verify(message: bytes, bundle: bytes, *, identity: str, issuer: str) -> bool:
    """Whether `bundle` is a Sigstore bundle over `message` by `identity`, vouched for by `issuer`; nothing is asked online.

    Raises:
        UsageError: the extra is not installed.
        ToolError: Sigstore's keys are not here.
    """
    require_extra()
    from sigstore.models import Bundle
    from sigstore.verify.policy import AllOf, Identity, OIDCIssuerV2

    verifier, who = _verifier(), AllOf([Identity(identity=identity), OIDCIssuerV2(issuer)])
    try:
        read = Bundle.from_json(bundle)
        verifier.verify_artifact(message, read, who)
        return canonical(json.loads(read.to_json())) == bundle
    except Exception:  # noqa: BLE001 - whatever parsers of certificates and logs raise of forged bytes: it does not hold
        return False


def _verifier() -> "Verifier":
    from sigstore.errors import Error
    from sigstore.verify import Verifier

    try:
        return Verifier.production(offline=True)
    except (Error, OSError) as error:
        raise ToolError(
            f"Sigstore's root of trust cannot be read: {str(error)[:200]}",
            hint="install gonogo[sigstore] anew; its root comes with it",
        ) from error


def identity_of(certificate: "Certificate") -> tuple[str, str]:
    """Whom a Sigstore certificate names, and by whose word.

    Raises:
        ToolError: it names nobody.
    """
    from cryptography.x509 import (
        ExtensionNotFound,
        ObjectIdentifier,
        OtherName,
        SubjectAlternativeName,
        UnrecognizedExtension,
    )

    try:
        (name,) = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
        told = certificate.extensions.get_extension_for_oid(ObjectIdentifier(_ISSUER)).value
    except (ExtensionNotFound, ValueError):
        raise ToolError("the certificate names no identity and issuer", hint="is this Sigstore?") from None
    value = _utf8(name.value) if isinstance(name, OtherName) else str(name.value)
    return value, _utf8(told.value) if isinstance(told, UnrecognizedExtension) else ""


def _utf8(der: bytes) -> str:
    """A short DER string without its tag and length."""
    return der[3 if der[1] & 0x80 else 2 :].decode()


def require_extra() -> None:
    """Say what to install.

    Raises:
        UsageError: the extra is not installed.
    """
    if find_spec("sigstore") is None:
        raise UsageError(
            "a Sigstore identity needs the library `sigstore`, which the base install leaves out",
            hint="pip install 'gonogo[sigstore]'",
        )
