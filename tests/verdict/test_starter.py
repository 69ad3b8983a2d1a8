"""Who started a run: whom a signature proves, and what the environment only claims."""

from dataclasses import replace
from typing import Any

import pytest

from approval_parts import ALICE, BOB, CI, STRANGER, People
from engine_parts import GOOD, PROFILE, Repo
from harness.errors import VerdictError
from harness.profile.schema import SignerConfig, SigningConfig
from harness.verdict.envelope import PAYLOAD_TYPE, seal, unseal
from harness.verdict.info import Starter
from harness.verdict.keyless import KeylessKey
from harness.verdict.signing import starter
from harness.verdict.statement import parse
from harness.verdict.trust import identity_keyid

ISSUER = "https://token.example.com"
IDENTITIES = [
    SignerConfig(name=name, identity=f"https://example.com/{name}", issuer=ISSUER)
    for name in ("gate", "other")
]
SIGNING = SigningConfig(signers=[CI.config, ALICE.config])


class _Key:
    """A signer of which only the key id is of interest."""

    def __init__(self, keyid: str) -> None:
        self.keyid = keyid

    def sign(self, _message: bytes) -> Any:
        raise NotImplementedError


def test_the_first_signer_that_the_profile_names_started_the_run() -> None:
    keys = [_Key(signer.key.keyid) for signer in (STRANGER, ALICE, CI)]
    assert starter(keys, SIGNING) == Starter("alice", ALICE.key.keyid)
    assert starter(keys[:1], SIGNING) is None
    assert starter((), SIGNING) is None
    assert starter(keys, SigningConfig()) is None


def test_an_identity_is_known_before_it_signs_only_where_there_is_one() -> None:
    lone = SigningConfig(signers=[CI.config, IDENTITIES[0]])
    keyid = identity_keyid(IDENTITIES[0].identity, ISSUER)
    assert starter([KeylessKey()], lone) == Starter("gate", keyid)
    assert starter([KeylessKey()], SigningConfig(signers=IDENTITIES)) is None


def test_a_verdict_names_only_a_starter_who_signed_it(case: Any) -> None:
    people = People(case).profile().write(CI)
    raw = case.path.read_bytes()
    assert parse(raw).info.starter == Starter("ci", CI.key.keyid)
    payload = unseal(raw).payload
    for other in (payload, seal(payload, PAYLOAD_TYPE, [BOB])):
        with pytest.raises(VerdictError, match="proves who started it, and did not sign it") as caught:
            parse(other)
        assert caught.value.code == "inconsistent"
    assert parse(seal(payload, PAYLOAD_TYPE, [BOB, CI])).info == people.verdict.info


def test_what_is_told_of_the_starter(case: Any) -> None:
    info = replace(case.info, started_by="")
    assert info.told_starter == "unknown (unproven)"
    assert replace(info, started_by="dana").told_starter == "dana (unproven)"
    proven = replace(info, starter=Starter("ci", "5f70bf18a0860079"))
    assert proven.told_starter == "ci (proven by key 5f70bf18a086…)"
    assert replace(proven, started_by="dana").told_starter.endswith("), for dana (unproven)")
    with pytest.raises(ValueError, match="by a name and a key"):
        replace(info, starter=Starter("ci", ""))


def test_a_run_names_who_signed_it(tmp_path: Any) -> None:
    """In the verdict, in what explains it, and in the report."""
    repo = Repo(tmp_path)
    repo.suite(GOOD)
    signers = f'[policy.signing]\nsigners = [{{ name = "ci", key = "{CI.key.text}" }}]\n'
    repo.write("profiles/p.toml", PROFILE + signers)
    key = CI.write(tmp_path)
    done = repo.gate("--sign-with", f"file:{key}", environ={"GITHUB_ACTOR": "dana"})
    assert done.returncode == 0, done.stderr
    assert repo.verdict.info.starter == Starter("ci", CI.key.keyid)
    told = f"ci (proven by key {CI.key.keyid[:12]}…), for dana (unproven)"
    assert told in repo.run("explain", "--profile", "p").stdout
    summary = next((tmp_path / "reports").rglob("summary.md"))
    assert "proven by key" in summary.read_text()
