"""Whose signatures count, and which of their forms."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from byte_flips import accepted
from harness.errors import ProfileError, UsageError, VerdictError
from harness.gates import plan, tables
from harness.model import Phase
from harness.profile.digest import policy_digest, policy_document
from harness.profile.loader import load_profile, rebuild
from harness.profile.problems import InvalidProfileError
from harness.profile.public_key import read_key
from harness.profile.schema import PolicyConfig, SignerConfig, SigningConfig
from harness.shapes import ValidationError
from harness.verdict import keyless
from harness.verdict.envelope import PAYLOAD_TYPE, Envelope, Signature, seal, unseal
from harness.verdict.refusal import Refusal, RefusedError
from harness.verdict.statement import parse
from harness.verdict.trust import P256_ORDER, canonical_der, hold_signatures, identity_keyid, key_ring
from signing_parts import Signer

CI, RELEASE, OTHER = Signer.make("ci"), Signer.make("release", "ecdsa"), Signer.make("other")
IDENTITY = {"identity": "https://example.com/gate.yml@main", "issuer": "https://token.example.com"}


def policy(*signers: Signer, threshold: int = 1) -> PolicyConfig:
    return PolicyConfig(
        signing=SigningConfig(signers=[signer.config for signer in signers], threshold=threshold)
    )


def signed(case: Any, *by: Signer, policy_: PolicyConfig) -> Any:
    from dataclasses import replace

    case.profile = replace(case.profile, policy=policy_)
    case.write()
    if by:
        case.path.write_bytes(seal(case.path.read_bytes(), PAYLOAD_TYPE, by))
    return case


def refused(case: Any, code: Refusal, says: str) -> None:
    with pytest.raises(RefusedError) as caught:
        case.verify()
    assert caught.value.code == code.value, caught.value
    assert says in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 14


@pytest.mark.parametrize("by", [(CI,), (RELEASE,), (CI, RELEASE)])
def test_accepts_who_may_sign(case: Any, by: tuple[Signer, ...]) -> None:
    verified = signed(case, *by, policy_=policy(CI, RELEASE, threshold=len(by))).verify()
    assert verified.signers == tuple(signer.name for signer in by)


def test_unsigned(case: Any) -> None:
    refused(signed(case, policy_=policy(CI, RELEASE)), Refusal.UNSIGNED, "1 of ci, release")


def test_signer_unknown(case: Any) -> None:
    refused(signed(case, OTHER, policy_=policy(CI)), Refusal.SIGNER_UNKNOWN, OTHER.key.keyid)


def test_signer_unknown_beside_one_that_is_known(case: Any) -> None:
    refused(signed(case, CI, OTHER, policy_=policy(CI)), Refusal.SIGNER_UNKNOWN, OTHER.key.keyid)


def test_signature_invalid(case: Any) -> None:
    case = signed(case, CI, policy_=policy(CI))
    first = case.path.read_bytes()
    case.result("unit.tests.all_pass", title="another")
    case.write()
    second = unseal(seal(case.path.read_bytes(), PAYLOAD_TYPE, [CI]))
    case.path.write_bytes(seal(unseal(first).payload, PAYLOAD_TYPE, [_Fixed(second.signatures[0])]))
    refused(case, Refusal.SIGNATURE_INVALID, "signature of ci")


def test_signers_too_few(case: Any) -> None:
    refused(
        signed(case, CI, policy_=policy(CI, RELEASE, threshold=2)),
        Refusal.SIGNERS_TOO_FEW,
        "ci signed: 1 of the 2",
    )


def test_where_the_profile_asks_for_no_signature_none_is_judged(case: Any) -> None:
    assert signed(case, OTHER, policy_=PolicyConfig()).verify().signers == ()


def test_no_changed_byte_of_a_signed_verdict_is_accepted_sample(case: Any) -> None:
    signed(case, CI, RELEASE, policy_=policy(CI, RELEASE, threshold=2))
    raw = case.path.read_bytes()

    def judge(changed: bytes) -> None:
        case.path.write_bytes(changed)
        case.verify()

    tried, found = accepted(raw, judge, every=97)
    assert tried > 500
    assert found == []


@pytest.mark.slow
def test_no_changed_byte_of_a_signed_verdict_is_accepted(stored: bytes) -> None:
    """Read and held against the signers, as verifying begins; what comes after only refuses more."""
    signing = policy(CI, RELEASE, threshold=2).signing
    tried, found = accepted(
        seal(stored, PAYLOAD_TYPE, [CI, RELEASE]),
        lambda changed: hold_signatures(parse(changed).envelope, signing),
    )
    assert tried > 20_000
    assert found == []


@pytest.mark.parametrize("by", [(CI,), (RELEASE,), (CI, RELEASE)])
def test_the_envelope_alone_lets_no_changed_byte_pass(by: tuple[Signer, ...]) -> None:
    """Whatever the payload is: nothing here knows a verdict's own checksum."""
    ring = key_ring([CI.config, RELEASE.config])
    tried, found = accepted(
        seal(b'{"an":"approval"}\n', PAYLOAD_TYPE, by), lambda changed: unseal(changed).signed_by(ring)
    )
    assert tried > 2_000
    assert found == []


