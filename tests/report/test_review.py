"""The review page: parsed as HTML, it holds together and says what the verdict says."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness.model import CheckResult, Evidence, GateRun, Outcome
from harness.report import review
from harness.report.html import Html, el, join

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Checks that elements nest, and collects them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(run: Any, folder: Path) -> Page:
    return Page(review.render(folder, *run).read_text())


def test_a_go_and_a_bad_run(good: Any, bad: Any, tmp_path: Path) -> None:
    words = " ".join(page(good, tmp_path).words)
    for told in ("GO", "The release may go.", "82.31 %", "1 m 35 s of 15 m", "policy", "v1.2.3"):
        assert told.lower() in words.lower()
    assert "What stands in the way" not in words
    words = " ".join(page(bad, tmp_path).words)
    for told in (
        "79.996 %",
        "blocked",
        "by unit",
        "allow secretsmanager:GetSecretValue",
        "not allowed",
        "(flaky)",
    ):
        assert told in words


def test_structure(bad: Any, tmp_path: Path) -> None:
    seen = page(bad, tmp_path)
    assert seen.all("html") == [{"lang": "en"}]
    assert len(seen.all("h1")) == len(seen.all("main")) == len(seen.all("title")) == 1
    ids = {attributes["id"] for _, attributes in seen.elements if "id" in attributes}
    assert {section["aria-labelledby"] for section in seen.all("section")} <= ids
    assert all(cell["scope"] in ("row", "col") for cell in seen.all("th"))
    assert [link["href"] for link in seen.all("a")] == ["unit/evidence/junit.xml"]
    assert seen.all("script") == []


def test_bars_stay_inside(bad: Any, good: Any, of_record: Any, tmp_path: Path) -> None:
    runs = tuple(replace(run, duration=10_000.0) for run in good.record.runs)
    over = of_record(replace(good.record, runs=runs))
    for run in (bad, good, over):
        shares = [
            float(match)
            for attributes in (*page(run, tmp_path).all("i"), *page(run, tmp_path).all("b"))
            for match in re.findall(r": ?([\d.]+)%", attributes["style"] or "")
        ]
        assert shares
        assert all(0 <= share <= 100 for share in shares)


def test_links_are_relative_and_only_to_what_is_there(good: Any, of_record: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "unit").mkdir(parents=True)
    (run / "unit" / "a #1?.txt").write_text("x")
    (tmp_path / "secret").write_text("x")
    names = ("unit/a #1?.txt", "../secret", "javascript:alert(1)", "gone")
    files = tuple(Evidence(name, name, "0" * 64, 1) for name in names)
    check = CheckResult("unit.a.b", "unit", Outcome.PASSED, evidence=files)
    seen = page(of_record(replace(good.record, results=(*good.record.results, check))), run)
    assert [link["href"] for link in seen.all("a")] == ["unit/a%20%231%3F.txt"]
    assert "../secret (missing)" in seen.words


def test_a_gate_nobody_expected_and_a_run_without_gates(good: Any, of_record: Any, tmp_path: Path) -> None:
    stray = CheckResult("surprise.a.b", "surprise", Outcome.PASSED)
    record = replace(
        good.record, gates=(), checks=(), runs=(GateRun("x", good.record.runs[0].end),), results=(stray,)
    )
    words = " ".join(page(of_record(record), tmp_path).words)
    assert "unexpected" in words
    assert "no gate was expected to run" in words
    empty = replace(record, runs=(), results=())
    assert "INCONCLUSIVE" in page(of_record(empty), tmp_path).words


def test_a_partial_unfinished_run(good: Any, tmp_path: Path) -> None:
    info = replace(
        good.info, finished=None, expires=None, partial=True, stand_in=True, attempt=2, started_by=""
    )
    words = " ".join(page(good._replace(info=info), tmp_path).words)
    for told in ("not finished", "Partial: only some gates", "An emulator stood in", "attempt 2"):
        assert told in words


@pytest.mark.parametrize("foreign", ["<b>", "a & b", '"><script>', "\x1b[1m$title"])
def test_everything_foreign_is_escaped(foreign: str, good: Any, of_record: Any, tmp_path: Path) -> None:
    check = CheckResult(
        f"unit.{foreign}", "unit", Outcome.FAILED, title=foreign, reason=foreign, hint=foreign
    )
    run = of_record(replace(good.record, results=(*good.record.results, check)))
    seen = page(run, tmp_path)
    assert foreign.removeprefix("\x1b[1m") in seen.words


def test_html_is_made_in_one_place() -> None:
    assert el("a", "<", Html("<b>x</b>"), href='"', class_=None, aria_hidden="true") == (
        '<a href="&quot;" aria-hidden="true">&lt;<b>x</b></a>'
    )
    assert join(["<", Html("<")]) == "&lt;<"


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_has_contrast(scheme: int) -> None:
    """At least 4.5 : 1 on both grounds (WCAG 2.2, 1.4.3)."""
    css = review.PALETTE.read_text()
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", css.split(":root {")[scheme + 1].split("}")[0]))
    for ground in (colours.pop("page"), colours.pop("panel")):
        for name in colours.keys() - {"line"}:
            lighter, darker = sorted((luminance(colours[name]), luminance(ground)), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, name
