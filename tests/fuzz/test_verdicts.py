"""Whatever a verdict's file holds: an error with a code, never a traceback, never a GO for what was not judged."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fuzz_parts import fuzz, spoilt_bytes, spoilt_json, values
from go_parts import SOURCE, go
from harness.codec import canonical
from harness.errors import GonogoError
from harness.model import (
    Decision,
    Outcome,
    Record,
)
from harness.policy import decide
from harness.verdict.envelope import PAYLOAD_TYPE, seal
from harness.verdict.format import EXTENSION
from harness.verdict.reading import encode
from harness.verdict.statement import build, parse
from harness.verdict.verify import Verified
from strategies import planned_records, results


def _with_checksum(document: Any) -> bytes | None:
    """The bytes of a document as its writer would have written them, where it is near enough to one."""
    try:
        detail = document["predicate"][EXTENSION]
        detail["sha256"] = ""
        detail["sha256"] = hashlib.sha256(canonical(document)).hexdigest()
        return encode(document)
    except (KeyError, TypeError, ValueError):
        return None


def test_the_verdict_is_go_before_it_is_changed(tmp_path: Path) -> None:
    assert go().ask(go().raw, tmp_path, signed=False)
    assert go().ask(go().sealed, tmp_path, signed=True)


@fuzz
@given(st.data())
def test_changed_bytes_are_refused(tmp_path: Path, data: st.DataObject) -> None:
    raw = data.draw(spoilt_bytes(go().raw))
    assert (go().ask(raw, tmp_path, signed=False) is None) == (raw != go().raw)


@fuzz
@given(st.data())
def test_changed_bytes_of_an_envelope_are_refused(tmp_path: Path, data: st.DataObject) -> None:
    raw = data.draw(spoilt_bytes(go().sealed))
    assert (go().ask(raw, tmp_path, signed=True) is None) == (raw != go().sealed)


@fuzz
@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_refused(tmp_path: Path, raw: bytes) -> None:
    assert go().ask(raw, tmp_path, signed=False) is None
    assert go().ask(b'{"payload' + raw, tmp_path, signed=True) is None


@fuzz
@given(st.data())
def test_a_changed_envelope_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    envelope = json.loads(go().sealed)
    document = data.draw(spoilt_json(envelope))
    try:
        raw = encode(document)
    except (ValueError, TypeError):
        return
    assert (go().ask(raw, tmp_path, signed=True) is None) == (raw != go().sealed)


@fuzz
@given(st.data())
def test_a_changed_statement_is_never_a_go_that_it_does_not_prove(
    tmp_path: Path, data: st.DataObject
) -> None:
    """With its checksum put right: what is accepted then is about what was asked, and follows from its record."""
    raw = _with_checksum(data.draw(spoilt_json(go().statement)))
    if raw is None:
        return
    accepted = go().ask(raw, tmp_path, signed=False)
    if accepted is not None:
        _hold(accepted)
    assert go().ask(raw, tmp_path, signed=True) is None, "nobody signed it"
    again = go().ask(seal(raw, PAYLOAD_TYPE, [go().signer]), tmp_path, signed=True)
    assert (again is None) == (accepted is None)


@fuzz
@given(planned_records())
def test_a_verdict_of_any_run_is_written_and_read_or_refused(tmp_path: Path, record: Record) -> None:
    info = parse(go().raw).info
    try:
        raw = encode(build(replace(info, partial=record.partial), record, decide(record)))
    except (GonogoError, ValueError):
        return
    assert parse(raw).decided == decide(record)
    assert go().ask(raw, tmp_path, signed=False) is None, "it accounts for other gates"


@fuzz
@given(st.data())
def test_other_results_are_go_only_where_all_of_them_passed(tmp_path: Path, data: st.DataObject) -> None:
    verdict = parse(go().raw)
    drawn = [data.draw(results(each.gate, each.id)) for each in verdict.record.results]
    record = replace(verdict.record, results=tuple(drawn))
    try:
        raw = encode(build(verdict.info, record, verdict.decided))
    except (GonogoError, ValueError):
        return
    accepted = go().ask(raw, tmp_path, signed=False)
    if accepted is not None:
        _hold(accepted)
        assert not any(
            each.outcome in (Outcome.FAILED, Outcome.ERROR) for each in accepted.verdict.record.results
        )


def _hold(accepted: Verified) -> None:
    verdict = accepted.verdict
    assert verdict.decision is Decision.GO is decide(verdict.record).decision
    assert SOURCE in verdict.info.subjects[0].digest.values() or any(
        SOURCE in subject.digest.values() for subject in verdict.info.subjects if subject.name == "source"
    )
    assert [check.id for check in verdict.record.checks] == [check.id for check in go().question["checks"]]
    assert {each.id for each in verdict.record.results} >= {check.id for check in verdict.record.checks}
