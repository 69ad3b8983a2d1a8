"""The records attached to a verdict, each in a DSSE envelope of its own: reading, adding, and whose count.

runs/<run-id>/records/<kind>-<n>.intoto.json
"""

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from harness.errors import VerdictError
from harness.frozen import dataclass
from harness.plain_files import read_plain
from harness.profile.schema import SignerConfig
from harness.verdict.envelope import PAYLOAD_TYPE, Envelope, SigningKey, Untrusted, seal, unseal
from harness.verdict.info import CLOCK_SKEW
from harness.verdict.reading import Unreadable, encode, refuse
from harness.verdict.record_format import About, Record, parse
from harness.verdict.refusal import Refusal
from harness.verdict.statement import Verdict
from harness.verdict.store import RECORDS, add_record
from harness.verdict.trust import key_ring

_FILE = re.compile(r"(approval|denial|override)-[1-9][0-9]{0,5}\.intoto\.json", re.ASCII)


@dataclass(frozen=True)
class Attached:
    """A record that was read, with what it is signed in. Nothing is known of its signature before `hold`."""

    record: Record
    envelope: Envelope
    name: str
    """What messages call it: its file."""

    @property
    def keyid(self) -> str:
        """Whose signature it has, or claims to have."""
        return self.envelope.signatures[0].keyid


def sign(record: Record, signer: SigningKey) -> bytes:
    """The bytes of a record's file.

    Raises:
        GonogoError: the signer cannot sign.
    """
    return seal(encode(record.statement()), PAYLOAD_TYPE, [signer])


def read_record(raw: bytes, name: str) -> Attached:
    """Read one record, strictly; its signature is not judged.

    Raises:
        VerdictError: ``record_malformed``.
    """
    try:
        envelope = unseal(raw, what="record")
        if len(envelope.signatures) != 1:
            refuse(Unreadable.MALFORMED, "a record is one person's, and has one signature")
        return Attached(parse(envelope.payload), envelope, name)
    except VerdictError as error:
        raise VerdictError(
            Refusal.RECORD_MALFORMED.value,
            f"{name}: {error.message}",
            hint="it was changed, or is no record; remove it, and approve or override again",
        ) from None


def read_records(*runs: Path) -> tuple[Attached, ...]:
    """Read all records in a run's folder, or its folders, sorted by name; what lies there and is no record is refused.

    The same bytes in two runs' folders are one record.

    Raises:
        VerdictError: ``record_malformed``.
    """
    found: list[Attached] = []
    for run in runs:
        known = {each.envelope.raw for each in found}
        found += [each for each in _read_folder(run / RECORDS) if each.envelope.raw not in known]
    return tuple(found)


def _read_folder(folder: Path) -> tuple[Attached, ...]:
    try:
        files = sorted(folder.iterdir())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _unreadable(folder, error) from error
    return tuple(_read_file(file) for file in files if not file.name.startswith("."))


def _read_file(file: Path) -> Attached:
    try:
        attached = read_record(read_plain(file), str(file))
    except OSError as error:
        raise _unreadable(file, error) from error
    if not _FILE.fullmatch(file.name) or file.name.partition("-")[0] != attached.record.kind:
        raise VerdictError(
            Refusal.RECORD_MALFORMED.value,
            f"{file}: a record of this kind has another name",
            hint=f"it should be {attached.record.kind}-1.intoto.json or so; remove what is no record",
        )
    return attached


def _unreadable(path: Path, error: OSError) -> VerdictError:
    return VerdictError(
        Refusal.RECORD_MALFORMED.value,
        f"{path}: the record cannot be read: {error.strerror}",
        hint="look at the path and its permissions",
    )


def attach(run: Path, raw: bytes) -> Path:
    """Add a record to a run's folder, whole or not at all, beside those that are there; returns its file.

    Raises:
        VerdictError: it is no record.
        StoreError: it could not be written.
    """
    return add_record(run, read_record(raw, "the record").record.kind, raw)


def hold(
    attached: Iterable[Attached], verdict: Verdict, signers: Iterable[SignerConfig], *, now: datetime
) -> None:
    """Refuse a record that is another verdict's, that none of `signers` signed in their own name, or whose time cannot be.

    Raises:
        VerdictError: with a code of `Refusal` that begins with ``record_``.
    """
    ring = key_ring(signers)
    made = verdict.info.finished or verdict.info.started
    for each in attached:
        record, about = each.record, About.of(verdict)
        if record.about != about:
            raise VerdictError(
                Refusal.RECORD_SUBJECT.value,
                f"{each.name}: the {record.kind} by {record.by} is about run {record.about.run_id}, verdict "
                f"{record.about.sha256[:12]}, not about run {about.run_id}, verdict {about.sha256[:12]}",
                hint="each verdict needs its own; remove this one",
            )
        try:
            (name,) = each.envelope.signed_by(ring)
        except VerdictError as error:
            unknown = error.code == Untrusted.SIGNER_UNKNOWN
            code = Refusal.RECORD_SIGNER_UNKNOWN if unknown else Refusal.RECORD_SIGNATURE_INVALID
            raise VerdictError(code.value, f"{each.name}: {error.message}", hint="remove it") from None
        if name != record.by:
            raise VerdictError(
                Refusal.RECORD_SIGNER_UNKNOWN.value,
                f"{each.name}: the {record.kind} says that it is by {record.by}, and {name} signed it",
                hint="remove it",
            )
        if not made - CLOCK_SKEW <= record.at <= now + CLOCK_SKEW:
            raise VerdictError(
                Refusal.RECORD_TIME.value,
                f"{each.name}: the {record.kind} by {record.by} is from {record.at:%Y-%m-%d %H:%M:%S} UTC; the run was "
                f"over at {made:%Y-%m-%d %H:%M:%S}, and it is {now:%Y-%m-%d %H:%M:%S}",
                hint="set the clocks right",
            )
