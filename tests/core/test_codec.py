"""What is written is read back the same; what is not exactly of the known form is not read at all."""

import json
from dataclasses import is_dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import codec, model
from harness.model import (
    Attempt,
    CheckResult,
    Decided,
    GateRun,
    Measurement,
    Outcome,
    Policy,
    Record,
    SessionEnd,
)
from harness.policy import decide
from harness.shapes import ValidationError
from strategies import full_results, measurements, planned_records, records, thresholds

quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
RECORD = codec.dump(
    Record(
        Policy({model.Cause.ABSENT: model.Decision.GO}),
        (model.ExpectedGate("unit", 0),),
        (model.ExpectedCheck("unit.a", "unit"),),
        (GateRun("unit", SessionEnd.COMPLETED),),
        (
            CheckResult(
                "unit.a",
                "unit",
                Outcome.PASSED,
                measurements=(Measurement.of("coverage", 0.95, model.Unit.RATIO, sample=3),),
            ),
        ),
    )
)


def through_json(value: object) -> Any:
    return json.loads(json.dumps(codec.dump(value)))


@quick
@given(records())
def test_records_and_decisions_come_back_the_same(record: Record) -> None:
    assert codec.load(Record, through_json(record)) == record
    decided = decide(record)
    assert codec.load(Decided, through_json(decided)) == decided
    assert decide(codec.load(Record, through_json(record))) == decided


@quick
@given(st.one_of(full_results(), measurements(), thresholds()))
def test_everything_a_check_saw_comes_back_the_same(value: object) -> None:
    assert codec.load(type(value), through_json(value)) == value


LARGE = {Record, CheckResult, Decided, model.GateVerdict}
KINDS = [kind for kind in vars(model).values() if is_dataclass(kind) and isinstance(kind, type)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in LARGE])
def test_every_type_of_the_model_comes_back_the_same(kind: type) -> None:
    @settings(quick, max_examples=15)
    @given(st.from_type(kind).filter(_is_writable))
    def prop(value: object) -> None:
        assert codec.load(kind, through_json(value)) == value

    prop()


