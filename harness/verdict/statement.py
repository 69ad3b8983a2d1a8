"""Building a verdict, writing it as canonical bytes, and reading it back strictly.

A verdict is a function of three things: the run (`RunInfo`), what it recorded (`Record`) and what was decided
(`Decided`). Reading takes the three out, builds the statement anew and compares the bytes, so nothing in a file
that is accepted can contradict anything else in it.
"""

import hashlib
import os
from collections.abc import Mapping
from datetime import UTC
from typing import Any
from urllib.parse import quote

from harness.frozen import dataclass, replace
from harness.judgement import is_flaky, waived
from harness.model import (
    Cause,
    CheckResult,
    Decided,
    Decision,
    GateVerdict,
    Outcome,
    Policy,
    Reason,
    Record,
)
from harness.verdict.envelope import Envelope, is_envelope, unseal
from harness.verdict.format import (
    EXTENSION,
    Detail,
    EvidenceDescriptor,
    GateDetail,
    GateThreshold,
    PolicyDescriptor,
    Predicate,
    RunDetail,
    Sha256Digest,
    StartedBy,
    Statement,
    Verifier,
)
from harness.verdict.info import RunInfo, Starter
from harness.verdict.reading import Unreadable, encode, read, refuse, typed

FINDINGS_SHOWN = 50
"""Findings a verdict holds of one check; the total is stated and the ledger has all of them."""
DIAGNOSIS_SHOWN = 40
"""Lines of diagnosis a verdict holds of one check."""


@dataclass(frozen=True)
class Verdict:
    """A verdict that was read. `findings` are each check's totals; `sha256` is over the statement's bytes, which are the
    file's where it is not signed. `envelope` is what it was signed in; its signatures are not judged by reading."""

    info: RunInfo
    record: Record
    decided: Decided
    findings: Mapping[str, int]
    sha256: str
    envelope: Envelope | None = None

    @property
    def decision(self) -> Decision:
        """What it says."""
        return self.decided.decision


def build(info: RunInfo, record: Record, decided: Decided) -> dict[str, Any]:
    """The statement of a run that is over, as plain JSON values.

    Raises:
        ValueError: the parts cannot belong together (a decision of a run that is not over, a number that is not finite).
        VerdictError: what was built does not read back; such a file must not be written.
    """
    totals = {result.id: len(result.findings) for result in record.results if result.findings}
    statement = _assemble(info, _trim(record), decided, totals)
    raw, checksum = _sealed(statement)
    _read(raw, None)
    statement["predicate"][EXTENSION]["sha256"] = checksum
    return statement


def placeholder(info: RunInfo) -> dict[str, Any]:
    """The PENDING verdict of a run that is not over: what stands in for it until it is, or for ever when it dies."""
    reason = Reason(
        "pending",
        f"run {info.run_id} has not finished",
        Decision.PENDING,
        hint="wait for it; when it died, run the gates again",
    )
    decided = Decided(Decision.PENDING, (reason,), ())
    return build(
        replace(info, finished=None, expires=None, starter=None),
        Record(Policy({}), (), (), partial=info.partial),
        decided,
    )


def parse(raw: bytes) -> Verdict:
    """Read a verdict, signed or not; every byte of the statement counts, and every byte of an envelope's form.

    Raises:
        VerdictError: with one of the codes of `Unreadable`; nothing else is ever raised.
    """
    envelope = unseal(raw) if is_envelope(raw) else None
    verdict = _read(envelope.payload if envelope else raw, envelope)
    starter = verdict.info.starter
    if starter and starter.keyid not in _keyids(envelope):
        refuse(
            Unreadable.INCONSISTENT,
            f"the verdict contradicts itself: key {starter.keyid[:12]}… proves who started it, and did not sign it",
        )
    return verdict


def _keyids(envelope: Envelope | None) -> set[str]:
    return {each.keyid for each in envelope.signatures} if envelope else set()


