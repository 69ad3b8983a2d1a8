"""What a verdict file holds, that others can read it, and that nothing else passes for one."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.errors import VerdictError
from harness.masking import register
from harness.model import (
    Cause,
    Decision,
    Evidence,
    Finding,
    GateRun,
    Measurement,
    Outcome,
    Phase,
    SessionEnd,
    Subject,
    Unit,
)
from harness.policy import decide
from harness.profile import Setting
from harness.profile.schema import AwsConfig, LocalConfig
from harness.verdict.format import EXTENSION, SCHEMA, schema, write_schema
from harness.verdict.info import Override, emulated, overrides
from harness.verdict.reading import encode
from harness.verdict.statement import DIAGNOSIS_SHOWN, FINDINGS_SHOWN, build, parse, placeholder
from records import waiver

Seal = Callable[[Mapping[str, Any]], bytes]

_URI = {"type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9+.-]*:\S+$"}
_DIGEST_SET = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]+$"},
}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
VSA: dict[str, Any] = {
    # Written from the specifications, not from our code: in-toto Statement v1 and its field types, SLSA VSA v1 (1.1).
    "type": "object",
    "required": ["_type", "subject", "predicateType", "predicate"],
    "additionalProperties": False,
    "properties": {
        "_type": {"const": "https://in-toto.io/Statement/v1"},
        "predicateType": {"const": "https://slsa.dev/verification_summary/v1"},
        "subject": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["digest"],
                "properties": {
                    "name": {"type": "string"},
                    "uri": {"type": "string"},
                    "digest": _DIGEST_SET,
                    "annotations": {"type": "object"},
                },
                "additionalProperties": False,
            },
        },
        "predicate": {
            "type": "object",
            "required": ["verifier", "resourceUri", "policy", "verificationResult", "verifiedLevels"],
            "properties": {
                "verifier": {
                    "type": "object",
                    "required": ["id"],
                    "properties": {
                        "id": _URI,
                        "version": {"type": "object", "additionalProperties": {"type": "string"}},
                    },
                },
                "timeVerified": _TIME,
                "resourceUri": _URI,
                "policy": {
                    "type": "object",
                    "required": ["uri", "digest"],
                    "properties": {"uri": _URI, "digest": _DIGEST_SET},
                },
                "inputAttestations": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["uri", "digest"],
                        "properties": {
                            "name": {"type": "string"},
                            "uri": _URI,
                            "digest": _DIGEST_SET,
                            "mediaType": {"type": "string"},
                        },
                        "additionalProperties": False,
                    },
                },
                "verificationResult": {"enum": ["PASSED", "FAILED"]},
                "verifiedLevels": {
                    "type": "array",
                    "items": {"type": "string", "not": {"pattern": "^SLSA_"}},
                },
                "slsaVersion": {"type": "string", "pattern": r"^\d+\.\d+$"},
            },
            # Producers may add extension fields whose names are URIs, and nothing else.
            "patternProperties": {_URI["pattern"]: True},
            "additionalProperties": False,
        },
    },
}


def code_of(raw: bytes) -> str:
    with pytest.raises(VerdictError) as caught:
        parse(raw)
    return caught.value.code


def test_reads_back_what_was_built(case: Any) -> None:
    raw = encode(case.statement())
    verdict = parse(raw)
    assert (verdict.info, verdict.record, verdict.decided) == (case.info, case.record, case.decided)
    assert encode(build(verdict.info, verdict.record, verdict.decided)) == raw
    assert raw.endswith(b"}\n")


def test_go_is_the_only_passed(case: Any) -> None:
    predicate = case.statement()["predicate"]
    assert predicate["verificationResult"] == "PASSED"
    assert predicate["verifiedLevels"] == ["GONOGO_STAGING_PRE_DEPLOY"]
    case.result("unit.tests.all_pass", outcome=Outcome.INCONCLUSIVE, cause=Cause.NOTHING_CHECKED, reason="0")
    predicate = case.statement()["predicate"]
    assert predicate["verificationResult"] == "FAILED"
    assert predicate["verifiedLevels"] == ["FAILED"]
    assert predicate[EXTENSION]["decision"] == "INCONCLUSIVE"


def test_statements_hold_against_the_specification_and_our_schema(case: Any) -> None:
    statements = [case.statement(), placeholder(case.info)]
    case.result("unit.tests.all_pass", outcome=Outcome.FAILED, reason="no", waiver="W-1", flaky=True)
    case.waive(waiver("W-1", "unit.tests.all_pass"))
    statements.append(case.statement())
    for each in statements:
        jsonschema.Draft202012Validator(VSA).validate(each)
        jsonschema.Draft202012Validator(schema()).validate(each)


def test_our_schema_refuses_what_it_does_not_know(case: Any) -> None:
    ours = jsonschema.Draft202012Validator(schema())
    for place in ((), ("predicate",), ("predicate", EXTENSION), ("predicate", EXTENSION, "record")):
        for change in ("more", "less"):
            statement = case.statement()
            target = statement
            for step in place:
                target = target[step]
            if change == "more":
                target["more"] = 1
            else:
                target.popitem()
            assert not ours.is_valid(statement), (place, change)


def test_shipped_schema_is_current(tmp_path: Any) -> None:
    write_schema(tmp_path / "schema.json")
    assert SCHEMA.read_text() == (tmp_path / "schema.json").read_text(), (
        "write it anew: python -c 'from harness.verdict.format import write_schema; write_schema()'"
    )
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))


def test_gates_show_thresholds_skips_waivers_and_flakes(case: Any) -> None:
    case.result("unit.tests.all_pass", outcome=Outcome.FAILED, reason="1 failed", waiver="W-1", flaky=True)
    case.waive(waiver("W-1", "unit.tests.all_pass"))
    case.result(
        "unit.coverage.reaches_the_bar", outcome=Outcome.SKIPPED, cause=Cause.UNREACHABLE, reason="gone"
    )
    gates = {gate["gate"]: gate for gate in case.statement()["predicate"][EXTENSION]["gates"]}
    assert gates["unit"]["waived"] == {"unit.tests.all_pass": "W-1"}
    assert gates["unit"]["flaky"] == ["unit.tests.all_pass"]
    assert gates["unit"]["skips"] == {"unreachable": ["unit.coverage.reaches_the_bar"]}
    assert gates["unit"]["budget"] == 300.0
    (threshold,) = gates["load"]["thresholds"]
    assert (threshold["actual"], threshold["limit"], threshold["sample"]) == ("59/500", "2", 3000)


def test_long_results_are_cut_with_the_total_stated(case: Any) -> None:
    case.result(
        "unit.tests.all_pass",
        findings=tuple(Finding("E1", f"line {number}") for number in range(FINDINGS_SHOWN + 7)),
        diagnosis=tuple(f"line {number}" for number in range(DIAGNOSIS_SHOWN + 3)),
    )
    verdict = parse(encode(case.statement()))
    result = next(each for each in verdict.record.results if each.id == "unit.tests.all_pass")
    assert len(result.findings) == FINDINGS_SHOWN
    assert verdict.findings == {"unit.tests.all_pass": FINDINGS_SHOWN + 7}
    assert len(result.diagnosis) == DIAGNOSIS_SHOWN
    assert result.diagnosis[-1] == "… and 4 more lines, in the run's ledger"
    assert decide(verdict.record) == verdict.decided


def test_evidence_is_listed_once(case: Any) -> None:
    evidence = case.record.results[2].evidence[0]
    case.result("unit.coverage.reaches_the_bar", evidence=(evidence,))
    (listed,) = case.statement()["predicate"]["inputAttestations"]
    assert listed["name"] == "unit/evidence/pytest.txt"
    assert listed["uri"] == "urn:gonogo:evidence:20261102T115500Z-4f1c:unit/evidence/pytest.txt"
    assert listed["digest"] == {"sha256": evidence.sha256}


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../other/run", "unit/../../x", "unit//x", "unit/./x", "x/", "a\x00b"]
)
def test_evidence_outside_the_run_is_refused(case: Any, path: str) -> None:
    case.result("unit.tests.all_pass", evidence=(Evidence("x", path, "0" * 64, 1),))
    with pytest.raises(ValueError, match="not a path below"):
        case.statement()


def test_placeholder_is_pending_and_of_this_run(case: Any) -> None:
    verdict = parse(encode(placeholder(case.info)))
    assert verdict.decision is Decision.PENDING
    assert verdict.info == replace(case.info, finished=None, expires=None)


def test_a_run_that_is_not_over_cannot_be_decided(case: Any) -> None:
    with pytest.raises(ValueError, match="not over"):
        build(replace(case.info, finished=None, expires=None), case.record, case.decided)


def test_the_record_of_another_kind_of_run_is_refused(case: Any) -> None:
    with pytest.raises(ValueError, match="disagree on being partial"):
        build(replace(case.info, partial=True), case.record, case.decided)


def test_a_number_that_is_not_finite_is_never_written(case: Any) -> None:
    runs = (GateRun("unit", SessionEnd.COMPLETED, duration=float("nan")), *case.record.runs[1:])
    with pytest.raises(ValueError, match="JSON compliant"):
        build(case.info, replace(case.record, runs=runs), case.decided)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"run_id": "../x"}, "run id"),
        ({"run_id": ""}, "run id"),
        ({"profile": "a/b"}, "profile"),
        ({"policy_digest": "sha256:" + "0" * 64}, "policy digest"),
        ({"attempt": 0}, "attempt"),
        ({"subjects": ()}, "without a subject"),
        ({"subjects": (Subject("api", {"sha256": "a" * 64}),) * 2}, "names of their own"),
        ({"subjects": (Subject("", {"sha256": "a" * 64}),)}, "names of their own"),
        ({"subjects": (Subject("api", {}),)}, "no digest"),
        ({"subjects": (Subject("api", {"sha256": "latest"}),)}, "no digest"),
        ({"started": datetime(2026, 11, 2)}, "not in UTC"),  # noqa: DTZ001 - the mistake it must catch
        ({"started": datetime(2026, 11, 2, tzinfo=timezone(timedelta(hours=1)))}, "not in UTC"),
        ({"finished": None}, "belong together"),
        ({"started": datetime(2027, 1, 1, tzinfo=timezone(timedelta(0)))}, "out of order"),
    ],
)
def test_a_run_that_cannot_be_is_refused(case: Any, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(case.info, **changes)


def test_overrides_are_recorded_masked(case: Any) -> None:
    register("hunter2hunter2")
    profile = replace(
        case.profile,
        settings={
            "aws.region": Setting("us-west-2", "GONOGO_AWS__REGION"),
            "app.path": Setting("hunter2hunter2", "--set"),
            "app.python": Setting("python", "staging.toml:3"),
        },
    )
    assert overrides(profile) == {
        "app.path": Override("****", "--set"),
        "aws.region": Override("us-west-2", "GONOGO_AWS__REGION"),
    }


def test_only_a_profile_that_says_so_is_emulated(case: Any) -> None:
    assert not emulated(case.profile)
    assert emulated(replace(case.profile, local=LocalConfig(stand_in=True)))
    assert emulated(replace(case.profile, aws=AwsConfig(endpoint_url="http://127.0.0.1:4566")))


def test_levels_are_named_after_profile_and_phase(case: Any) -> None:
    info = replace(case.info, profile="eu-west.prod", phase=Phase.POST_DEPLOY)
    assert info.level == "GONOGO_EU_WEST_PROD_POST_DEPLOY"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "truncated"),
        (b" \n", "truncated"),
        (b"\xff\xfe{}", "malformed"),
        (b"[]", "malformed"),
        (b'"GO"', "malformed"),
        (b"{}\n", "malformed"),
        (b"{}{}", "malformed"),
        (b'{"a":1,"a":2}\n', "malformed"),
        (b'{"a":NaN}\n', "malformed"),
        (b'{"a":-Infinity}\n', "malformed"),
        (b'{"a":"\\ud800"}\n', "malformed"),
        (b"[" * 100_000, "malformed"),
        (b"[" * 100_000 + b"}", "malformed"),
        (b'{"a":' + b"9" * 5000 + b"}\n", "malformed"),
        (b'{ "a":1}\n', "not_canonical"),
    ],
)
def test_what_is_no_verdict(raw: bytes, code: str) -> None:
    assert code_of(raw) == code


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"attempt":1,', b'"attempt":1.0,'),
        (b'"attempt":1,', b'"attempt":"1",'),
        (b'"attempt":1,', b""),
        (b'"attempt":1,', b'"attempt":1,"attempt":1,'),
        (b'"partial":false', b'"partial":0'),
        (b'"proven":false', b'"proven":true'),
        (b'"59/500"', b'"1e999999999"'),
        (b'"59/500"', b'"1/0"'),
        (b'"59/500"', b'"nan"'),
        (b'"59/500"', b"0.118"),
        (b'"59/500"', b'"118/1000"'),
        (b"0.1.0", b"0.1.1"),
        (b'"name":"ci"', b'"name":"me"'),
    ],
)
def test_a_change_of_a_value_is_refused(stored: bytes, sealed: Seal, before: bytes, after: bytes) -> None:
    assert before in stored
    code_of(stored.replace(before, after, 1))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda s: s.update(more=1), "malformed"),
        (lambda s: s["predicate"].update(more=1), "malformed"),
        (lambda s: s["predicate"][EXTENSION].update(more=1), "malformed"),
        (lambda s: s["predicate"][EXTENSION]["record"]["results"][0].update(more=1), "malformed"),
        (lambda s: s["predicate"][EXTENSION]["record"]["results"][0].pop("waiver"), "inconsistent"),
        (lambda s: s["predicate"][EXTENSION]["gates"].pop(), "not_derivable"),
        (lambda s: s["predicate"][EXTENSION]["run"].update(finished=None), "inconsistent"),
        (lambda s: s["predicate"][EXTENSION].update(findings={}), "inconsistent"),
        (lambda s: s["predicate"][EXTENSION]["findings"].update({"unit.tests.all_pass": 0}), "inconsistent"),
        (lambda s: s["predicate"].update(inputAttestations=[]), "inconsistent"),
        (lambda s: s["predicate"].update(verifiedLevels=["GONOGO_PROD_PRE_DEPLOY"]), "inconsistent"),
        (lambda s: s["predicate"].update(verifiedLevels=[]), "malformed"),
        (lambda s: s["predicate"].update(timeVerified="2026-11-02T11:59:01Z"), "inconsistent"),
        (lambda s: s.update(subject=[]), "malformed"),
        (lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"), "unknown_value"),
    ],
)
def test_a_forger_who_mends_the_checksum_must_still_be_consistent(
    case: Any, sealed: Seal, change: Callable[[Any], object], code: str
) -> None:
    statement = case.statement()
    change(statement)
    case.path.write_bytes(sealed(statement))
    with pytest.raises(VerdictError) as caught:
        case.verify()
    assert caught.value.code == code


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_flipped_byte_is_refused(stored: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(stored) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != stored[position]))
    code_of(stored[:position] + bytes([value]) + stored[position + 1 :])


def test_every_byte_counts(stored: bytes) -> None:
    """Each position, one bit each: the ones that stay canonical JSON are what checksum and types are for."""
    bits = random.Random(7)
    for position in range(len(stored)):
        flipped = stored[position] ^ (1 << bits.randrange(8))
        code_of(stored[:position] + bytes([flipped]) + stored[position + 1 :])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
@example(b'{"predicate":null}\n')
@example(b'{"_type":{"a":[]}}\n')
def test_arbitrary_bytes_are_only_ever_refused(raw: bytes) -> None:
    code_of(raw)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_arbitrary_changes_of_structure_are_only_ever_refused(
    stored: bytes, sealed: Seal, data: st.DataObject
) -> None:
    """Any value of the tree replaced by any other, with a checksum that fits again: refused, or a verdict like any other."""
    statement = json.loads(stored)
    holder, key = data.draw(st.sampled_from(list(_places(statement))))
    anything = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
        max_leaves=4,
    )
    holder[key] = data.draw(anything)
    try:
        raw = sealed(statement)
    except (TypeError, KeyError, UnicodeEncodeError):
        return
    try:
        verdict = parse(raw)
    except VerdictError:
        return
    again = parse(encode(build(verdict.info, verdict.record, verdict.decided)))
    assert (again.info, again.record, again.decided) == (verdict.info, verdict.record, verdict.decided)


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)


def test_any_gate_or_check_removed_is_refused(case: Any, sealed: Seal) -> None:
    """With everything that mentions it, and a checksum that fits: what is left is not what the consumer expects."""
    names = [gate.name for gate in case.gates] + [check.id for check in case.record.checks]
    for name in names:
        statement = json.loads(encode(case.statement()))
        statement["predicate"][EXTENSION] = _without(statement["predicate"][EXTENSION], name)
        case.path.write_bytes(sealed(statement))
        with pytest.raises(VerdictError):
            case.verify()
        left = replace(
            case.record,
            gates=tuple(gate for gate in case.record.gates if gate.name != name),
            checks=tuple(check for check in case.record.checks if name not in (check.id, check.gate)),
            runs=tuple(run for run in case.record.runs if run.gate != name),
            results=tuple(each for each in case.record.results if name not in (each.id, each.gate)),
        )
        case.path.write_bytes(encode(build(case.info, left, decide(left))))
        with pytest.raises(VerdictError) as caught:
            case.verify()
        assert caught.value.code in ("expected_gates", "expected_checks"), name


def _without(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, name) for key, inner in value.items() if key != name}
    if isinstance(value, list):
        return [_without(inner, name) for inner in value if not _is_about(inner, name)]
    return value


def _is_about(value: Any, name: str) -> bool:
    return isinstance(value, dict) and name in (value.get("id"), value.get("gate"), value.get("name"))


@settings(max_examples=100, deadline=None)
@given(st.fractions(), st.integers(1, 10**6))
def test_measurements_come_back_exactly(value: Fraction, sample: int) -> None:
    from harness import codec

    measurement = Measurement("p95", value, Unit.SECONDS, sample)
    assert codec.load(Measurement, codec.dump(measurement)) == measurement
