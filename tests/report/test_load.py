"""Where charts stand: in the review page and in Allure, from the very file that the check left, or a word why not."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from harness.load.ending import ENDED, ending
from harness.load.generator.recorder import Answer, Recorder, Step
from harness.load.plan import Plan
from harness.load.result import Judged, LoadResult, write
from harness.model import Cause, CheckResult, Evidence, Outcome
from harness.report import allure, markdown, review
from harness.report.terminal import summary

CHECK = "load.scenarios.keeps_its_rules[<api>]"
PATH = "load/scenarios/api/result.json"


def ran() -> LoadResult:
    recorder = Recorder(Plan("r", "<api>", "http://x/", "", "", 1.0, 1.0, 0.04, rate=50.0))
    recorder.open(0)
    for index in range(50):
        due = index * 20_000_000
        steps = (Step("log <in>", None, 2_000_000), Step("buy", None, 3_000_000))
        recorder.start(due, due)
        recorder.finish(due, due, due + 5_000_000, Answer(None, 200, steps=steps))
    return recorder.result(cpu=0.1)


@pytest.fixture
def loaded(good: Any, of_record: Any, tmp_path: Path) -> Callable[..., Any]:
    """A run with a load check that left a result in `tmp_path`; `change` may spoil the file."""

    def make(
        change: Callable[[Path], object] = lambda _: None,
        *,
        stamp_first: bool = True,
        having: Callable[[LoadResult], LoadResult] = lambda result: result,
        **values: Any,
    ) -> Any:
        path = tmp_path / PATH
        path.parent.mkdir(parents=True)
        write(path, having(ran()))
        if not stamp_first:
            change(path)
        data = path.read_bytes()
        file = Evidence("result.json", PATH, hashlib.sha256(data).hexdigest(), len(data), "application/json")
        if stamp_first:
            change(path)
        check = CheckResult(CHECK, "load", **{"outcome": Outcome.PASSED, **values}, evidence=(file,))
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


RULE = Judged(
    "success_rate >= 95%", "fail", "evidence", "because", 50, 25, 0.5, 0.35534, 0.64466, 0.95, 40.2, 5e3
)


def early(result: LoadResult, **values: Any) -> LoadResult:
    return replace(
        result, duration=10 * result.duration, planned=500, due=50, judged=(replace(RULE, **values),), nodes=2
    )


def shown(run: Any, width: int = 110) -> str:
    console = Console(file=StringIO(), width=width)
    summary(console, run.info, run.record, run.decided, {})
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def section(page: str) -> str:
    part = page.split('<section aria-labelledby="load">')[1].partition("</section>")[0]
    root = ET.fromstring(f"<x>{part.replace('&nbsp;', ' ')}</x>")
    return " ".join(" ".join(root.itertext()).split())


def test_the_decision_stands_in_the_page_with_its_steps_and_its_source(loaded: Any, tmp_path: Path) -> None:
    page = review.render(tmp_path, *loaded(having=early, facts={ENDED: "x", "model": "open <x>"})).read_text()
    told = section(page)
    assert (
        "Ended after 1 s of 10 s, on the evidence against success_rate >= 95%; 450 of 500 planned requests"
        in told
    )
    assert "(90 %) were not sent. Sent by 2 processes." in told
    assert (
        "success_rate >= 95% failed early 50 % 35.53 % to 64.47 % (95 % confidence) 40 of 50 5,000 of 1,000"
        in told
    )
    assert "Step Requests Failed p50 p95 p99 Longest log <in> 50 0 2 ms 2 ms 2 ms 2 ms buy 50 0 3 ms" in told
    assert "1 fact What Seen model open <x>" in told
    assert f'<a href="{PATH}">{PATH}</a>' in page.split('id="load"')[1]


def test_nothing_is_decided_on_an_invalid_run(loaded: Any, tmp_path: Path) -> None:
    said = "not judged: the run is invalid"
    run = loaded(
        having=early, outcome=Outcome.INCONCLUSIVE, cause=Cause.INVALID_RUN, reason="the generator was behind"
    )
    told = section(review.render(tmp_path, *run).read_text())
    assert f"success_rate >= 95% {said} 50 %" in told
    assert "failed early" not in told
    assert said in markdown.render(tmp_path, *run).read_text()
    assert any(said in path.read_text() for path in allure.render(tmp_path, *run).glob("*-attachment.txt"))


def test_a_run_without_rates_or_steps_has_no_tables(loaded: Any, tmp_path: Path) -> None:
    run = loaded(having=lambda result: replace(result, steps={}))
    told = section(review.render(tmp_path, *run).read_text())
    assert "Ended at its horizon, after 1 s." in told
    assert "Decision" not in told
    assert "Step" not in told
    assert "fact" not in told


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"state": "pass", "early": "early pass"}, "passed early (assumes stationarity)"),
        ({"evidence": 1e300, "early": "curtailment"}, "certain"),
        ({"evidence": 2.5e7}, "over a million of 1,000"),
        ({"evidence": 0.0212}, "0.021 of 1,000"),
        ({"requests": 0, "failures": 0}, "no data"),
        ({"low": 0.0, "high": 1.0}, "0 % to 100 %"),
        ({"rule": "error_rate <= 5%", "failures": 1}, "2 %"),
    ],
)
def test_how_a_decision_is_told(loaded: Any, tmp_path: Path, values: dict[str, Any], said: str) -> None:
    run = loaded(having=lambda result: early(result, **values))
    assert said in section(review.render(tmp_path, *run).read_text())
    assert said.replace("<", "&lt;") in markdown.render(tmp_path, *run).read_text().replace("\\", "")
    folder = allure.render(tmp_path, *run)
    assert any(said in path.read_text() for path in folder.glob("*-attachment.txt"))


def test_the_summary_links_to_the_raw_buckets(loaded: Any, tmp_path: Path) -> None:
    text = markdown.render(tmp_path, *loaded(having=early)).read_text()
    part = text.split("## Load\n")[1].split("\n## ")[0]
    assert f"[<code>{PATH}</code>]({PATH})" in part
    assert "| <code>success\\_rate &gt;= 95%</code> | failed early |" in part.replace(
        "success_rate", "success\\_rate"
    )
    assert "| <code>log &lt;in&gt;</code> | 50 | 0 | 2 ms |" in part
    assert "<in>" not in part


def test_the_summary_says_why_a_run_cannot_be_shown(loaded: Any, tmp_path: Path) -> None:
    text = markdown.render(tmp_path, *loaded(Path.unlink)).read_text()
    assert f"{PATH} is not there any more" in text.split("## Load\n")[1].replace("\\", "")


def test_allure_holds_the_raw_buckets(loaded: Any, tmp_path: Path) -> None:
    folder = allure.render(tmp_path, *loaded(having=early))
    (result,) = [
        found
        for path in folder.glob("*-result.json")
        if "keeps_its_rules" in (found := json.loads(path.read_text()))["fullName"]
    ]
    sources = {each["name"]: folder / each["source"] for each in result["attachments"]}
    assert json.loads(sources["result.json"].read_text())["windows"]["rows"]
    assert sources["decision"].read_text().splitlines()[:4] == [
        f"Ended {ending(early(ran()))}. Sent by 2 processes.",
        "",
        "success_rate >= 95%",
        "  Decision: failed early",
    ]


@pytest.mark.parametrize("width", [60, 110])
def test_the_terminal_says_how_a_run_ended(loaded: Any, width: int) -> None:
    facts = {ENDED: ending(early(ran()))}
    told = " ".join(shown(loaded(facts=facts, resource="api-rate"), width).split())
    assert "Load ✓ api-rate ended after 1 s of 10 s, on the evidence against success_rate >= 95%; 450" in told
    assert "(90 %) were not sent" in told


def test_the_terminal_says_nothing_of_runs_without_that_fact(loaded: Any) -> None:
    assert "Load" not in shown(loaded())