def _read(raw: bytes, envelope: Envelope | None) -> Verdict:
    """A statement's bytes; who signed is looked at where there are signatures."""
    data = read(raw)
    statement = typed(data)
    if not _holds(raw, statement.predicate.detail.sha256):
        refuse(Unreadable.ALTERED, "the verdict's own checksum does not match its content")
    detail = statement.predicate.detail
    try:
        info, decided = _info(statement), _decided(detail)
        again, _ = _sealed(_assemble(info, _trim(detail.record), decided, detail.findings))
    except ValueError as error:
        refuse(Unreadable.INCONSISTENT, f"the verdict contradicts itself: {error}")
    if again != raw:
        refuse(Unreadable.INCONSISTENT, "the verdict contradicts itself: its summary is not its record's")
    return Verdict(
        info, detail.record, decided, dict(detail.findings), hashlib.sha256(raw).hexdigest(), envelope
    )


def _assemble(info: RunInfo, record: Record, decided: Decided, totals: Mapping[str, int]) -> dict[str, Any]:
    """The statement, every derived value derived here and nowhere else."""
    if decided.decision is not Decision.PENDING and info.finished is None:
        msg = f"a run that is not over cannot be decided {decided.decision}"
        raise ValueError(msg)
    if info.partial != record.partial:
        msg = "the run and its record disagree on being partial"
        raise ValueError(msg)
    if record.at not in (None, info.started):
        msg = "the run and its record disagree on when it started"
        raise ValueError(msg)
    counted = {result.id: len(result.findings) for result in record.results if result.findings}
    if counted.keys() != totals.keys() or any(totals[check] < held for check, held in counted.items()):
        msg = "the totals of findings are not those of the results"
        raise ValueError(msg)
    for path in {each.path for result in record.results for each in result.evidence}:
        if "\0" in path or {"", ".", ".."} & {*path.split("/")}:
            msg = f"evidence {path[:200]!r} is not a path below the run's folder"
            raise ValueError(msg)
    go = decided.decision is Decision.GO
    statement = Statement.model_construct(
        type="https://in-toto.io/Statement/v1",
        subject=info.subjects,
        predicate_type="https://slsa.dev/verification_summary/v1",
        predicate=Predicate.model_construct(
            verifier=Verifier.model_construct(id="urn:gonogo:verifier", version={"gonogo": info.version}),
            time_verified=info.finished or info.started,
            resource_uri=info.resource_uri,
            policy=PolicyDescriptor.model_construct(
                uri=info.policy_uri, digest=Sha256Digest.model_construct(sha256=info.policy_digest)
            ),
            input_attestations=_attestations(info.run_id, record),
            verification_result="PASSED" if go else "FAILED",
            verified_levels=(info.level if go else "FAILED",),
            slsa_version="1.1",
            detail=Detail.model_construct(
                decision=decided.decision,
                reasons=decided.reasons,
                missing=decided.missing,
                run=_run(info),
                gates=tuple(_gate(verdict, record) for verdict in decided.gates),
                record=record,
                findings=totals,
                sha256="",
            ),
        ),
    )
    return statement.model_dump()


def _sealed(statement: Mapping[str, Any]) -> tuple[bytes, str]:
    """The bytes of a statement that was assembled, with its checksum in its place, and the checksum.

    It is encoded once, as that takes longest, with a mark in the checksum's place that is nowhere else.
    """
    predicate, mark = statement["predicate"], os.urandom(32).hex()
    detail = {**predicate[EXTENSION], "sha256": mark}
    encoded = encode({**statement, "predicate": {**predicate, EXTENSION: detail}})
    before, after = encoded.split(mark.encode())
    checksum = _over(before, after)
    return before + checksum.encode() + after, checksum


def _holds(raw: bytes, checksum: str) -> bool:
    """Whether canonical bytes have the checksum that they state, once."""
    before, found, after = raw.partition(f'"sha256":"{checksum}'.encode())
    alone = bool(checksum and found) and checksum.encode() not in after
    return alone and _over(before + b'"sha256":"', after) == checksum


def _over(before: bytes, after: bytes) -> str:
    """The digest of a statement without its own: over what stands before and after it."""
    return hashlib.sha256(before + after.removesuffix(b"\n")).hexdigest()


def _run(info: RunInfo) -> RunDetail:
    return RunDetail.model_construct(
        run_id=info.run_id,
        profile=info.profile,
        phase=info.phase,
        attempt=info.attempt,
        started=info.started,
        finished=info.finished,
        expires=info.expires,
        started_by=StartedBy.model_construct(
            name=info.starter.name if info.starter else info.started_by,
            proven=info.starter is not None,
            by=info.starter.keyid if info.starter else "",
            claimed=info.started_by,
        ),
        partial=info.partial,
        stand_in=info.stand_in,
        images=info.images,
        overrides=info.overrides,
    )


