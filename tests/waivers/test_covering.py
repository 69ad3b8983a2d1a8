"""Which failures a waiver covers, and which nothing covers."""

from dataclasses import replace

import pytest

from harness.model import CheckResult, Finding, GateRun, Outcome, Record, SessionEnd, Subject
from harness.waivers import breadth, covering, images_of, is_over, is_unused, marked, names_check
from records import BROKE, DAY, FAILED, PASSED, RAN, STAGING, check, one_gate, waiver

B324 = Finding("B324", "md5", "high", "apps/etag.py", 3)
CVE = Finding("PYSEC-2026-1", "jinja2", "", "requirements.txt", 2, ("CVE-2026-1", "GHSA-x"))
BELOW = Finding("B101", "assert", "low", "apps/etag.py", 9, counts=False)


def found(*findings: Finding, **changes: object) -> CheckResult:
    made = CheckResult(
        "security.code.has_no_weakness", "security", Outcome.FAILED, reason="found", findings=findings
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_it_holds_from_its_creation_up_to_its_end() -> None:
    one = waiver("W-1", "unit.a.b")
    assert not is_over(one, one.created)
    assert is_over(one, one.expires)
    assert is_over(one, one.created - DAY)
    assert is_over(one, None)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("g.m.f[a]", ["g.m.f[a]"], ["g.m.f[b]", "g.m.f", "g.m.f[ab]"]),
        ("g.m.f[a*]", ["g.m.f[a]", "g.m.f[abc]"], ["g.m.f[b]", "g.m.f", "g.m.fa[a]", "h.m.f[a]"]),
        ("g.m.f[*-dlq]", ["g.m.f[x-dlq]"], ["g.m.f[x-dl]", "g.m.f[dlq]"]),
        ("g.m.f[a*b*c]", ["g.m.f[abc]", "g.m.f[a1b2c]"], ["g.m.f[acb]", "g.m.f[ab]", "g.m.f[ac]"]),
        ("g.m.f[a**c]", ["g.m.f[ac]", "g.m.f[abc]"], ["g.m.f[a]"]),
        ("g.m.f[ab*ba]", ["g.m.f[abba]"], ["g.m.f[aba]"]),
        ("g.m.f[*.example.com]", ["g.m.f[*.example.com]", "g.m.f[a.example.com]"], ["g.m.f[example.com]"]),
    ],
)
def test_a_pattern_of_resources(pattern: str, matching: list[str], other: list[str]) -> None:
    one = waiver("W-1", pattern)
    assert [name for name in [*matching, *other] if names_check(one, name)] == matching


def test_a_check_is_covered_whatever_it_found_unless_it_is_a_secret() -> None:
    one = waiver("W-1", "security.code.has_no_weakness")
    assert covering(found(B324), [one], RAN, {}) == (one,)
    for leaked in (Finding("B105", "password", "low"), Finding("own", "a key", "Secret")):
        assert covering(found(B324, leaked), [one], RAN, {}) == ()
        assert covering(found(B324, replace(leaked, counts=False)), [one], RAN, {}) == (one,)


@pytest.mark.parametrize("outcome", [PASSED, BROKE])
def test_only_a_failure_is_covered_and_never_what_is_released(outcome: Outcome) -> None:
    one = waiver("W-1", "integration.suite.a")
    assert covering(check("a", outcome), [one], RAN, {}) == ()
    subject = CheckResult("subject.source.committed", "subject", FAILED, reason="no")
    assert covering(subject, [waiver("W-1", subject.id)], RAN, {}) == ()


def test_findings_cover_a_check_only_all_together() -> None:
    md5, jinja = waiver("W-1", finding="B324", path="apps/etag.py"), waiver("W-2", finding="CVE-2026-1")
    assert covering(found(B324, CVE, BELOW), [md5, jinja], RAN, {}) == (md5, jinja)
    assert covering(found(B324, CVE), [md5], RAN, {}) == ()
    assert covering(found(B324), [replace(md5, path="apps/other.py")], RAN, {}) == ()
    assert covering(found(B324), [replace(md5, expires=RAN)], RAN, {}) == ()
    assert covering(found(BELOW), [waiver("W-3", finding="B101")], RAN, {}) == ()
    assert covering(found(), [md5, jinja], RAN, {}) == ()


