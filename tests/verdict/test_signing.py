"""Who signs, and that what cannot be signed is not published."""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from engine_parts import GOOD, PROFILE, Repo
from harness.cli import run as cli
from harness.errors import GonogoError, UsageError
from harness.masking import MASK, mask
from harness.model import Decision
from harness.profile.schema import SigningConfig
from harness.verdict import keyless
from harness.verdict.envelope import PAYLOAD_TYPE, Signature, unseal
from harness.verdict.signing import (
    PASSPHRASE,
    SigningError,
    check_signers,
    open_signers,
    private_pem,
    read_private,
    sign_verdict,
)
from harness.verdict.trust import key_ring
from signing_parts import Private, Signer

CI, RELEASE, OTHER = Signer.make("ci"), Signer.make("release", "ecdsa"), Signer.make("other")
BOTH = SigningConfig(signers=[CI.config, RELEASE.config], threshold=2)


def told(uri: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        open_signers([uri])
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("signer", [CI, RELEASE])
def test_a_key_file_signs(tmp_path: Path, signer: Signer) -> None:
    (opened,) = open_signers([f"file:{signer.write(tmp_path)}"])
    assert opened.keyid == signer.key.keyid
    signing = SigningConfig(signers=[signer.config])
    for _ in range(8):  # half of all ECDSA signatures have the other s before they are brought into form
        sealed = unseal(sign_verdict(b"{}\n", [opened], signing))
        assert sealed.signed_by(key_ring(signing.signers)) == (signer.name,)


def test_a_private_key_is_in_no_text(tmp_path: Path) -> None:
    path = CI.write(tmp_path)
    (opened,) = open_signers([f"file:{path}"])
    secret = path.read_text().splitlines()[1]
    assert secret not in repr(opened)
    assert mask(f"a {secret} b") == f"a {MASK} b"


def test_an_older_form_of_an_elliptic_key_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sec1.key"
    assert isinstance(RELEASE.private, ec.EllipticCurvePrivateKey)
    path.write_bytes(
        RELEASE.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    path.chmod(0o600)
    assert read_private(path).key == RELEASE.key


@pytest.mark.parametrize("uri", ["ci.key", "file:", "sigstore:x", "pkcs11:x", ":", "", "FILE:x"])
def test_what_names_no_signer_lists_what_does(uri: str) -> None:
    assert "file:PATH, awskms:KEY, sigstore:" in told(uri).hint


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    error = told(f"file:{CI.write(tmp_path, 0o640)}")
    assert "mode 0640" in error.message
    assert "chmod 600" in error.hint


def test_a_missing_key_is_told(tmp_path: Path) -> None:
    assert "No such file" in told(f"file:{tmp_path}/no.key").message
    assert "Is a directory" in told(f"file:{tmp_path}").message


@pytest.mark.parametrize(
    ("private", "says"),
    [
        (ec.generate_private_key(ec.SECP384R1()), "another kind"),
        (rsa.generate_private_key(65537, 2048), "another kind"),
        (None, "no private key in PEM"),
    ],
)
def test_another_kind_of_key_is_refused(tmp_path: Path, private: Private | None, says: str) -> None:
    path = tmp_path / "x.key"
    path.write_bytes(private_pem(private) if private else b"-----BEGIN PRIVATE KEY-----\nAAAA\n")
    path.chmod(0o600)
    assert says in told(f"file:{path}").message


def test_a_passphrase_comes_from_the_environment_and_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ci.key"
    path.write_bytes(private_pem(CI.private, "correct horse"))
    path.chmod(0o600)
    assert f"set {PASSPHRASE}" in told(f"file:{path}").hint
    monkeypatch.setenv(PASSPHRASE, "wrong battery")
    error = told(f"file:{path}")
    assert "not opened by the passphrase" in error.message
    assert PASSPHRASE not in os.environ
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    (opened,) = open_signers([f"file:{path}"])
    assert opened.keyid == CI.key.keyid
    assert PASSPHRASE not in os.environ
    assert "horse" not in mask("it was correct horse")


def test_a_passphrase_is_not_asked_of_a_key_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    assert open_signers([f"file:{CI.write(tmp_path)}"])


def test_one_key_twice_is_wrong_usage(tmp_path: Path) -> None:
    uri = f"file:{CI.write(tmp_path)}"
    with pytest.raises(UsageError, match="same key twice"):
        open_signers([uri, uri])


def test_too_few_and_unknown_signers_are_told_before_a_run(tmp_path: Path) -> None:
    ci, other = (open_signers([f"file:{each.write(tmp_path)}"])[0] for each in (CI, OTHER))
    with pytest.raises(UsageError, match=r"2 of ci, release; --sign-with names 1") as caught:
        check_signers([ci], BOTH, "staging")
    assert "gonogo try" in caught.value.hint
    with pytest.raises(UsageError, match=f"{OTHER.key.keyid}, which is none"):
        check_signers([ci, other], BOTH, "staging")
    check_signers([other], SigningConfig(), "staging")


@dataclass
class Failing:
    """A signer that was there at the start."""

    keyid: str = CI.key.keyid
    gives: bytes = b""

    def sign(self, _message: bytes) -> Signature:
        if self.gives:
            return Signature(self.keyid, self.gives)
        raise UsageError("the token of the key is gone", hint="put it back")


def test_what_cannot_be_signed_is_no_verdict() -> None:
    alone = SigningConfig(signers=[CI.config])
    with pytest.raises(SigningError, match="stays PENDING: the token of the key is gone") as caught:
        sign_verdict(b"{}\n", [Failing()], alone)
    assert caught.value.hint == "put it back; then run the gates again"
    assert caught.value.exit_code == 12
    with pytest.raises(SigningError, match=r"signature of ci .* does not hold"):
        sign_verdict(b"{}\n", [Failing(gives=b"\x00" * 64)], alone)
    for signers in ([], [Failing(gives=b"x"), Failing(gives=b"x")]):
        with pytest.raises(SigningError, match="stays PENDING"):
            sign_verdict(b"{}\n", signers, alone)
    assert sign_verdict(b"{}\n", [], SigningConfig()) == b"{}\n"


def test_sigstore_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyless, "find_spec", lambda _: None)
    assert told("sigstore:").hint == "pip install 'gonogo[sigstore]'"


# The command


def test_keys_new_makes_a_key_that_only_its_owner_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in ("ed25519", "ecdsa"):
        assert cli(["keys"], ["keys", "new", kind, "--type", kind, "--out", "keys"]) == 0
        out = capsys.readouterr().out
        secret = tmp_path / "keys" / f"{kind}.key"
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        opened = read_private(secret)
        assert opened.keyid in out
        assert f'signers = [{{ name = "{kind}", key = "../keys/{kind}.pub" }}]' in out, (
            "from the profile's folder"
        )
        assert secret.read_text().splitlines()[1] not in out
        before = secret.read_bytes()
        assert cli(["keys"], ["keys", "new", kind, "--out", "keys"]) == 64
        assert "exists already" in capsys.readouterr().err
        assert cli(["keys"], ["keys", "show", str(secret)]) == 0
        shown = capsys.readouterr().out
        assert opened.key.text in shown
        assert before == secret.read_bytes()
        secret.with_suffix(".pub").unlink()
        assert cli(["keys"], ["keys", "new", kind, "--out", "keys"]) == 64
        assert before == secret.read_bytes()


def test_keys_new_encrypts_with_a_passphrase(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    assert cli(["keys"], ["keys", "new", "ci", "--out", str(tmp_path)]) == 0
    assert "encrypted" in capsys.readouterr().out
    assert "ENCRYPTED" in (tmp_path / "ci.key").read_text()
    assert cli(["keys"], ["keys", "show", str(tmp_path / "ci.key")]) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["new", "x", "--type", "rsa"], "one of ed25519, ecdsa"),
        (["new", "../x"], "is not a name"),
        (["new", "x", "--out", "/dev/null/x"], "cannot be written"),
        (["show", "nothing.pub"], "No such file"),
        (["show", "/bin/sh"], "no PEM file"),
        (["show", __file__], "this is a private key"),
        (["export", "file:x"], "no key of KMS"),
        (["export", "awskms:"], "no key of KMS"),
    ],
)
def test_keys_says_what_is_wrong(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if arguments[-1] == __file__:
        path = tmp_path / "c.pub"
        path.write_text("-----BEGIN CERTIFICATE-----\n")
        arguments, says = ["show", str(path)], "must be a public key"
    assert cli(["keys"], ["keys", *arguments]) == 64
    assert says in capsys.readouterr().err


# A whole run


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path)
    made.suite(GOOD)
    (tmp_path / "profiles" / "keys").mkdir(parents=True)
    (tmp_path / "profiles" / "keys" / "ci.pub").write_text(CI.pem)
    made.write(
        "profiles/p.toml",
        f'{PROFILE}[policy.signing]\nsigners = [{{ name = "ci", key = "keys/ci.pub" }}]\n',
    )
    return made