def _gate(verdict: GateVerdict, record: Record) -> GateDetail:
    """A gate's decision with its thresholds, skips, waivers and flakes, gathered from its results."""
    results = [result for result in record.results if result.gate == verdict.gate]
    skips: dict[Cause, tuple[str, ...]] = {}
    for result in results:
        if result.outcome is Outcome.SKIPPED and result.cause is not None:
            skips[result.cause] = (*skips.get(result.cause, ()), result.id)
    return GateDetail.model_construct(
        gate=verdict.gate,
        outcome=verdict.outcome,
        decision=verdict.decision,
        layer=verdict.layer,
        counts=verdict.counts,
        cause=verdict.cause,
        duration=verdict.duration,
        budget=verdict.budget,
        reasons=verdict.reasons,
        thresholds=tuple(
            GateThreshold.model_construct(
                check=result.id,
                threshold=each.threshold,
                metric=each.metric,
                actual=each.actual,
                limit=each.limit,
                unit=each.unit,
                sample=each.sample,
                held=each.held,
            )
            for result in results
            for each in result.thresholds
        ),
        skips=skips,
        waived={result.id: result.waiver for result in results if waived(result, record)},
        flaky=tuple(result.id for result in results if is_flaky(result)),
    )


def _attestations(run_id: str, record: Record) -> tuple[EvidenceDescriptor, ...]:
    """Every evidence file once, by its path in the run's folder."""
    found = {
        (each.path, each.sha256): each.media_type for result in record.results for each in result.evidence
    }
    return tuple(
        EvidenceDescriptor.model_construct(
            name=path,
            uri=f"urn:gonogo:evidence:{run_id}:{quote(path)}",
            digest=Sha256Digest.model_construct(sha256=sha256),
            media_type=media_type,
        )
        for (path, sha256), media_type in sorted(found.items())
    )


def _trim(record: Record) -> Record:
    """Cut what is long in the results; deciding needs none of it. Cutting twice changes nothing."""
    return replace(record, results=tuple(_cut(result) for result in record.results))


def _cut(result: CheckResult) -> CheckResult:
    lines = result.diagnosis
    if len(lines) <= DIAGNOSIS_SHOWN and len(result.findings) <= FINDINGS_SHOWN:
        return result
    if len(lines) > DIAGNOSIS_SHOWN:
        more = f"… and {len(lines) - DIAGNOSIS_SHOWN + 1} more lines, in the run's ledger"
        lines = (*lines[: DIAGNOSIS_SHOWN - 1], more)
    shown, others = result.findings[:FINDINGS_SHOWN], result.findings[FINDINGS_SHOWN:]
    waivers = {finding.waiver for finding in shown} | {""}
    for finding in others:  # what a decision says of a waiver must not depend on what was cut
        if finding.waiver not in waivers:
            waivers.add(finding.waiver)
            shown = (*shown, finding)
    return replace(result, findings=shown, diagnosis=lines)


def _info(statement: Statement) -> RunInfo:
    predicate = statement.predicate
    run = predicate.detail.run
    return RunInfo(
        run_id=run.run_id,
        profile=run.profile,
        phase=run.phase,
        resource_uri=predicate.resource_uri,
        subjects=statement.subject,
        started=run.started.astimezone(UTC),
        policy_digest=predicate.policy.digest.sha256,
        policy_uri=predicate.policy.uri,
        version=predicate.verifier.version.get("gonogo", ""),
        finished=run.finished.astimezone(UTC) if run.finished else None,
        expires=run.expires.astimezone(UTC) if run.expires else None,
        attempt=run.attempt,
        started_by=run.started_by.claimed,
        starter=Starter(run.started_by.name, run.started_by.by) if run.started_by.proven else None,
        partial=run.partial,
        stand_in=run.stand_in,
        images=run.images,
        overrides=run.overrides,
    )


def _decided(detail: Detail) -> Decided:
    gates = tuple(
        GateVerdict(
            gate.gate,
            gate.outcome,
            gate.decision,
            gate.layer,
            gate.counts,
            gate.cause,
            gate.duration,
            gate.budget,
            gate.reasons,
        )
        for gate in detail.gates
    )
    return Decided(detail.decision, detail.reasons, gates, detail.missing)
