from pathlib import Path

import pytest

from harness.scanners import junit
from harness.scanners.interface import BrokenToolError

WHOLE = """<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">
<testsuite name="pytest" errors="1" failures="1" skipped="2" tests="5" time="0.1">
<testcase classname="tests.test_a" name="test_ok" time="0.25" />
<testcase classname="tests.test_a" name="test_bad" time="0.001"><failure message="assert 1 == 2&#10;more">def test_bad():
tests/test_a.py:3: AssertionError
lib/x.py:9: AssertionError</failure></testcase>
<testcase classname="tests.test_a" name="test_skip" time="0"><skipped type="pytest.skip" message="no">x</skipped></testcase>
<testcase classname="tests.test_a" name="test_xfail" time="0"><skipped type="pytest.xfail" message="" /></testcase>
<testcase classname="" name="tests.test_b" time="0"><error message="collection failure">tests/test_b.py:1: in &lt;module&gt;
E   ModuleNotFoundError: No module named 'nope'</error></testcase>
</testsuite></testsuites>"""


def test_reads_what_became_of_each_test(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text(WHOLE)
    suite = junit.read(path)
    assert [case.outcome for case in suite.cases] == ["passed", "failed", "skipped", "xfailed", "error"]
    assert suite.count("passed", "failed") == 2
    bad, broken = suite.broken
    assert (bad.id, bad.message, bad.path, bad.line) == (
        "tests.test_a::test_bad",
        "assert 1 == 2",
        "lib/x.py",
        9,
    )
    assert (broken.id, broken.message) == ("tests.test_b", "ModuleNotFoundError: No module named 'nope'")
    assert suite.cases[0].duration == 0.25


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no test report was written"),
        ("", "empty or cut short"),
        (WHOLE[:400], "empty or cut short"),
        (WHOLE.replace('failures="1"', 'failures="0"'), "announces 0 failures and lists 1"),
        (WHOLE.replace('skipped="2"', ""), "no count of skipped"),
        ("<report/>", "no test suite"),
    ],
)
def test_a_report_that_is_not_whole_is_no_report(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "junit.xml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BrokenToolError, match=said):
        junit.read(path)