def _is_writable(value: object) -> bool:
    """JSON holds no NaN, no infinity and no half of a surrogate pair."""
    try:
        json.dumps(codec.dump(value), allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


def test_figures_are_written_exactly() -> None:
    (result,) = RECORD["results"]
    assert result["measurements"] == [{"metric": "coverage", "value": "19/20", "unit": "ratio", "sample": 3}]
    assert RECORD["policy"] == {
        "skips": {"absent": "GO"},
        "max_flaky": 0,
        "waivers": [],
        "waivers_problem": "",
    }


# --- Strictness: one change to a good document, and it is refused ------------------------------------------------


def changed(path: tuple[str | int, ...], value: object) -> Any:
    document = json.loads(json.dumps(RECORD))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


def test_the_document_that_is_changed_is_good() -> None:
    assert codec.load(Record, changed(("partial",), True)).partial is True


RESULT = ("results", 0)
REFUSED = [
    pytest.param((*RESULT, "outcome"), "great", id="unknown outcome"),
    pytest.param((*RESULT, "outcome"), "PASSED", id="outcome in capitals"),
    pytest.param((*RESULT, "outcome"), "failed", id="failed without a reason"),
    pytest.param((*RESULT, "cause"), "bad_luck", id="unknown cause"),
    pytest.param(("runs", 0, "end"), "fine", id="unknown end"),
    pytest.param(("policy", "skips", "absent"), "allow", id="unknown decision"),
    pytest.param(("policy", "skips", "tuesday"), "GO", id="unknown cause as a key"),
    pytest.param((*RESULT, "measurements", 0, "unit"), "%", id="unknown unit"),
    pytest.param((*RESULT, "measurements", 0, "value"), "about 3", id="no fraction"),
    pytest.param((*RESULT, "measurements", 0, "value"), "1/0", id="no fraction at all"),
    pytest.param((*RESULT, "measurements", 0, "value"), True, id="a truth for a fraction"),
    pytest.param((*RESULT, "measurements", 0, "sample"), "3", id="text for a number"),
    pytest.param((*RESULT, "measurements", 0, "sample"), 3.0, id="a float for a whole number"),
    pytest.param((*RESULT, "measurements", 0, "sample"), True, id="a truth for a number"),
    pytest.param((*RESULT, "measurements", 0, "sample"), None, id="nothing for a number"),
    pytest.param((*RESULT, "duration"), "1.5", id="text for a float"),
    pytest.param((*RESULT, "duration"), float("nan"), id="NaN"),
    pytest.param((*RESULT, "duration"), float("inf"), id="infinity"),
    pytest.param((*RESULT, "flaky"), 1, id="a number for a truth"),
    pytest.param((*RESULT, "flaky"), "false", id="text for a truth"),
    pytest.param((*RESULT, "title"), 5, id="a number for text"),
    pytest.param((*RESULT, "started"), 1_700_000_000, id="a number for a time"),
    pytest.param((*RESULT, "started"), "yesterday", id="no time"),
    pytest.param((*RESULT, "facts"), [], id="a list for a mapping"),
    pytest.param((*RESULT, "diagnosis"), "line", id="text for a list"),
    pytest.param((*RESULT, "verdict"), "fine", id="unknown key in a result"),
    pytest.param(("policy", "lenient"), True, id="unknown key in the policy"),
    pytest.param(("approved",), True, id="unknown key"),
    pytest.param(("partial",), None, id="nothing for a truth"),
    pytest.param(("gates",), {}, id="a mapping for a list"),
    pytest.param(("results", 0), [], id="a list for a result"),
]


@pytest.mark.parametrize(("path", "value"), REFUSED)
def test_what_is_not_exactly_of_the_form_is_refused(path: tuple[str | int, ...], value: object) -> None:
    with pytest.raises(ValidationError):
        codec.load(Record, changed(path, value))


REQUIRED = [
    ("policy",), ("gates",), ("checks",), ("policy", "skips"), ("runs", 0, "end"), (*RESULT, "outcome"),
    (*RESULT, "measurements", 0, "value"),
]  # fmt: skip


@pytest.mark.parametrize("path", REQUIRED)
def test_a_missing_key_is_refused(path: tuple[str | int, ...]) -> None:
    place = document = changed(("partial",), False)
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    with pytest.raises(ValidationError):
        codec.load(Record, document)


@pytest.mark.parametrize("data", [None, [], "{}", 5, True])
def test_what_is_no_object_is_refused(data: object) -> None:
    with pytest.raises(ValidationError):
        codec.load(Attempt, data)


@quick
@given(planned_records(healthy=True), st.data())
def test_any_other_enum_value_is_refused(record: Record, data: st.DataObject) -> None:
    document = through_json(record)
    places: list[tuple[Any, str]] = [(run, "end") for run in document["runs"]]
    places += [(result, "outcome") for result in document["results"]]
    holder, key = data.draw(st.sampled_from(places))
    known = {*Outcome, *SessionEnd}
    holder[key] = data.draw(st.text(max_size=8).filter(lambda text: text not in known))
    with pytest.raises(ValidationError):
        codec.load(Record, document)


# --- Canonical bytes -------------------------------------------------------------------------------------------

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
trees = st.recursive(
    leaves | texts,
    lambda kids: st.lists(kids, max_size=3) | st.dictionaries(texts, kids, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, trees, max_size=4)


@quick
@given(objects, st.randoms(use_true_random=False))
def test_equal_content_has_one_byte_string(data: dict[str, Any], chance: Any) -> None:
    keys = list(data)
    chance.shuffle(keys)
    raw = codec.canonical({key: data[key] for key in keys})
    assert raw == codec.canonical(data)
    assert json.loads(raw) == data
    assert codec.canonical(json.loads(raw)) == raw


def test_canonical_bytes_are_sorted_dense_and_utf_8() -> None:
    assert (
        codec.canonical({"b": [1, {"d": None, "c": "ä"}], "a": 1.5})
        == '{"a":1.5,"b":[1,{"c":"ä","d":null}]}'.encode()
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_has_no_one_form_is_refused(value: object) -> None:
    with pytest.raises((ValueError, UnicodeEncodeError)):
        codec.canonical({"a": value})
