"""Where in a TOML file each key stands: the standard library's parser does not say.

The text must already have been read by `tomllib`; only then is finding the keys as simple as it is here.
"""

import re
from bisect import bisect_left

from harness.profile.paths import Path

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\[\s\S])*?"""+|' + r"'''[\s\S]*?'''+|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'"
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


def find_lines(text: str) -> dict[Path, int]:
    """The line (from 1) of every table, key and list item of a valid TOML document."""
    return _Finder(text).find()


class _Finder:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines: dict[Path, int] = {}
        self.ends = [match.start() for match in re.finditer("\n", text)]
        """Where each line ends."""
        self.counts: dict[Path, int] = {}
        """How many tables each array of tables holds so far."""

    def find(self) -> dict[Path, int]:
        table: Path = ()
        self.skip(_BLANK)
        while self.position < len(self.text):
            if self.text.startswith("[", self.position):
                table = self.header()
            else:
                self.assignment(table)
            self.skip(_BLANK)
        return self.lines

    def skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        found = match[0] if match else ""
        self.position += len(found)
        return found

    def note(self, path: Path) -> None:
        self.lines.setdefault(path, bisect_left(self.ends, self.position) + 1)

    def header(self) -> Path:
        """``[a.b]`` or ``[[a.b]]``: the path that following keys belong to."""
        start = self.position
        array = self.text.startswith("[[", start)
        self.position += 2 if array else 1
        names = self.key()
        end, self.position = self.position + (2 if array else 1), start
        path: Path = ()
        for index, name in enumerate(names):
            path = (*path, name)
            self.note(path)
            if array and index == len(names) - 1:
                self.counts[path] = self.counts.get(path, 0) + 1
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
                self.note(path)
        self.position = end
        return path

    def key(self) -> list[str]:
        """A dotted key; leaves the position behind it and the white space that follows."""
        names: list[str] = []
        while True:
            self.skip(_SPACE)
            quoted = self.skip(_STRING)
            names.append(_unquote(quoted) if quoted else self.skip(_BARE_KEY))
            self.skip(_SPACE)
            if not self.text.startswith(".", self.position):
                return names
            self.position += 1

    def assignment(self, table: Path) -> None:
        start = self.position
        names = self.key()
        end, self.position = self.position, start
        path = table
        for name in names:
            path = (*path, name)
            self.note(path)
        self.position = end + 1
        self.skip(_SPACE)
        self.value(path)

    def value(self, path: Path) -> None:
        if self.skip(_STRING):
            return
        opening = self.text[self.position]
        if opening not in "[{":
            self.skip(_SCALAR)
            return
        self.position += 1
        self.skip(_BLANK)
        index = 0
        while self.text[self.position] not in "]}":
            if opening == "{":
                self.assignment(path)
            else:
                self.note((*path, index))
                self.value((*path, index))
                index += 1
            self.skip(_BLANK)
            if self.text[self.position] == ",":
                self.position += 1
                self.skip(_BLANK)
        self.position += 1


def _unquote(quoted: str) -> str:
    """The name that a quoted key means."""
    import tomllib

    (name,) = tomllib.loads(f"{quoted} = 0")
    return name
