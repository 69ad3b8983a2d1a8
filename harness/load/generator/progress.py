"""How far a load run is, one JSON line a second, for whoever watches it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_LINES = 7200
"""The file stays small however long the run is."""


class Progress:
    """The file of a run's progress."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = 0

    def write(self, line: Mapping[str, Any]) -> None:
        """Append a line, at once."""
        if self._lines < MAX_LINES:
            self._lines += 1
            with self._path.open("a") as file:
                file.write(json.dumps(line) + "\n")
