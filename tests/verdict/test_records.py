"""The records beside a verdict: one form of each, one signer, one verdict; and where they lie."""

import base64
import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from approval_parts import ALICE, BOB, CAROL, CI, MINUTE, STRANGER, People
from byte_flips import accepted
from harness.codec import canonical
from harness.errors import GonogoError, VerdictError
from harness.model import Outcome, Phase
from harness.verdict.envelope import PAYLOAD_TYPE, seal
from harness.verdict.evidence import run_home
from harness.verdict.reading import encode
from harness.verdict.record_format import About, Approval, Denial, parse
from harness.verdict.records import attach, read_record, read_records, sign
from harness.verdict.refusal import Refusal, RefusedError
from harness.verdict.store import StoreError


@pytest.fixture
def people(case: Any) -> People:
    return People(case).profile().write()


@pytest.fixture
def failing(case: Any) -> People:
    case.result("unit.tests.all_pass", outcome=Outcome.FAILED, reason="2 tests failed")
    return People(case).profile(required=0).write()


def refused(people: People, code: Refusal, says: str, **how: Any) -> None:
    with pytest.raises(RefusedError) as caught:
        people.verify(**how)
    assert caught.value.code == code.value, caught.value
    assert caught.value.exit_code == 14
    assert says in caught.value.message
    assert caught.value.hint


def flipped(path: Path, judge: Callable[[], object], *, every: int = 1) -> int:
    raw = path.read_bytes()

    def of(changed: bytes) -> None:
        path.write_bytes(changed)
        judge()

    tried, found = accepted(raw, of, every=every)
    path.write_bytes(raw)
    assert found == []
    return tried


def test_no_changed_byte_of_an_approval_is_accepted(people: People) -> None:
    path = people.approve(BOB, comment="all is well")
    assert flipped(path, people.verify, every=7) > 500


def test_no_changed_byte_of_an_override_is_accepted(failing: People) -> None:
    path = failing.add(failing.overriding(), CAROL)
    assert flipped(path, lambda: failing.verify(accept_override=True), every=11) > 500


@pytest.mark.slow
def test_no_changed_byte_of_an_approval_is_accepted_exhaustively(people: People) -> None:
    path = people.approve(BOB, comment="all is well")
    assert flipped(path, people.verify) > 5_000


@pytest.mark.slow
def test_no_changed_byte_of_an_override_is_accepted_exhaustively(failing: People) -> None:
    path = failing.add(failing.overriding(), CAROL)
    assert flipped(path, lambda: failing.verify(accept_override=True)) > 10_000


def test_no_changed_byte_of_a_denial_lets_it_go(people: People) -> None:
    """A denial that was changed is no approval, nor nothing."""
    people.approve(BOB)
    path = people.deny(ALICE)
    raw = path.read_bytes()
    for position in range(0, len(raw), 5):
        path.write_bytes(raw[:position] + bytes((raw[position] ^ 1,)) + raw[position + 1 :])
        with pytest.raises(GonogoError):
            people.verify()


def test_each_kind_reads_back(people: People, failing: People) -> None:
    for record in (
        Approval(people.about, "bob", people.made, "fine"),
        Denial(people.about, "bob", people.made, "not now\nlater"),
        failing.overriding(),
    ):
        assert parse(encode(record.statement())) == record
        assert read_record(sign(record, STRANGER), "x").keyid == STRANGER.key.keyid


