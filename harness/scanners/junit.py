"""Reads the JUnit report that pytest writes (``junit_family=xunit2``)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

from harness.frozen import dataclass
from harness.scanners.interface import BrokenToolError, Report

MEDIA_TYPE = "application/xml"
_PLACE = re.compile(r"^(?P<path>\S+\.py):(?P<line>\d+): ", re.MULTILINE)
_HINT = "run the tests by hand: a test may end the process, or a plugin may write the report"


@dataclass(frozen=True)
class Case:
    """One test: `message` is the first line of what went wrong, `path` and `line` where."""

    id: str
    outcome: Literal["passed", "failed", "error", "skipped", "xfailed"]
    duration: float
    message: str = ""
    path: str = ""
    line: int = 0


@dataclass(frozen=True)
class Suite:
    """All tests of a report."""

    cases: tuple[Case, ...]

    def count(self, *outcomes: str) -> int:
        """How many tests came to one of these outcomes."""
        return sum(case.outcome in outcomes for case in self.cases)

    @property
    def broken(self) -> tuple[Case, ...]:
        """The tests that failed or could not run."""
        return tuple(case for case in self.cases if case.outcome in {"failed", "error"})


def read(path: Path) -> Suite:
    """Read a report and hold its counts against its entries.

    Raises:
        BrokenToolError: it is missing, empty, cut short, of another kind, or does not add up.
    """
    try:
        root = ET.fromstring(path.read_bytes())  # noqa: S314 - written by the process we started
    except FileNotFoundError as error:
        raise BrokenToolError(f"no test report was written ({path.name})", hint=_HINT) from error
    except ET.ParseError as error:
        raise BrokenToolError(
            f"the test report {path.name} is empty or cut short ({error})",
            hint=_HINT,
            reports=[Report(path, MEDIA_TYPE)],
        ) from error
    suites = list(root.iter("testsuite"))
    cases = tuple(_case(element) for suite in suites for element in suite.iter("testcase"))
    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        try:
            announced = sum(int(suite.attrib[kind]) for suite in suites)
        except (KeyError, ValueError) as error:
            raise BrokenToolError(
                f"the test report {path.name} has no count of {kind}", hint=_HINT
            ) from error
        listed = sum(1 for _ in root.iter(tag))
        if announced != listed:
            raise BrokenToolError(
                f"the test report {path.name} announces {announced} {kind} and lists {listed}",
                hint=_HINT,
                reports=[Report(path, MEDIA_TYPE)],
            )
    if not suites:
        raise BrokenToolError(f"the test report {path.name} holds no test suite", hint=_HINT)
    return Suite(cases)


def _case(element: ET.Element) -> Case:
    name = "::".join(part for part in (element.get("classname", ""), element.get("name", "")) if part)
    duration = float(element.get("time", "0"))
    for tag, outcome in _outcomes(element):
        detail = element.find(tag)
        if detail is None:
            continue
        message = (detail.get("message") or "").strip().partition("\n")[0]
        text = detail.text or ""
        places = list(_PLACE.finditer(text))
        path, line = (places[-1]["path"], int(places[-1]["line"])) if places else ("", 0)
        if message == "collection failure":
            message = text.strip().rpartition("\n")[2].removeprefix("E ").strip() or message
        return Case(name, outcome, duration, message, path, line)
    return Case(name, "passed", duration)


def _outcomes(element: ET.Element) -> Iterator[tuple[str, Literal["failed", "error", "skipped", "xfailed"]]]:
    yield "error", "error"
    yield "failure", "failed"
    skipped = element.find("skipped")
    expected = skipped is not None and skipped.get("type") == "pytest.xfail"
    yield "skipped", "xfailed" if expected else "skipped"
