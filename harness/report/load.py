"""The charts of a load check, from the evidence that it left; the evidence must be the very file that it left."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ToolError
from harness.load.result import read
from harness.report.charts import Chart, charts
from harness.report.files import inside
from harness.report.view import Case

GATE, EVIDENCE = "load", "result.json"


@dataclass(frozen=True)
class Drawn:
    """What there is to show of a load check: its charts, or else why there are none."""

    charts: tuple[Chart, ...] = ()
    why: str = ""


def drawn(folder: Path, case: Case, identity: str) -> Drawn | None:
    """The charts of a check; ``None`` for one that left no load run behind. `identity` is its alone on a page."""
    if case.result is None or case.gate != GATE:
        return None
    file = next((file for file in case.result.evidence if file.name == EVIDENCE), None)
    if file is None:
        return None
    path = inside(folder, file.path)
    if path is None:
        return Drawn(why=f"{file.path} is not there any more")
    if hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
        return Drawn(why=f"{file.path} is not the file that the check left: its sha256 is another")
    try:
        return Drawn(charts(read(path), case.result.thresholds, identity))
    except ToolError as error:
        return Drawn(why=error.message)