def test_another_tool_reads_what_is_signed(people: People) -> None:
    """The statement's fields are those of in-toto, and securesystemslib finds the signature good."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    raw = people.approve(BOB).read_bytes()
    key = SSlibKey(BOB.key.keyid, "ed25519", "ed25519", {"public": BOB.key.raw.hex()})
    envelope = Envelope.from_dict(json.loads(raw))
    assert set(envelope.verify([key], 1)) == {BOB.key.keyid}
    statement = json.loads(envelope.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "urn:gonogo:approval:v1"
    assert statement["subject"][0]["digest"] == {"sha256": people.verdict.sha256}


def test_record_malformed(people: People) -> None:
    people.approve(BOB).write_bytes(b"{}\n")
    refused(people, Refusal.RECORD_MALFORMED, "approval-1.intoto.json: an envelope has payload")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the record is empty"),
        (b'{"payload":"', "the record ends in the middle"),
        (b"[]", "not a JSON object"),
    ],
)
def test_record_malformed_says_how(people: People, content: bytes, says: str) -> None:
    people.approve(BOB).write_bytes(content)
    refused(people, Refusal.RECORD_MALFORMED, says)


def test_record_malformed_where_something_else_lies_there(people: People) -> None:
    path = people.approve(BOB)
    (path.parent / ".hidden").write_text("an editor's")
    people.verify()
    other = path.rename(path.with_name("denial-1.intoto.json"))
    refused(people, Refusal.RECORD_MALFORMED, "a record of this kind has another name")
    for name in ("notes.txt", "approval-0.intoto.json", "approval-1.intoto.json.bak", "approval-1.json"):
        other = other.rename(path.with_name(name))
        refused(people, Refusal.RECORD_MALFORMED, f"{name}: a record of this kind has another name")
    other.unlink()
    path.mkdir()
    refused(people, Refusal.RECORD_MALFORMED, "cannot be read: it is not a plain file")


def test_record_malformed_where_the_folder_is_none(people: People) -> None:
    people.home.mkdir(parents=True)
    (people.home / "records").write_text("x")
    refused(people, Refusal.RECORD_MALFORMED, "cannot be read: Not a directory")


def test_record_malformed_with_two_signatures(people: People) -> None:
    payload = encode(Approval(people.about, "bob", people.made).statement())
    with pytest.raises(VerdictError, match="has one signature"):
        attach(people.home, seal(payload, PAYLOAD_TYPE, [ALICE, BOB]))


def test_record_subject(people: People) -> None:
    about = people.about
    for other in (
        About("f" * 64, about.run_id, about.profile, about.phase),
        About(about.sha256, "another", about.profile, about.phase),
        About(about.sha256, about.run_id, "prod", about.phase),
        About(about.sha256, about.run_id, about.profile, Phase.POST_DEPLOY),
    ):
        path = people.add(Approval(other, "bob", people.made), BOB)
        refused(people, Refusal.RECORD_SUBJECT, "not about run")
        path.unlink()


def test_record_signer_unknown(people: People) -> None:
    people.approve(STRANGER)
    refused(people, Refusal.RECORD_SIGNER_UNKNOWN, STRANGER.key.keyid)


def test_record_signer_unknown_of_another_list(people: People) -> None:
    people.approve(CI)
    refused(people, Refusal.RECORD_SIGNER_UNKNOWN, "(alice, bob)")


def test_record_signer_unknown_who_signs_in_anothers_name(people: People) -> None:
    people.approve(BOB, name="alice")
    refused(people, Refusal.RECORD_SIGNER_UNKNOWN, "says that it is by alice, and bob signed it")


def test_record_signature_invalid(people: People) -> None:
    first = json.loads(people.approve(BOB).read_bytes())
    path = people.approve(BOB, comment="another")
    second = json.loads(path.read_bytes())
    path.write_bytes(canonical({**second, "signatures": first["signatures"]}) + b"\n")
    refused(people, Refusal.RECORD_SIGNATURE_INVALID, "the signature of bob")


@pytest.mark.parametrize("after", [-2 * MINUTE, 3 * MINUTE])
def test_record_time(people: People, after: timedelta) -> None:
    people.approve(BOB, after=after)
    refused(people, Refusal.RECORD_TIME, "the approval by bob is from")


@pytest.mark.parametrize("after", [-MINUTE, 2 * MINUTE])
def test_clocks_may_be_a_minute_apart(people: People, after: timedelta) -> None:
    people.approve(BOB, after=after)
    assert people.verify(after=MINUTE).permission.approvals


def altered(people: People, change: Callable[[dict[str, Any]], None]) -> bytes:
    """An approval signed by who may, with another statement than there can be."""
    statement = Approval(people.about, "bob", people.made).statement()
    change(statement)
    return seal(encode(statement), PAYLOAD_TYPE, [BOB])


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a key more": (lambda s: s["predicate"].update(more=1), "keys or values that no approval has"),
    "a key less": (lambda s: s["predicate"].pop("comment"), "comment is not text"),
    "a number": (lambda s: s["predicate"].update(comment=1), "comment is not text"),
    "no predicate": (lambda s: s.update(predicate=[]), "predicate is not an object"),
    "another type": (lambda s: s.update(predicateType="urn:gonogo:wish:v1"), "is no type of record"),
    "another version": (lambda s: s.update(predicateType="urn:gonogo:approval:v2"), "is no type of record"),
    "another statement": (lambda s: s.update(_type="https://in-toto.io/Statement/v2"), "no approval has"),
    "two subjects": (lambda s: s["subject"].append(s["subject"][0]), "not one verdict"),
    "another name": (lambda s: s["subject"][0].update(name="x"), "keys or values"),
    "a short digest": (lambda s: s["subject"][0]["digest"].update(sha256="ab"), "no sha256"),
    "another phase": (lambda s: s["predicate"].update(phase="later"), "later"),
    "no name": (lambda s: s["predicate"].update(by="a b"), "is not a name"),
    "no time": (lambda s: s["predicate"].update(at="yesterday"), "yesterday"),
    "a local time": (lambda s: s["predicate"].update(at="2026-11-02T11:59:00"), "at is not in UTC"),
    "another zone": (lambda s: s["predicate"].update(at="2026-11-02T12:59:00+01:00"), "at is not in UTC"),
    "a time without fractions": (
        lambda s: s["predicate"].update(at="2026-11-02T11:59:00Z"),
        "keys or values",
    ),
    "a long comment": (lambda s: s["predicate"].update(comment="x" * 2001), "more than 2000 characters"),
    "a denial without a reason": (
        lambda s: (s.update(predicateType="urn:gonogo:denial:v1"), s["predicate"].update(reason=" ")),
        "the reason has no characters",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_statement_of_another_shape_is_refused_though_it_is_signed(people: People, name: str) -> None:
    change, says = CHANGES[name]
    with pytest.raises(VerdictError, match=says) as caught:
        read_record(altered(people, lambda statement: void(change(statement))), "x")
    assert caught.value.code == Refusal.RECORD_MALFORMED.value


def void(_value: object) -> None:
    """What a change returns is of no interest."""


OVERRIDES: dict[str, tuple[dict[str, Any], str]] = {
    "it never begins": ({"expires": "2026-11-02T11:00:00.000000Z"}, "expires before it begins"),
    "no incident": ({"incident": ""}, "the incident has no characters"),
    "bypasses no list": ({"bypassed": {}}, "bypassed is not a list"),
    "bypasses something else": ({"bypassed": [1]}, "gate is not text"),
    "of no decision": ({"bypassed": [{"gate": "", "check": "", "decision": "FINE"}]}, "FINE"),
    "of nothing": ({"subjects": {}}, "or of nothing"),
    "of a digest that is none": ({"subjects": {"api": {"sha256": 1}}}, "sha256 is not text"),
    "of an image without digests": ({"subjects": {"api": "x"}}, "api is not an object"),
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_an_override_of_another_shape_is_refused_though_it_is_signed(failing: People, name: str) -> None:
    changes, says = OVERRIDES[name]
    statement = failing.overriding().statement()
    statement["predicate"].update(changes)
    with pytest.raises(VerdictError, match=says):
        read_record(seal(encode(statement), PAYLOAD_TYPE, [CAROL]), "x")


def test_base64_in_another_form_is_refused(people: People) -> None:
    raw = people.approve(BOB).read_bytes()
    payload = json.loads(raw)["payload"]
    padded = raw.replace(payload.encode(), base64.urlsafe_b64encode(base64.b64decode(payload) + b"?>"))
    with pytest.raises(VerdictError):
        read_record(padded, "x")


def test_records_are_numbered_and_never_replaced(people: People) -> None:
    names = [people.approve(BOB).name, people.approve(BOB).name, people.deny(ALICE).name]
    assert names == ["approval-1.intoto.json", "approval-2.intoto.json", "denial-1.intoto.json"]
    assert [each.record.kind for each in read_records(people.home)] == ["approval", "approval", "denial"]
    assert not list(people.home.glob("records/.*"))


def test_records_lie_beside_the_runs_own_verdict(people: People) -> None:
    run = people.case.info.run_id
    newest = people.case.path
    assert run_home(newest, run) == run_home(newest.parent / "runs" / run / newest.name, run)
    assert read_records(people.home) == ()


def test_a_record_that_cannot_be_written_is_told(people: People) -> None:
    people.home.mkdir(parents=True)
    (people.home / "records").write_text("in the way")
    with pytest.raises(StoreError, match="the approval could not be written") as caught:
        people.approve(BOB)
    assert "run again" in caught.value.hint


def test_a_record_is_whole_or_absent(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        people.approve(BOB)
    assert list((people.home / "records").iterdir()) == []
