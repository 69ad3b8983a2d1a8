"""How far a load run is, one JSON line a second, for whoever watches it."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

MAX_LINES = 7200
"""The file stays small however long the run is."""


class Progress:
    """The file of a run's progress; a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._lines = 0

    def __enter__(self) -> Self:
        self._file = self._path.open("w")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, line: Mapping[str, Any]) -> None:
        """Append a line, at once."""
        if self._file is not None and self._lines < MAX_LINES:
            self._lines += 1
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
