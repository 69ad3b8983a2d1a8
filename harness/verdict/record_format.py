"""What people say of a verdict: approvals, denials and emergency overrides, as in-toto Statements.

The subject of each is the sha256 of the verdict's own statement. As with the verdict there is one form of each: what was
read is written anew, and must come out byte for byte the same.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from harness.frozen import dataclass
from harness.model import Decision, Phase
from harness.verdict.reading import Unreadable, encode, read, refuse
from harness.verdict.statement import Verdict

LONGEST = 2000
"""Characters of a comment or a reason."""
_TYPE = "https://in-toto.io/Statement/v1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Kind(StrEnum):
    """What a record says; part of its predicate type and of its file's name."""

    APPROVAL = "approval"
    DENIAL = "denial"
    OVERRIDE = "override"


@dataclass(frozen=True)
class About:
    """The verdict that a record is about. `sha256` is its payload's, so that another run's is another one."""

    sha256: str
    run_id: str
    profile: str
    phase: Phase

    @classmethod
    def of(cls, verdict: Verdict) -> "About":
        """A verdict that was read."""
        info = verdict.info
        return cls(verdict.sha256, info.run_id, info.profile, info.phase)


@dataclass(frozen=True)
class Bypassed:
    """What was not GO: a check, a gate as a whole (`check` empty), or the run as a whole (both empty)."""

    gate: str
    check: str
    decision: Decision

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.check or self.gate or "the run"


@dataclass(frozen=True)
class Record(ABC):
    """What one person said of one verdict, and when (UTC).

    Raises:
        ValueError: a value that no record can have; the message names it.
    """

    kind: ClassVar[Kind]

    about: About
    by: str
    at: datetime

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.by):
            msg = f"{self.by!r} is not a name"
            raise ValueError(msg)
        if not _SHA256.fullmatch(self.about.sha256):
            msg = "the subject has no sha256"
            raise ValueError(msg)
        self._check()

    @abstractmethod
    def _check(self) -> None:
        """What its kind demands beyond that."""

    @abstractmethod
    def _detail(self) -> dict[str, Any]:
        """What its predicate holds beyond who, when and of which run."""

    def statement(self) -> dict[str, Any]:
        """As an in-toto Statement, in plain JSON values."""
        about = self.about
        common = {
            "by": self.by,
            "at": _write_time(self.at),
            "profile": about.profile,
            "phase": str(about.phase),
            "run_id": about.run_id,
        }
        return {
            "_type": _TYPE,
            "subject": [{"name": f"verdict:{about.run_id}", "digest": {"sha256": about.sha256}}],
            "predicateType": f"urn:gonogo:{self.kind}:v1",
            "predicate": {**common, **self._detail()},
        }


@dataclass(frozen=True)
class Approval(Record):
    """This verdict may be deployed by."""

    kind = Kind.APPROVAL
    comment: str = ""

    def _check(self) -> None:
        _short("comment", self.comment)

    def _detail(self) -> dict[str, Any]:
        return {"comment": self.comment}


@dataclass(frozen=True)
class Denial(Record):
    """This verdict may not be deployed by, for a reason."""

    kind = Kind.DENIAL
    reason: str

    def _check(self) -> None:
        _short("reason", self.reason, needed=True)

    def _detail(self) -> dict[str, Any]:
        return {"reason": self.reason}