def test_an_image_limits_it_to_runs_that_judge_it() -> None:
    result, digest = check("a", FAILED), "sha256:" + "a" * 64
    by_name = waiver("W-1", result.id, image="api")
    by_bytes = replace(by_name, image=f"api@{digest}")
    for one in (by_name, by_bytes):
        assert covering(result, [one], RAN, {"api": digest}) == (one,)
        assert covering(result, [one], RAN, {"web": digest}) == ()
    assert covering(result, [by_bytes], RAN, {"api": "sha256:" + "b" * 64}) == ()


def test_the_images_of_a_run_are_those_its_subject_gate_found() -> None:
    api = Subject("api", {"sha256": "a" * 64})
    passed = CheckResult("subject.images.resolve[api]", "subject", PASSED, subjects=(api,))
    source = CheckResult(
        "subject.source.committed", "subject", PASSED, subjects=(Subject("source", {"sha256": "b" * 64}),)
    )
    assert images_of([passed, source]) == {"api": "sha256:" + "a" * 64}
    assert images_of([replace(passed, gate="integration")]) == {}
    assert images_of([replace(passed, outcome=FAILED, reason="no")]) == {}


def test_a_result_is_marked_with_what_covers_it_and_its_findings_too() -> None:
    known = [waiver("W-1", finding="B324"), waiver("W-2", finding="CVE-2026-1")]
    whole = marked(found(B324, CVE, BELOW), known, RAN, {}, of_findings=True)
    assert (whole.waiver, whole.waivers) == ("W-1,W-2", ("W-1", "W-2"))
    assert [each.waiver for each in whole.findings] == ["W-1", "W-2", ""]
    part = marked(found(B324, CVE), known[:1], RAN, {}, of_findings=True)
    assert (part.waiver, [each.waiver for each in part.findings]) == ("", ["W-1", ""])
    more = marked(found(B324, CVE), known, RAN, {}, of_findings=False)
    assert (more.waiver, more.waivers) == ("", ())
    assert marked(check("a"), known, RAN, {}, of_findings=False) == check("a")


def test_what_covered_nothing_is_unused_once_its_gate_ran() -> None:
    one, missed = waiver("W-1", "integration.suite.a"), waiver("W-2", "integration.suite.b")
    record = one_gate(
        check("a", FAILED, waiver="W-1"), check("b"), policy=replace(STAGING, waivers=(one, missed))
    )
    assert [is_unused(each, record) for each in (one, missed)] == [False, True]
    assert not is_unused(waiver("W-3", "load.a.b"), record)
    crashed = replace(record, runs=(GateRun("integration", SessionEnd.CRASHED),))
    assert not is_unused(missed, crashed)
    assert not is_unused(replace(missed, image="web"), record)
    assert is_unused(waiver("W-4", finding="B324"), record)
    touched = replace(record, results=(replace(record.results[0], findings=(replace(B324, waiver="W-4"),)),))
    assert not is_unused(waiver("W-4", finding="B324"), touched)
    assert not is_unused(waiver("W-4", finding="B324"), Record(STAGING, (), ()))


@pytest.mark.parametrize(
    ("one", "wide"),
    [
        (waiver("W", "g.m.f[*]"), True),
        (waiver("W", "g.m.f[**]"), True),
        (waiver("W", "g.m.f[a*]"), False),
        (waiver("W", "g.m.f"), False),
        (waiver("W", finding="B324"), True),
        (waiver("W", finding="B324", path="a.py"), False),
        (waiver("W", finding="CVE-2026-1"), False),
    ],
)
def test_what_is_broad_is_told(one: object, wide: bool) -> None:
    assert bool(breadth(one)) is wide  # type: ignore[arg-type]
