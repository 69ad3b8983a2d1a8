"""Reading ``waivers.toml``: the exceptions that people granted. Strict, because what cannot be read must not waive.

One table a waiver::

    [[waivers]]
    id = "W-12"
    finding = "B324"                    # or check = "integration.sqs.has_a_dead_letter_queue[orders]"
    path = "apps/api/etag.py"
    scope = { environment = ["staging"], image = "api" }
    owner = "ana@example.com"
    reason = "MD5 names a cache entry, nothing is protected by it"
    created = 2026-11-02
    expires = 2026-12-01                # this day is the last
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.frozen import dataclass
from harness.model import Waiver
from harness.plain_files import LARGEST_TEXT, read_plain
from harness.profile import paths
from harness.profile.lines import find_lines
from harness.profile.problems import Problem, meaning
from harness.profile.toml import read_toml
from harness.waivers import ANY, SECRET_RULES, SUBJECT

MIN_REASON = 10
"""The fewest characters that say why."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_CHECK = re.compile(r"(?P<gate>[a-z][a-z0-9_-]*)(\.[A-Za-z0-9_-]+){2,}(\[(?P<resource>.+)\])?", re.ASCII)
_RULE = re.compile(r"[A-Za-z][A-Za-z0-9._/:-]*", re.ASCII)
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/-]*(@sha256:[0-9a-f]{64})?", re.ASCII)
_NO_RULES = frozenset({"test", "error", "not-measured", "not-scanned", "not-checked"})
"""What our own findings are called where a tool has no rules: waiving one of these would waive them all."""
_REQUIRED = ("id", "scope", "owner", "reason", "created", "expires")
_KEYS = (*_REQUIRED, "check", "finding", "path")
_SCOPE = ("environment", "image")