class _Fixed:
    """A signer whose signature is given."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature

    def sign(self, _message: bytes) -> Signature:
        return self.signature


def _sealed(sig: bytes, signer: Signer = RELEASE) -> Envelope:
    return unseal(seal(b"{}\n", PAYLOAD_TYPE, [_Fixed(Signature(signer.key.keyid, sig))]))


def test_of_the_two_forms_of_an_ecdsa_signature_one_is_accepted() -> None:
    from harness.verdict.envelope import pae

    ring = key_ring([RELEASE.config])
    low = RELEASE.sign(pae(PAYLOAD_TYPE, b"{}\n")).sig
    r, s = decode_dss_signature(low)
    assert _sealed(low).signed_by(ring) == ("release",)
    high = encode_dss_signature(r, P256_ORDER - s)
    assert canonical_der(high) == low
    padded = b"\x30" + bytes((len(low) - 1,)) + b"\x02" + bytes((low[3] + 1,)) + b"\x00" + low[4:]
    for other in (high, padded, low + b"\x00", low[:-1], b"\x00" * 64, encode_dss_signature(0, 1), b"x"):
        with pytest.raises(VerdictError) as caught:
            _sealed(other).signed_by(ring)
        assert caught.value.code == "signature_invalid"


def test_an_ed25519_signature_of_another_length_does_not_hold() -> None:
    for sig in (b"x", b"\x00" * 64, b"\xff" * 64, b"\x00" * 65):
        with pytest.raises(VerdictError, match="does not hold"):
            _sealed(sig, CI).signed_by(key_ring([CI.config]))


def test_a_key_that_is_no_point_of_the_curve_is_the_profiles_fault() -> None:
    spki = bytearray(RELEASE.key.spki)
    spki[-1] ^= 1
    import base64

    config = SignerConfig(name="off", key=base64.b64encode(spki).decode())
    (key,) = key_ring([config]).values()
    with pytest.raises(ProfileError, match="key of off is not a point"):
        key.verify(b"x", RELEASE.sign(b"x").sig)


@pytest.mark.parametrize("signer", [CI, RELEASE])
def test_a_key_is_read_from_pem_and_from_its_line(signer: Signer) -> None:
    key = read_key(signer.pem)
    assert key == read_key(key.text) == read_key(key.pem) == read_key(key.pem.replace("\n", "\r\n"))
    assert key.pem == signer.pem
    assert len(key.keyid) == 64


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hello", "must be a public key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "Ed25519, or ECDSA on P-256"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "this is a private key"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "must be a public key"),
    ],
)
def test_another_key_is_refused_and_not_repeated(text: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says) as caught:
        SignerConfig(name="x", key=text)
    assert says in caught.value.wrong[0].text


def test_a_signer_has_a_key_or_an_identity() -> None:
    assert SignerConfig(name="x", **IDENTITY).key == ""
    for values in ({}, {"identity": "x"}, {"issuer": "x"}, {"key": CI.pem, **IDENTITY}):
        with pytest.raises(ValidationError, match="either a key, or an identity"):
            SignerConfig(name="x", **values)


def test_one_key_under_two_names_is_refused() -> None:
    with pytest.raises(ValidationError, match="'ci' and 'again' have the same key"):
        SigningConfig(signers=[CI.config, SignerConfig(name="again", key=CI.key.text)])
    with pytest.raises(ValidationError, match="have the same key"):
        SigningConfig(signers=[SignerConfig(name=name, **IDENTITY) for name in ("a", "b")])


def test_one_name_in_two_cases_is_refused_and_with_two_keys_counts_once() -> None:
    with pytest.raises(ValidationError, match="'ci' and 'CI' differ in case only"):
        SigningConfig(signers=[CI.config, SignerConfig(name="CI", **IDENTITY)])
    assert SigningConfig(signers=[CI.config, SignerConfig(name="ci", **IDENTITY)]).signers


def test_a_threshold_that_cannot_be_met_is_refused() -> None:
    with pytest.raises(ValidationError, match="threshold 2 cannot be met by 1 signers"):
        policy(CI, threshold=2)


def profile_of(folder: Path, key: str) -> Any:
    (folder / "mine.toml").write_text(
        f'extends = "dev"\n[policy.signing]\nsigners = [{{ name = "ci", key = {json.dumps(key)} }}]\n'
    )
    return load_profile("mine", tables(), folder=folder, environ={})


def digest(profile: Any) -> str:
    return policy_digest(policy_document(profile, *plan(profile, Phase.PRE_DEPLOY)))


def test_a_profile_names_a_key_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ci.pub").write_text(CI.pem)
    by_file = profile_of(tmp_path, "keys/ci.pub")
    assert by_file.policy.signing.signers[0].key == CI.key.text
    inline = profile_of(tmp_path, CI.key.text)
    assert digest(by_file) == digest(inline) == digest(profile_of(tmp_path, CI.pem))
    assert rebuild(by_file.resolved, "mine", tables()) == by_file
    (tmp_path / "keys" / "ci.pub").write_text(OTHER.pem)
    assert digest(profile_of(tmp_path, "keys/ci.pub")) != digest(by_file)


def test_a_key_file_that_cannot_be_read_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(
        ProfileError, match=r"mine.toml:3: policy.signing.signers\[0\].key: .*ci.pub cannot be read"
    ):
        profile_of(tmp_path, "keys/ci.pub")
    (tmp_path / "ci.key").write_bytes(CI.write(tmp_path).read_bytes())
    with pytest.raises(ProfileError, match=r"ci\.key: this is a private key") as caught:
        profile_of(tmp_path, "ci.key")
    assert "BEGIN" not in str(caught.value)
    (tmp_path / "der.pub").write_bytes(b"\xff\xfe")
    with pytest.raises(ProfileError, match="it is no PEM file"):
        profile_of(tmp_path, "der.pub")


def test_a_key_file_that_is_missing_hides_no_other_problem(tmp_path: Path) -> None:
    text = 'covrage = 1\n[policy.signing]\nsigners = [{ name = "ci", key = "ci.pub" }]\n'
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InvalidProfileError) as caught:
        load_profile("mine", tables(), folder=tmp_path, environ={})
    assert [each.key for each in caught.value.problems] == ["covrage", "policy.signing.signers[0].key"]
    assert "cannot be read: No such file" in caught.value.problems[1].text


def test_a_wrong_inline_key_is_a_problem_of_the_profile(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="must be a public key"):
        profile_of(tmp_path, "-----BEGIN CERTIFICATE-----")


def test_an_identity_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    signing = SigningConfig(signers=[SignerConfig(name="ci", **IDENTITY)])
    signature = Signature(identity_keyid(IDENTITY["identity"], IDENTITY["issuer"]), b"{}")
    envelope = unseal(seal(b"{}\n", PAYLOAD_TYPE, [_Fixed(signature)]))
    monkeypatch.setattr(keyless, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="sigstore") as caught:
        hold_signatures(envelope, signing)
    assert "gonogo[sigstore]" in caught.value.hint
