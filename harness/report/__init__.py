"""What people and machines read after a run; rendered from the verdict and the ledger, never disagreeing with them."""

import sys
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol

from harness.masking import mask
from harness.model import Decided, Record
from harness.report.files import write
from harness.verdict.info import RunInfo

REPORTS: Mapping[str, str] = {
    "summary": "harness.report.markdown:render",
    "junit": "harness.report.junit:render",
    "sarif": "harness.report.sarif:render",
    "allure": "harness.report.allure:render",
    "review": "harness.report.review:render",
}
"""Report -> its renderer. Adding one is a file with a `Renderer` called ``render``, and a row here."""

ERRORS = "report-errors"
"""The name under which the tracebacks of reports that could not be written are listed."""


class Renderer(Protocol):
    """Writes one report into the run's folder, atomically, and says where it is."""

    def __call__(self, folder: Path, info: RunInfo, record: Record, decided: Decided) -> Path:
        """Render; whatever it raises concerns this report alone."""
        ...


def _to_stderr(problem: str) -> None:
    sys.stderr.write(f"{problem}\n")


def render_all(
    folder: Path,
    info: RunInfo,
    record: Record,
    decided: Decided,
    *,
    problem: Callable[[str], None] = _to_stderr,
) -> dict[str, Path]:
    """Write every report below `folder`; returns where each one is.

    A report that breaks hides no other and changes no decision: `problem` is told in one line, and the tracebacks
    are a file of their own, listed as `ERRORS`.
    """
    written: dict[str, Path] = {}
    broken: list[str] = []
    for name, target in REPORTS.items():
        try:
            written[name] = renderer(target)(folder, info, record, decided)
        except Exception as error:  # noqa: BLE001 - the other reports and the decision stand all the same
            problem(mask(f"report {name}: not written ({type(error).__name__}: {error})"))
            broken.append(f"report {name}\n{''.join(traceback.format_exception(error))}")
    if broken:
        try:
            written[ERRORS] = write(folder / f"{ERRORS}.txt", mask("\n".join(broken)))
        except OSError as error:
            problem(f"{ERRORS}.txt: not written ({error})")
    return written


def renderer(target: str) -> Renderer:
    """The renderer behind ``module:function``, imported now."""
    module, _, name = target.partition(":")
    found: Renderer = getattr(import_module(module), name)
    return found
