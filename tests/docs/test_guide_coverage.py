"""Every requirement of the guide has a row that says where it is, or that it is not there yet."""

import re
import tomllib
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROW = re.compile(r"^\| (G\d+) \| (\w+) \| (.*?) \| (done|in part|not yet) \| (.*?) \|$", re.MULTILINE)


def test_every_requirement_has_its_row() -> None:
    wanted = tomllib.loads((DOCS / "requirements.toml").read_text())
    rows = {row[0]: row for row in ROW.findall((DOCS / "guide-coverage.md").read_text())}
    assert list(rows) == list(wanted)
    for name, requirement in wanted.items():
        assert rows[name][1:3] == (requirement["kind"], requirement["text"])


def test_what_is_there_says_where() -> None:
    for name, _, _, state, where in ROW.findall((DOCS / "guide-coverage.md").read_text()):
        assert bool(where.strip()) == (state != "not yet"), name