@dataclass(frozen=True)
class WaiverFile:
    """A file of waivers, read; where there are problems, there are no waivers."""

    path: Path
    waivers: tuple[Waiver, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def problem(self) -> str:
        """All of it in one line; empty where nothing is wrong."""
        more = f", and {len(self.problems) - 1} more" if len(self.problems) > 1 else ""
        return f"{self.problems[0]}{more}" if self.problems else ""

    def of(self, environment: str) -> tuple[Waiver, ...]:
        """The waivers in whose scope an environment is."""
        return tuple(each for each in self.waivers if environment in each.environments)


class _WrongError(Exception):
    """What is wrong with one value."""


def read_waivers(
    path: Path, *, days: int, environments: Iterable[str], now: datetime, must_exist: bool = False
) -> WaiverFile:
    """Read a file of waivers. Never raises: what is wrong is in the answer.

    Args:
        path: the file; where there is none, there are no waivers.
        days: how many days after it was created a waiver may hold at most.
        environments: the profiles there are.
        now: no waiver may be created later.
        must_exist: whether a missing file is a problem.
    """

    def broken(text: str) -> WaiverFile:
        return WaiverFile(path, problems=(Problem(path.name, "", text),))

    try:
        text = read_plain(path, LARGEST_TEXT).decode()
        values = read_toml(text)
    except FileNotFoundError:
        return broken("there is no such file") if must_exist else WaiverFile(path)
    except OSError as error:
        return broken(f"cannot be read: {error.strerror}")
    except ValueError as error:
        return broken(f"is no valid TOML: {str(error)[:200] or type(error).__name__}")
    found = _Reader(path.name, find_lines(text.replace("\r\n", "\n")), days, tuple(environments), now)
    waivers = found.read(values)
    in_order = sorted(found.problems, key=lambda each: int(each.source.rpartition(":")[2] or 0))
    return WaiverFile(path, () if in_order else waivers, tuple(in_order))


class _Reader:
    """Collects every problem, each with its line."""

    def __init__(
        self,
        label: str,
        lines: Mapping[paths.Path, int],
        days: int,
        environments: Sequence[str],
        now: datetime,
    ) -> None:
        self._label, self._lines, self._days = label, lines, days
        self._environments, self._now = environments, now
        self.problems: list[Problem] = []

    def read(self, values: Mapping[str, Any]) -> tuple[Waiver, ...]:
        self._known_keys((), values, ("waivers",))
        entries = values.get("waivers", [])
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            self._wrong(("waivers",), "must be tables: write each as [[waivers]]")
            return ()
        found = [self._waiver(("waivers", index), entry) for index, entry in enumerate(entries)]
        seen: dict[str, int] = {}
        for index, entry in enumerate(entries):
            id_ = str(entry.get("id"))
            if seen.setdefault(id_, index) != index:
                self._wrong(("waivers", index, "id"), f"{id_!r} is the id of another waiver as well")
        return tuple(each for each in found if each is not None)

    def _wrong(self, path: paths.Path, text: str) -> None:
        line = next(
            (self._lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self._lines), 1
        )
        self.problems.append(Problem(f"{self._label}:{line}", paths.dotted(path), text))

    def _known_keys(self, path: paths.Path, table: Mapping[str, Any], known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                near = meaning(key, known) or f"known are {', '.join(known)}"
                self._wrong((*path, key), f"is no key of a waiver; {near}")

    def _waiver(self, path: paths.Path, entry: Mapping[str, Any]) -> Waiver | None:
        before = len(self.problems)
        self._known_keys(path, entry, _KEYS)
        for key in _REQUIRED:
            if key not in entry:
                self._wrong((*path, key), "is missing")
        if ("check" in entry) == ("finding" in entry):
            self._wrong(path, "a waiver has either a check or a finding")
        if "path" in entry and "finding" not in entry:
            self._wrong((*path, "path"), "goes with a finding")

        def value(key: str, read: Callable[[Any], Any], table: Mapping[str, Any] = entry, *at: str) -> Any:  # noqa: ANN401
            try:
                return read(table[key]) if key in table else ""
            except _WrongError as error:
                self._wrong((*path, *at, key), str(error))
                return ""

        scope = value("scope", _table)
        if isinstance(scope, dict):
            self._known_keys((*path, "scope"), scope, _SCOPE)
            if "environment" not in scope:
                self._wrong((*path, "scope"), "names no environment")
        else:
            scope = {}
        made = {
            "id": value("id", _id),
            "environments": value("environment", self._scope, scope, "scope"),
            "image": value("image", _image, scope, "scope"),
            "owner": value("owner", _text),
            "reason": value("reason", _reason),
            "check": value("check", _check),
            "finding": value("finding", _rule),
            "path": value("path", _text),
            "created": value("created", _moment),
            "expires": value("expires", _moment),
        }
        if isinstance(made["created"], datetime) and isinstance(made["expires"], datetime):
            made["expires"] = value("expires", lambda given: self._expiry(given, made["created"]))
        if isinstance(made["created"], datetime) and made["created"] > self._now:
            self._wrong((*path, "created"), f"is in the future; it is {self._now:%Y-%m-%d %H:%M} UTC")
        return Waiver(**made) if len(self.problems) == before else None

    def _scope(self, given: Any) -> tuple[str, ...]:  # noqa: ANN401 - whatever the file holds
        if not isinstance(given, list) or not given:
            raise _WrongError("must be a list of profiles, such as ['staging']")
        for name in given:
            if not isinstance(name, str) or not _PROFILE.fullmatch(name):
                raise _WrongError(
                    f"{name!r} is no profile; a waiver names each environment, without patterns"
                )
            if name not in self._environments:
                near = (
                    meaning(name, self._environments) or f"there are {', '.join(sorted(self._environments))}"
                )
                raise _WrongError(f"there is no profile {name!r}; {near}")
        if len(set(given)) != len(given):
            raise _WrongError("names a profile twice")
        return tuple(given)

    def _expiry(self, given: Any, created: datetime) -> datetime:  # noqa: ANN401
        """A day is over when the next one begins; a time is over when it comes."""
        expires = _moment(given)
        day = timedelta(0) if isinstance(given, datetime) else timedelta(days=1)
        if expires < created:
            raise _WrongError("is before it was created")
        if expires - created > timedelta(days=self._days):
            raise _WrongError(
                f"is more than {self._days} days after it was created; the profile allows no more"
            )
        return expires + day


def _table(given: Any) -> Mapping[str, Any]:  # noqa: ANN401
    if not isinstance(given, dict):
        raise _WrongError('must be a table, such as { environment = ["staging"] }')
    return given


def _text(given: Any) -> str:  # noqa: ANN401
    if not isinstance(given, str) or not given.strip() or not given.isprintable():
        raise _WrongError("must be text in one line, and not empty")
    return given.strip()


def _reason(given: Any) -> str:  # noqa: ANN401
    text = _text(given)
    if len(text) < MIN_REASON:
        raise _WrongError(f"must say why, in {MIN_REASON} characters or more")
    return text


def _id(given: Any) -> str:  # noqa: ANN401
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise _WrongError("must be a name such as 'W-12': letters, digits, '.', '_' and '-'")
    return given


def _check(given: Any) -> str:  # noqa: ANN401
    text = _text(given)
    match = _CHECK.fullmatch(text)
    if match is None:
        wide = "; a pattern may stand for the resource only, in the brackets" if ANY in text else ""
        raise _WrongError(f"{text!r} is no check, such as 'integration.ecs.runs_enough_tasks[api]'{wide}")
    if match["gate"] == SUBJECT:
        raise _WrongError(
            "what is released cannot be waived: a verdict that does not know it is about nothing"
        )
    return text


def _rule(given: Any) -> str:  # noqa: ANN401
    text = _text(given)
    if not _RULE.fullmatch(text) or text in _NO_RULES:
        raise _WrongError(
            f"{text!r} is not the id of a rule or an advisory, such as 'B324' or 'CVE-2026-12345'"
        )
    if text in SECRET_RULES:
        raise _WrongError(f"{text} finds secrets, and a secret that leaked cannot be waived: change it")
    return text


def _image(given: Any) -> str:  # noqa: ANN401
    if not isinstance(given, str) or not _IMAGE.fullmatch(given):
        raise _WrongError("must be an image's name, or NAME@sha256:… with all 64 digits")
    return given


def _moment(given: Any) -> datetime:  # noqa: ANN401
    """A date is its first moment, in UTC."""
    if isinstance(given, datetime):
        if given.utcoffset() != timedelta(0):
            raise _WrongError("must be a date, or a time in UTC (2026-12-01T12:00:00Z)")
        moment = given.astimezone(UTC)
    elif isinstance(given, date):
        moment = datetime(given.year, given.month, given.day, tzinfo=UTC)
    else:
        raise _WrongError("must be a date such as 2026-12-01, without quotes")
    if not 2000 <= moment.year < 9000:
        raise _WrongError(f"{moment.year} is no year that is meant")
    return moment
