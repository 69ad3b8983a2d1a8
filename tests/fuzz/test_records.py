"""Whatever lies beside a verdict as a record: it counts for what one of the named people signed, or it is refused."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fuzz_parts import fuzz, spoilt_bytes, spoilt_json, values
from go_parts import CODES, NOW, go
from harness.errors import ExitCode, VerdictError
from harness.model import Decision, Outcome
from harness.policy import decide
from harness.profile.schema import ApprovalConfig, OverrideConfig, SigningConfig
from harness.verdict.envelope import PAYLOAD_TYPE, seal
from harness.verdict.evidence import run_home
from harness.verdict.info import Starter
from harness.verdict.override import bypassed, digests
from harness.verdict.reading import encode
from harness.verdict.record_format import About, Approval, Denial, EmergencyOverride, Record
from harness.verdict.records import sign
from harness.verdict.refusal import Refusal
from harness.verdict.statement import Verdict, build, parse
from harness.verdict.verify import Question, Verified, verify
from signing_parts import Signer

ALICE, BOB, CAROL, STRANGER = (Signer.make(name) for name in ("alice", "bob", "carol", "stranger"))
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Judged:
    """A signed verdict that one approval of alice or bob lets go; where it is not GO, with an override of carol's."""

    question: Any
    raw: bytes
    verdict: Verdict

    @property
    def about(self) -> About:
        return About.of(self.verdict)

    def ask(self, records: Iterable[tuple[str, bytes]], **how: Any) -> Verified | VerdictError:
        """What verifying comes to with these records beside the verdict, by name; each refusal has a code and a hint."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "verdict.intoto.json"
            path.write_bytes(self.raw)
            for name, raw in records:
                file = run_home(path, self.about.run_id) / "records" / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(raw)
            try:
                return verify(path, Question(**self.question, **how))
            except VerdictError as error:
                refused = error
        assert refused.code in CODES
        assert refused.hint
        assert refused.exit_code != ExitCode.GO
        return refused

    def approval(self, by: Signer = BOB) -> Approval:
        return Approval(self.about, by.name, NOW, "all is well")

    def override(self) -> EmergencyOverride:
        return EmergencyOverride(
            self.about,
            CAROL.name,
            NOW,
            "checkout is down",
            "INC-7",
            NOW + HOUR,
            digests(self.verdict),
            bypassed(self.verdict),
        )


@cache
def judged(*, failing: bool = False) -> Judged:
    signer, question = go().signer, dict(go().question)
    profile = question["profile"]
    question["profile"] = replace(
        profile,
        policy=profile.policy.model_copy(update={"signing": SigningConfig(signers=[signer.config])}),
        approval=ApprovalConfig(required=1, approvers=[ALICE.config, BOB.config], wait=0.0, max_age=3600.0),
        override=OverrideConfig(signers=[CAROL.config], max=7200.0),
    )
    verdict = parse(go().raw)
    record = verdict.record
    if failing:
        results = (
            record.results[0],
            replace(record.results[1], outcome=Outcome.FAILED, reason="2 tests failed"),
        )
        record = replace(record, results=results)
    info = replace(verdict.info, started_by="dana", starter=Starter(signer.name, signer.key.keyid))
    raw = seal(encode(build(info, record, decide(record))), PAYLOAD_TYPE, [signer])
    return Judged(question, raw, parse(raw))


def signed(record: Record, by: Signer) -> tuple[str, bytes]:
    return f"{record.kind}-1.intoto.json", sign(record, by)


def test_they_let_a_verdict_go_before_they_are_changed() -> None:
    case, failing = judged(), judged(failing=True)
    assert isinstance(case.ask([signed(case.approval(), BOB)]), Verified)
    both = [signed(failing.approval(), BOB), signed(failing.override(), CAROL)]
    assert isinstance(failing.ask(both, accept_override=True), Verified)
    assert failing.verdict.decision is Decision.NO_GO


@fuzz
@given(st.data())
def test_changed_bytes_of_a_record_are_refused(data: st.DataObject) -> None:
    case = judged()
    record = data.draw(
        st.sampled_from((case.approval(), Denial(case.about, BOB.name, NOW, "the database is busy")))
    )
    name, raw = signed(record, BOB)
    changed = data.draw(spoilt_bytes(raw))
    found = case.ask([("approval-2.intoto.json", signed(case.approval(ALICE), ALICE)[1]), (name, changed)])
    if changed != raw:
        assert isinstance(found, VerdictError)
        assert found.code.startswith("record_"), "one record that is wrong is not made good by another"


@fuzz
@given(st.data())
def test_changed_bytes_of_an_override_are_refused(data: st.DataObject) -> None:
    failing = judged(failing=True)
    name, raw = signed(failing.override(), CAROL)
    changed = data.draw(spoilt_bytes(raw))
    found = failing.ask([signed(failing.approval(), BOB), (name, changed)], accept_override=True)
    assert isinstance(found, Verified) == (changed == raw)


@fuzz
@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()), st.booleans())
def test_anything_else_is_refused(raw: bytes, enclosed: bool) -> None:
    case = judged()
    content = seal(raw, PAYLOAD_TYPE, [BOB]) if enclosed and raw else raw
    found = case.ask([("approval-1.intoto.json", content), ("approval-2.intoto.json", signed(case.approval(), BOB)[1])])  # fmt: skip
    assert isinstance(found, VerdictError)
    assert found.code == Refusal.RECORD_MALFORMED


@fuzz
@given(st.data())
def test_a_changed_statement_counts_only_for_what_was_signed(data: st.DataObject) -> None:
    """Signed by somebody whom the profile names: it still must be about this verdict, in their own name, and in time."""
    case = judged()
    said = case.approval()
    document = data.draw(spoilt_json(said.statement()))
    by = data.draw(st.sampled_from((ALICE, BOB, CAROL, STRANGER)))
    try:
        raw = seal(encode(document), PAYLOAD_TYPE, [by])
    except (ValueError, TypeError):
        return
    found = case.ask([("approval-1.intoto.json", raw)])
    if isinstance(found, Verified):
        (approval,) = found.permission.approvals
        assert by is BOB
        assert approval == replace(said, at=approval.at, comment=approval.comment)
        assert approval.statement() == document


@fuzz
@given(st.data())
def test_a_changed_override_is_refused_or_of_the_same_bytes(data: st.DataObject) -> None:
    failing = judged(failing=True)
    said = failing.override()
    try:
        raw = seal(encode(data.draw(spoilt_json(said.statement()))), PAYLOAD_TYPE, [CAROL])
    except (ValueError, TypeError):
        return
    records = [signed(failing.approval(), BOB), ("override-1.intoto.json", raw)]
    found = failing.ask(records, accept_override=True)
    if isinstance(found, Verified):
        standing = found.permission.standing
        assert standing is not None
        assert standing.override.subjects == said.subjects
        assert standing.override.bypassed == said.bypassed
        assert found.permission.expires <= NOW + 2 * HOUR, "never longer than the profile allows"
    withheld = failing.ask(records)
    assert isinstance(withheld, VerdictError), "nothing that is not GO goes where overrides are not accepted"


times = st.datetimes(timezones=st.just(UTC)) | st.integers(-100, 100).map(
    lambda minutes: NOW + timedelta(minutes=minutes)
)


@st.composite
def said_of(draw: st.DrawFn, case: Judged) -> tuple[Record, Signer]:
    """Something that somebody said of a verdict, of this one or another one, at some time."""
    by = draw(st.sampled_from((ALICE, BOB, CAROL, STRANGER, case_signer())))
    name = draw(st.sampled_from((by.name,) * 6 + ("alice", "dana", "ci")))
    about = replace(case.about, sha256=draw(st.sampled_from((case.about.sha256,) * 9 + ("0" * 64,))))
    at = draw(times)
    way = draw(st.integers(0, 3))
    if way == 0:
        return Denial(about, name, at, "the database is busy"), by
    if way == 1:
        expires = draw(times)
        of, what = digests(case.verdict), bypassed(case.verdict) or bypassed(judged(failing=True).verdict)
        if expires > at:
            return EmergencyOverride(about, name, at, "it is down", "INC-7", expires, of, what), by
    return Approval(about, name, at), by


def case_signer() -> Signer:
    """Who signed the verdicts, and so started the runs."""
    return go().signer


@fuzz
@given(st.data(), st.booleans())
def test_whoever_says_what_and_when(data: st.DataObject, failing: bool) -> None:
    """Records that are well formed, of all people and times: what goes is approved by another, and denied by nobody."""
    case = judged(failing=failing)
    said = data.draw(st.lists(said_of(case), max_size=5))
    accept = data.draw(st.booleans())
    records = [
        (f"{record.kind}-{number}.intoto.json", sign(record, by))
        for number, (record, by) in enumerate(said, 1)
    ]
    found = case.ask(records, accept_override=accept)
    if isinstance(found, VerdictError):
        return
    approvals = found.permission.approvals
    assert {each.by for each in approvals} & {"alice", "bob"}
    assert {each.by for each in approvals} <= {"alice", "bob"}
    assert all(each.about == case.about for each in approvals)
    assert all(each.at <= NOW + timedelta(minutes=5) and each.at + HOUR > NOW for each in approvals)
    for record, by in said:
        assert record.about == case.about
        assert record.by == by.name
        assert by in (ALICE, BOB, CAROL)
        if isinstance(record, Denial):
            later = [each for each, _ in said if isinstance(each, Approval) and each.by == record.by]
            assert any(each.at > record.at for each in later), "a denial stands until its author approves"
    assert (found.permission.standing is not None) == failing
    assert accept or not failing
