"""Faults of approvals and overrides: what people, or those who act as them, may put beside a verdict or leave out."""

from collections.abc import Callable
from datetime import timedelta

from harness.frozen import replace
from harness.policy import decide
from harness.selftest.copies import APPROVER, COMMANDER, LASTS, RUNNER, SOON, STRANGER, Copy
from harness.selftest.fault import Came, Fault
from harness.selftest.lab import Lab
from harness.selftest.verdict_faults import Tamper, inconclusive, read, write
from harness.verdict.override import bypassed, digests
from harness.verdict.record_format import About, Denial, EmergencyOverride
from harness.verdict.statement import build

Change = Callable[[EmergencyOverride], EmergencyOverride]


def _override(copy: Copy, change: Change) -> None:
    """Override a copy's verdict, which is not GO, and approve that."""
    verdict, at = read(copy), copy.over + SOON
    record = EmergencyOverride(
        About.of(verdict),
        COMMANDER,
        at,
        "the shop is down",
        "INC-1",
        at + LASTS,
        digests(verdict),
        bypassed(verdict),
    )
    copy.add(change(record), COMMANDER)


def _fail(copy: Copy) -> None:
    """Make the copy's verdict one that is not GO, signed by the run's own key, of which nobody has said anything."""
    changed = inconclusive(read(copy))
    write(copy, build(changed.info, changed.record, decide(changed.record)))
    _clear(copy)


def _clear(copy: Copy) -> None:
    """Take away all records of a copy's verdict."""
    for record in (copy.run_home / "records").glob("*"):
        record.unlink()


def _ask(copy: Copy, *, after: timedelta = 2 * SOON, accept_override: bool = False) -> Came:
    return copy.verify(now=copy.over + after, accept_override=accept_override)


def _missing(copy: Copy) -> Came:
    _clear(copy)
    return _ask(copy)


def _by(by: str, name: str = "") -> Tamper:
    def tamper(copy: Copy) -> Came:
        _clear(copy)
        copy.approve(by, name=name)
        return _ask(copy)

    return tamper


def _of_another_run(copy: Copy) -> Came:
    """The approval stays, and the verdict is another: the same, of a run that somebody else started."""
    verdict = read(copy)
    info = replace(verdict.info, started_by="somebody else")
    write(copy, build(info, verdict.record, verdict.decided))
    return _ask(copy)


def _flipped(copy: Copy) -> Came:
    (record,) = (copy.run_home / "records").glob("*")
    raw = record.read_bytes()
    record.write_bytes(raw[:100] + bytes([raw[100] ^ 1]) + raw[101:])
    return _ask(copy)


def _denied(copy: Copy) -> Came:
    """Approved, and then denied by another."""
    denial = Denial(About.of(read(copy)), COMMANDER, copy.over + SOON, "the database is busy")
    copy.add(denial, COMMANDER)
    return _ask(copy)


def _overridden(after: timedelta, *, accept: bool, change: Change = lambda record: record) -> Tamper:
    def tamper(copy: Copy) -> Came:
        _fail(copy)
        _override(copy, change)
        copy.approve(APPROVER)
        return _ask(copy, after=after, accept_override=accept)

    return tamper


def _of_others(record: EmergencyOverride) -> EmergencyOverride:
    return replace(record, subjects={"source": {"gitCommit": "0" * 40}})


def _endless(copy: Copy) -> Came:
    """An override that says it lasts ten years, asked about later than the profile allows."""
    years = timedelta(days=3650)
    longer = _overridden(
        2 * LASTS, accept=True, change=lambda record: replace(record, expires=record.at + years)
    )
    return longer(copy)


def _approved_by_commander(copy: Copy) -> Came:
    _fail(copy)
    _override(copy, lambda record: record)
    copy.approve(COMMANDER)
    return _ask(copy, accept_override=True)


def _fault(name: str, title: str, where: str, tamper: Tamper, *expect: str) -> Fault:
    return Fault(name, title, where, expect, inject=_on_approved(tamper))


def _on_approved(tamper: Tamper) -> Callable[[Lab], Came]:
    return lambda lab: tamper(lab.again(approved=True))


_PEOPLE, _OVERRIDES = "who approves", "the emergency override"

FAULTS = (
    _fault("approval-missing", "nobody approved it", _PEOPLE, _missing, "approval_missing"),
    _fault("approval-own", "who ran the gates approves", _PEOPLE, _by(RUNNER), "self_approved"),
    _fault("approval-stranger", "somebody approves whom nobody named", _PEOPLE, _by(STRANGER, APPROVER), "record_signer_unknown"),
    _fault("approval-borrowed-name", "who ran the gates approves in another's name", _PEOPLE, _by(RUNNER, APPROVER), "record_signer_unknown"),
    _fault("approval-replayed", "the approval is of another run", _PEOPLE, _of_another_run, "record_subject"),
    _fault("approval-flipped", "one bit of the approval is flipped", _PEOPLE, _flipped, "record_malformed", "record_signature_invalid"),
    _fault("approval-denied", "one approved it, and another denied it", _PEOPLE, _denied, "denied"),
    _fault("approval-old", "the approval is older than it may be", _PEOPLE, lambda copy: _ask(copy, after=2 * LASTS), "approval_expired", "expired"),
    _fault("approval-early", "the wait timer is not over", _PEOPLE, lambda copy: _ask(copy, after=SOON / 2), "too_early"),
    _fault("override-unasked", "an emergency override stands that the deploy step does not accept", _OVERRIDES, _overridden(2 * SOON, accept=False), "overridden"),
    _fault("override-of-others", "it is of other bytes", _OVERRIDES, _overridden(2 * SOON, accept=True, change=_of_others), "record_subject"),
    _fault("override-over", "it is over", _OVERRIDES, _overridden(2 * LASTS, accept=True), "inconclusive"),
    _fault("override-endless", "it lasts longer than the profile allows", _OVERRIDES, _endless, "inconclusive"),
    _fault("override-own", "who overrides approves that as well", _OVERRIDES, _approved_by_commander, "self_approved"),
)  # fmt: skip
