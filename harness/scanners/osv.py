"""OSV records (https://ossf.github.io/osv-schema/) of PyPI packages as PEP 440 specifiers.

The specifiers say exactly what the record's ranges say, pre-releases and all: OSV's order is the plain order of
versions, while PEP 440's ``<V`` leaves out the pre-releases of ``V``. So ``< V`` is written ``<=V,!=V``, and every set
begins with ``>=0.dev0``, the lowest version there is, which lets pre-releases in under every version of `packaging`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.frozen import dataclass

if TYPE_CHECKING:
    from packaging.version import Version

LOWEST = "0.dev0"
_KINDS = ("introduced", "fixed", "last_affected", "limit")


class MalformedRecordError(ValueError):
    """A record that does not say what it must; the message says where."""


@dataclass(frozen=True)
class Interval:
    """Versions from `start` (``None``: from the first) up to `end` (``None``: without end)."""

    start: "Version | None"
    end: "Version | None"
    includes_end: bool = False

    def __contains__(self, version: "Version") -> bool:
        if self.start is not None and version < self.start:
            return False
        if self.end is None:
            return True
        return version <= self.end if self.includes_end else version < self.end

    @property
    def specifier(self) -> str:
        """The interval as a PEP 440 specifier set.

        Local parts (``1.0+cu121``) have no place in ordered comparisons: a local build counts as its public version.
        """
        parts = [f">={LOWEST}"]
        if self.start is not None:
            parts.append(f">={self.start.public}")
        if self.end is not None:
            parts.append(f"<={self.end.public}")
            if not self.includes_end:
                parts.append(f"!={self.end.public}")
        return ",".join(parts)


@dataclass(frozen=True)
class Affected:
    """What a record says of one package: specifiers of affected versions, the versions that fixed it.

    `widened` says that a bound was no PEP 440 version, or that there are git ranges only: what cannot be read is
    left open rather than dropped, so that it reports too much and never too little.
    """

    package: str
    specifiers: tuple[str, ...]
    fixed: tuple[str, ...]
    widened: bool = False


@dataclass(frozen=True)
class Record:
    """One advisory, as far as it concerns PyPI."""

    id: str
    aliases: tuple[str, ...]
    modified: datetime
    text: str
    withdrawn: bool
    affected: tuple[Affected, ...]


@lru_cache(maxsize=65536)
def version(text: str) -> "Version | None":
    """A version by PEP 440, or ``None``."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        return None


def parse(data: object) -> Record:
    """Read one record.

    Raises:
        MalformedRecordError: a required field is missing or of a wrong type.
    """
    record = _mapping(data, "the record")
    affected = [_mapping(entry, "affected") for entry in _list(record, "affected")]
    withdrawn = not _absent(record.get("withdrawn")) and bool(_date(record, "withdrawn"))
    return Record(
        _text(record, "id"),
        tuple(str(alias) for alias in _list(record, "aliases")),
        _date(record, "modified"),
        str(record.get("details") or record.get("summary") or ""),
        withdrawn,
        () if withdrawn else tuple(_affected(affected)),
    )


def intervals(events: Sequence[tuple[str, str]]) -> tuple[tuple[Interval, ...], bool]:
    """The intervals that the events of one range stand for, and whether a bound could not be read.

    Events count in version order, whatever order they are written in. At one version, an end closes what was open
    before it; then a start opens anew.
    """
    widened = False
    at: dict[Version | None, set[str]] = {}
    for kind, text in events:
        bound = None if kind == "introduced" and text == "0" else version(text)
        if bound is None and text != "0":
            widened = True
            if kind != "introduced":
                continue
        at.setdefault(bound, set()).add(kind)
    found: list[Interval] = []
    start: Version | None = None
    is_open = None in at
    for bound in sorted(key for key in at if key is not None):
        kinds, was_open = at[bound], is_open
        if is_open and (ends := kinds & {"fixed", "last_affected"}):
            found.append(Interval(start, bound, "fixed" not in ends))
            is_open = False
        if "introduced" in kinds and not is_open:
            start, is_open = bound, True
            if not was_open and "last_affected" in kinds:
                found.append(Interval(bound, bound, includes_end=True))
                is_open = False
    if is_open:
        found.append(Interval(start, None))
    return tuple(found), widened


def _affected(entries: Sequence[Mapping[str, Any]]) -> Iterator[Affected]:
    from packaging.utils import canonicalize_name

    for entry in entries:
        package = _mapping(entry.get("package"), "affected.package")
        if _text(package, "ecosystem").partition(":")[0] != "PyPI":
            continue
        spans: list[Interval] = []
        fixed: list[str] = []
        widened = False
        ranges = [_mapping(item, "ranges") for item in _list(entry, "ranges")]
        for events in (_events(item) for item in ranges if _kind(item) == "ECOSYSTEM"):
            read, unread = intervals(events)
            spans.extend(read)
            widened |= unread
            fixed.extend(text for kind, text in events if kind == "fixed")
        versions = [str(text) for text in _list(entry, "versions")]
        if not spans and not versions:
            if not ranges:
                raise MalformedRecordError(f"{_text(package, 'name')}: neither ranges nor versions")
            spans, widened = [Interval(None, None)], True
        single = {
            f"=={found}"
            for text in versions
            if (found := version(text)) and not any(found in span for span in spans)
        }
        specifiers = dict.fromkeys([*(span.specifier for span in spans), *sorted(single)])
        yield Affected(
            canonicalize_name(_text(package, "name")), tuple(specifiers), tuple(dict.fromkeys(fixed)), widened
        )


def _kind(item: Mapping[str, Any]) -> str:
    kind = _text(item, "type")
    if kind not in {"ECOSYSTEM", "GIT"}:
        raise MalformedRecordError(f"ranges.type {kind!r} is not one of ECOSYSTEM, GIT")
    return kind


def _events(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The events of a range. `limit` only ever narrows a range, so it is left out."""
    events: list[tuple[str, str]] = []
    for event in _list(item, "events"):
        for kind, text in _mapping(event, "events").items():
            if kind not in _KINDS or not isinstance(text, str) or not text:
                raise MalformedRecordError(f"ranges.events: {kind}: {text!r} is no event")
            if kind != "limit":
                events.append((kind, text))
    if not any(kind == "introduced" for kind, _ in events):
        raise MalformedRecordError("ranges.events: no `introduced`")
    return events


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MalformedRecordError(f"{where} is no object")
    return value


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    if _absent(value):
        return []
    if not isinstance(value, list):
        raise MalformedRecordError(f"{key} is no list")
    return value


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise MalformedRecordError(f"{key} is missing")
    return value


def _absent(value: object) -> bool:
    """YAML is read as plain text (``1.10`` must not become 1.1), so its ways of saying null come as words."""
    return value in (None, "", "null", "Null", "NULL", "~")


def _date(data: Mapping[str, Any], key: str) -> datetime:
    text = _text(data, key)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedRecordError(f"{key}: {text!r} is no date") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