@dataclass(frozen=True)
class EmergencyOverride(Record):
    """An emergency: these bytes may be deployed until `expires` although the verdict is not GO, which it stays."""

    kind = Kind.OVERRIDE
    reason: str
    incident: str
    expires: datetime
    subjects: Mapping[str, Mapping[str, str]]
    """The bytes that may go: each subject of the verdict with its digests."""
    bypassed: tuple[Bypassed, ...]

    def _check(self) -> None:
        _short("reason", self.reason, needed=True)
        _short("incident", self.incident, needed=True)
        if self.expires <= self.at:
            msg = "it expires before it begins"
            raise ValueError(msg)
        if not self.bypassed or not self.subjects:
            msg = "it bypasses nothing, or of nothing"
            raise ValueError(msg)

    def _detail(self) -> dict[str, Any]:
        return {
            "reason": self.reason,
            "incident": self.incident,
            "expires": _write_time(self.expires),
            "subjects": {name: dict(digest) for name, digest in self.subjects.items()},
            "bypassed": [
                {"gate": each.gate, "check": each.check, "decision": str(each.decision)}
                for each in self.bypassed
            ],
        }


def parse(payload: bytes) -> Record:
    """Read a record's statement, strictly.

    Raises:
        VerdictError: with one of the codes of `Unreadable`.
    """
    data = read(payload, "record")
    try:
        record = _build(data)
    except ValueError as error:
        refuse(Unreadable.MALFORMED, f"the record is malformed: {error}")
    if encode(record.statement()) != payload:
        refuse(Unreadable.MALFORMED, f"the record has keys or values that no {record.kind} has")
    return record


def _build(data: Mapping[str, Any]) -> Record:
    """The record that a statement means; keys it does not know are found by writing it anew."""
    prefix, _, kind = _text(data, "predicateType").removesuffix(":v1").rpartition(":")
    if prefix != "urn:gonogo" or kind not in list(Kind):
        msg = f"{_text(data, 'predicateType')[:80]!r} is no type of record"
        raise ValueError(msg)
    match data.get("subject"):
        case [{"digest": {"sha256": str(sha256)}}]:
            pass
        case _:
            msg = "its subject is not one verdict"
            raise ValueError(msg)
    said = _table(data, "predicate")
    about = About(sha256, _text(said, "run_id"), _text(said, "profile"), Phase(_text(said, "phase")))
    by, at = _text(said, "by"), _time(said, "at")
    match Kind(kind):
        case Kind.APPROVAL:
            return Approval(about, by, at, _text(said, "comment"))
        case Kind.DENIAL:
            return Denial(about, by, at, _text(said, "reason"))
        case Kind.OVERRIDE:
            return EmergencyOverride(
                about,
                by,
                at,
                _text(said, "reason"),
                _text(said, "incident"),
                _time(said, "expires"),
                _subjects(_table(said, "subjects")),
                _bypassed(said.get("bypassed")),
            )


def _subjects(data: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {name: {kind: _text(_table(data, name), kind) for kind in _table(data, name)} for name in data}


def _bypassed(data: object) -> tuple[Bypassed, ...]:
    if not isinstance(data, list):
        msg = "bypassed is not a list"
        raise ValueError(msg)  # noqa: TRY004 - what a file holds is a value
    return tuple(
        Bypassed(_text(each, "gate"), _text(each, "check"), Decision(_text(each, "decision")))
        for each in data
    )


def _table(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = data.get(key)
    if not isinstance(found, dict):
        msg = f"{key} is not an object"
        raise ValueError(msg)  # noqa: TRY004
    return found


def _text(data: object, key: str) -> str:
    found = data.get(key) if isinstance(data, dict) else None
    if not isinstance(found, str):
        msg = f"{key} is not text"
        raise ValueError(msg)  # noqa: TRY004
    return found


def _time(data: Mapping[str, Any], key: str) -> datetime:
    """A moment in UTC; that it is written in the one way is found by writing it anew."""
    found = datetime.fromisoformat(_text(data, key))
    if found.utcoffset() != timedelta(0):
        msg = f"{key} is not in UTC"
        raise ValueError(msg)
    return found.astimezone(UTC)


def _write_time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _short(name: str, text: str, *, needed: bool = False) -> None:
    if len(text) > LONGEST or (needed and not text.strip()):
        msg = f"the {name} has {'no' if needed and not text.strip() else f'more than {LONGEST}'} characters"
        raise ValueError(msg)
