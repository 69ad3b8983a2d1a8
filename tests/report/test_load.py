"""Where charts stand: in the review page and in Allure, from the very file that the check left, or a word why not."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from harness.load.generator.recorder import Answer, Recorder
from harness.load.plan import Plan
from harness.load.result import write
from harness.model import CheckResult, Evidence, Outcome
from harness.report import allure, review

CHECK = "load.scenarios.keeps_its_rules[<api>]"
PATH = "load/scenarios/api/result.json"


@pytest.fixture
def loaded(good: Any, of_record: Any, tmp_path: Path) -> Callable[..., Any]:
    """A run with a load check that left a result in `tmp_path`; `change` may spoil the file."""

    def make(
        change: Callable[[Path], object] = lambda _: None, *, stamp_first: bool = True, **values: Any
    ) -> Any:
        recorder = Recorder(Plan("r", "<api>", "http://x/", "", "", 1.0, 1.0, 0.04, rate=50.0))
        recorder.open(0)
        for index in range(50):
            due = index * 20_000_000
            recorder.start(due, due)
            recorder.finish(due, due, due + 5_000_000, Answer(None, 200))
        path = tmp_path / PATH
        path.parent.mkdir(parents=True)
        write(path, recorder.result(cpu=0.1))
        if not stamp_first:
            change(path)
        data = path.read_bytes()
        file = Evidence("result.json", PATH, hashlib.sha256(data).hexdigest(), len(data), "application/json")
        if stamp_first:
            change(path)
        check = CheckResult(CHECK, "load", Outcome.PASSED, evidence=(file,), **values)
        return of_record(replace(good.record, results=(*good.record.results, check)))

    return make


def svgs(folder: Path) -> list[tuple[str, str]]:
    found = []
    for path in (folder / "allure-results").glob("*-result.json"):
        for each in json.loads(path.read_text()).get("attachments", ()):
            if each["type"] == "image/svg+xml":
                found.append((each["name"], each["source"]))
    return found


def test_a_figure_for_each_chart(loaded: Any, tmp_path: Path) -> None:
    run = loaded()
    page = review.render(tmp_path, *run).read_text()
    section = page.split('<section aria-labelledby="load">')[1].split("</section>")[0]
    root = ET.fromstring(f"<x>{section.replace('&nbsp;', ' ')}</x>")
    figures = list(root.iter("figure"))
    assert [figure[0].text for figure in figures] == [
        "Latency over time",
        "Rate and errors over time",
        "Latency distribution",
        "Latency from the intended and the actual start",
    ]
    assert all([child.tag for child in figure] == ["h4", "svg", "figcaption"] for figure in figures)
    assert "p95 5\u00a0ms" in (figures[0][2].text or "")
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) == 9
    assert "load.scenarios.keeps_its_rules[&lt;api&gt;]" in section
    assert "<script" not in page
    assert "$" not in page.split("</style>")[0]


def test_allure_holds_each_chart_as_a_file_of_its_own(loaded: Any, tmp_path: Path) -> None:
    folder = allure.render(tmp_path, *loaded())
    found = svgs(tmp_path)
    assert len(found) == 4
    for _, source in found:
        assert source.endswith("-attachment.svg")
        assert ET.parse(folder / source).getroot().tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize(
    ("change", "stamp_first", "said"),
    [
        (Path.unlink, True, "is not there any more"),
        (lambda path: path.write_text(path.read_text() + " "), True, "is not the file that the check left"),
        (lambda path: path.write_text(path.read_text()[:-40]), False, "cannot be read"),
        (lambda path: path.write_text("{}"), False, "is not of the known form"),
    ],
)
def test_why_there_are_no_charts(
    loaded: Any, tmp_path: Path, change: Callable[[Path], object], stamp_first: bool, said: str
) -> None:
    run = loaded(change, stamp_first=stamp_first)
    page = review.render(tmp_path, *run).read_text()
    assert "No charts: " in page
    assert said in page
    assert "<svg" not in page
    folder = allure.render(tmp_path, *run)
    assert svgs(tmp_path) == []
    assert any(said in path.read_text() for path in folder.glob("*-attachment.txt"))


def test_other_checks_have_none(good: Any, bad: Any, tmp_path: Path) -> None:
    for run in (good, bad):
        assert 'id="load"' not in review.render(tmp_path, *run).read_text()