def test_a_run_signs_its_verdict_and_verify_names_who_did(repo: Repo) -> None:
    key = CI.write(repo.root)
    done = repo.gate(environ={"GONOGO_SIGN_WITH": f"file:{key}"})
    assert done.returncode == 0, done.stderr
    verdict = repo.verdict
    assert verdict.envelope is not None
    assert verdict.envelope.signed_by(key_ring([CI.config])) == ("ci",)
    source = next(iter(verdict.info.subjects[0].digest.values()))
    verified = repo.run("verify", "--profile", "p", "--source", source, "--json")
    assert verified.returncode == 0, verified.stdout
    assert json.loads(verified.stdout)["signers"] == ["ci"]
    assert "signed by ci" in repo.run("verify", "--profile", "p", "--source", source).stdout
    secret = key.read_text().splitlines()[1].encode()
    assert not [
        path for path in (repo.root / "reports").rglob("*") if path.is_file() and secret in path.read_bytes()
    ]
    repo.write("profiles/p.toml", PROFILE)
    unjudged = repo.gate("--sign-with", f"file:{key}")
    assert unjudged.returncode == 0, unjudged.stderr
    source = next(iter(repo.verdict.info.subjects[0].digest.values()))
    told = repo.run("verify", "--profile", "p", "--source", source)
    assert "not judged" in told.stdout, told.stderr


def test_a_run_that_nobody_signs_does_not_begin_where_somebody_must(repo: Repo) -> None:
    done = repo.gate()
    assert done.returncode == 64
    assert "--sign-with names 0" in done.stderr
    assert not (repo.root / "reports").exists()
    wrong = repo.gate("--sign-with", f"file:{OTHER.write(repo.root)}")
    assert wrong.returncode == 64
    assert "none of those that profile 'p' trusts" in wrong.stderr


def test_a_signer_that_fails_at_the_end_leaves_a_pending_verdict(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness import gate_command, gate_request

    monkeypatch.chdir(repo.root)
    for name in [name for name in os.environ if name.startswith(("GONOGO_", "AWS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(gate_request, "open_signers", lambda *_, **__: (Failing(),))
    run = gate_request.validate(gate_request.Request(profile="p", sign_with=("file:x",)))
    assert gate_command._guarded(run) == 12
    assert "stays PENDING: the token of the key is gone" in capsys.readouterr().err
    assert repo.verdict.decision is Decision.PENDING
    assert repo.verdict.envelope is None


def test_a_payload_type_is_that_of_the_standard() -> None:
    assert PAYLOAD_TYPE == "application/vnd.in-toto+json"
    assert issubclass(SigningError, GonogoError)
