"""OSV ranges as specifiers: what `packaging` makes of them is what the OSV schema says."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from harness.scanners.osv import Interval, MalformedRecordError, intervals, parse

PARTS = st.tuples(
    st.sampled_from(["", "", "", "1!"]),
    st.lists(st.integers(0, 3), min_size=1, max_size=3),
    st.sampled_from(["", "", "", "a1", "b2", "rc1"]),
    st.sampled_from(["", "", "", ".post1"]),
    st.sampled_from(["", "", "", ".dev1"]),
)
VERSIONS = PARTS.map(lambda p: Version(p[0] + ".".join(map(str, p[1])) + p[2] + p[3] + p[4]))
EVENTS = st.lists(
    st.tuples(st.sampled_from(["introduced", "fixed", "last_affected"]), VERSIONS),
    unique_by=lambda e: e[1],
    max_size=8,
)


def directly(version: Version, events: Sequence[tuple[str, Version | None]]) -> bool:
    """The evaluation algorithm of the OSV schema, for events at different versions; "introduced 0" is before all."""
    lowest = Version("0.dev0")
    vulnerable = False
    for kind, at in sorted(
        events,
        key=lambda event: lowest if event[0] == "introduced" and str(event[1]) == "0" else event[1] or lowest,
    ):
        if kind == "introduced" and (at is None or str(at) == "0" or version >= at):
            vulnerable = True
        elif at is not None and (
            (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at)
        ):
            vulnerable = False
    return vulnerable


@given(
    events=EVENTS,
    zero=st.booleans(),
    versions=st.lists(VERSIONS, min_size=1, max_size=10),
    shuffle=st.randoms(),
)
@example(
    events=[("fixed", Version("3.2.1"))],
    zero=True,
    versions=[Version("3.2.1rc1"), Version("3.2.1.dev0")],
    shuffle=None,
)
def test_specifiers_say_what_the_events_say(
    events: Any, zero: bool, versions: list[Version], shuffle: Any
) -> None:
    all_events = [("introduced", None), *events] if zero else list(events)
    written = [(kind, "0" if at is None else str(at)) for kind, at in all_events]
    if shuffle is not None:
        shuffle.shuffle(written)
    spans, widened = intervals(written)
    assert not widened
    near = [at for _, at in events]
    for version in [*versions, *near]:
        expected = directly(version, all_events)
        assert any(version in span for span in spans) is expected
        by_safety = any(SpecifierSet(span.specifier).contains(str(version)) for span in spans)
        assert by_safety is expected, (version, [span.specifier for span in spans])


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        ([("introduced", "1"), ("fixed", "2"), ("introduced", "2"), ("fixed", "3")], "1 1.9 2 2.9", "0.9 3"),
        (
            [("introduced", "1"), ("last_affected", "2"), ("introduced", "2"), ("last_affected", "3")],
            "1 2 3",
            "0 3.1",
        ),
        ([("introduced", "2"), ("last_affected", "2")], "2", "1.9 2.0.1"),
        ([("introduced", "0"), ("introduced", "1"), ("fixed", "2")], "0 1", "2"),
        ([("introduced", "1")], "1 99", "0.9"),
    ],
)
def test_events_at_one_version(events: Any, inside: str, outside: str) -> None:
    spans, _ = intervals(events)
    for text in inside.split():
        assert any(Version(text) in span for span in spans), text
    for text in outside.split():
        assert not any(Version(text) in span for span in spans), text


@pytest.mark.parametrize(
    "events",
    [[("introduced", "0"), ("fixed", "2019-x")], [("introduced", "abc"), ("fixed", "2019-x")]],
)
def test_a_bound_that_cannot_be_read_stays_open(events: Any) -> None:
    spans, widened = intervals(events)
    assert widened
    assert spans == (Interval(None, None),)


def test_local_builds_count_as_their_public_version() -> None:
    spans, _ = intervals([("introduced", "1.0+cu1"), ("last_affected", "2.0")])
    assert SpecifierSet(spans[0].specifier).contains("2.0+cu111")


def record(**changes: Any) -> dict[str, object]:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "Zope.Interface"},
        "ranges": [
            {"type": "GIT", "repo": "x", "events": [{"introduced": "0"}, {"fixed": "abc"}]},
            {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.2"}, {"limit": "9"}]},
        ],
        "versions": ["1.0", "1.3", "not a version", "1.2rc1"],
    }
    return {"id": "X-1", "modified": "2024-01-02T03:04:05.123456789Z", "affected": [affected], **changes}


def only(changes: Mapping[str, object]) -> dict[str, object]:
    base = record()["affected"][0]  # type: ignore[index]
    return record(affected=[{**base, **changes}])


def test_a_record_is_read() -> None:
    found = parse(record(aliases=["CVE-1"], details="text", withdrawn="null"))
    (affected,) = found.affected
    assert affected.package == "zope-interface"
    assert affected.specifiers == (
        ">=0.dev0,<=1.2,!=1.2",
        "==1.3",
    )  # what the ranges hold is not listed again
    assert affected.fixed == ("1.2",)
    assert (found.aliases, found.text, found.withdrawn) == (("CVE-1",), "text", False)
    assert found.modified.year == 2024
    assert parse(record(modified="2024-01-02")).modified.tzinfo is not None
    assert parse(record(summary="short", withdrawn=None)).text == "short"


def test_withdrawn_records_and_other_ecosystems_say_nothing() -> None:
    assert parse(record(withdrawn="2024-01-02T00:00:00Z")).affected == ()
    assert parse(only({"package": {"ecosystem": "npm", "name": "x"}})).affected == ()
    assert parse(record(affected=None)).affected == ()


def test_git_ranges_alone_are_widened_to_every_version() -> None:
    found = parse(only({"versions": [], "ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}))
    assert found.affected[0].widened
    assert SpecifierSet(found.affected[0].specifiers[0]).contains("0.dev0")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "the record is no object"),
        (record(id=""), "id is missing"),
        (record(id=7), "id is missing"),
        (record(modified="yesterday"), "modified: 'yesterday' is no date"),
        (record(withdrawn="perhaps"), "withdrawn: 'perhaps' is no date"),
        (record(affected={}), "affected is no list"),
        (record(affected=["x"]), "affected is no object"),
        (only({"package": None}), "affected.package is no object"),
        (only({"package": {"ecosystem": "PyPI"}}), "name is missing"),
        (only({"ranges": [], "versions": []}), "neither ranges nor versions"),
        (only({"ranges": [{"type": "SEMVER", "events": []}]}), "'SEMVER' is not one of"),
        (only({"ranges": [{"type": "ECOSYSTEM", "events": []}]}), "no `introduced`"),
        (only({"ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": 2}]}]}), "is no event"),
        (only({"ranges": [{"type": "ECOSYSTEM", "events": [{"begun": "2"}]}]}), "is no event"),
    ],
)
def test_a_malformed_record_says_what_is_wrong(data: object, said: str) -> None:
    with pytest.raises(MalformedRecordError, match=said):
        parse(data)
