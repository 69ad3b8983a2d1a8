"""Faults of a verdict: what somebody, or something, may do to a GO between the run and the deploy step."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.errors import GonogoError
from harness.frozen import replace
from harness.model import Cause, Decision, Outcome, Phase, Subject
from harness.policy import decide
from harness.profile.public_key import KeyKind
from harness.selftest.copies import CARRIER, Copy
from harness.selftest.fault import GO, Came, Fault
from harness.selftest.lab import Lab
from harness.verdict.envelope import PAYLOAD_TYPE, payload_of, seal
from harness.verdict.info import image_check
from harness.verdict.reading import encode
from harness.verdict.signing import FileKey, new_private, public_of
from harness.verdict.statement import Verdict, build, placeholder

Tamper = Callable[[Copy], Came]
_DIGESTS = "sha256:" + "a" * 64, "sha256:" + "b" * 64
_IMAGE = "selftest"


def on_file(lab: Lab, tamper: Tamper) -> Came:
    """Let somebody tamper with a copy of a real GO.

    Raises:
        GonogoError: a run without a fault is not GO.
    """
    return tamper(lab.again())


def read(copy: Copy) -> Verdict:
    """The newest verdict, which must be there."""
    verdict = copy.verdict()
    if verdict is None:
        raise GonogoError("the verdict cannot be read", hint="see the control")
    return verdict


def write(copy: Copy, statement: Any, key: FileKey | None = None) -> None:  # noqa: ANN401 - JSON values
    """Put a statement in the place of the verdict, signed; by the key that the copy trusts unless by another."""
    copy.verdict_file.write_bytes(sealed(copy, statement, key))


def sealed(copy: Copy, statement: Any, key: FileKey | None = None) -> bytes:  # noqa: ANN401 - JSON values
    """A statement, signed; by the key that the copy trusts unless by another."""
    return seal(encode(statement), PAYLOAD_TYPE, [key or copy.lab.key])


def _claim(change: Callable[[Verdict], Verdict]) -> Tamper:
    """A verdict that is whole, signed and derived from its own record, of something else than was run."""

    def tamper(copy: Copy) -> Came:
        changed = change(read(copy))
        write(copy, build(changed.info, changed.record, decide(changed.record)))
        return copy.verify()

    return tamper


def _info(**values: Any) -> Tamper:  # noqa: ANN401
    return _claim(lambda verdict: replace(verdict, info=replace(verdict.info, **values)))


def _bytes(change: Callable[[bytes], bytes]) -> Tamper:
    def tamper(copy: Copy) -> Came:
        copy.verdict_file.write_bytes(change(copy.verdict_file.read_bytes()))
        return copy.verify()

    return tamper


def _flipped(raw: bytes) -> bytes:
    at = len(raw) // 2
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def _bare(copy: Copy) -> bytes:
    """The verdict's statement without the word on who started the run, which only a signature proves."""
    verdict = read(copy)
    return encode(build(replace(verdict.info, starter=None), verdict.record, verdict.decided))


def _unsigned(copy: Copy) -> Came:
    copy.verdict_file.write_bytes(_bare(copy))
    return copy.verify()


def _stripped(copy: Copy) -> Came:
    copy.verdict_file.write_bytes(payload_of(copy.verdict_file.read_bytes()))
    return copy.verify()


def _stranger(copy: Copy) -> Came:
    private = new_private(KeyKind.ED25519)
    copy.verdict_file.write_bytes(seal(_bare(copy), PAYLOAD_TYPE, [FileKey(public_of(private), private)]))
    return copy.verify()


def _swapped_signature(copy: Copy) -> Came:
    """Another statement under the signature of the true one."""
    verdict = read(copy)
    changed = replace(verdict.info, started_by="somebody else")
    raw, own = copy.verdict_file.read_bytes(), encode(build(changed, verdict.record, verdict.decided))
    envelope = json.loads(raw)
    other = json.loads(seal(own, PAYLOAD_TYPE, [copy.lab.key]))
    text = {**other, "signatures": envelope["signatures"]}
    copy.verdict_file.write_bytes(encode(text))
    return copy.verify()


def _with_image(verdict: Verdict) -> Verdict:
    """The same run, asked about an image as well, which it found to be the first of `_DIGESTS`."""
    subject = Subject(_IMAGE, {"sha256": _DIGESTS[0].removeprefix("sha256:")}, annotations={"tag": "v1"})
    check = image_check(_IMAGE)
    like = next(result for result in verdict.record.results if result.gate == check.gate)
    passed = replace(like, id=check.id, resource=check.resource, subjects=(subject,))
    runs = tuple(
        replace(run, collected=(*run.collected, check.id)) if run.gate == check.gate else run
        for run in verdict.record.runs
    )
    record = replace(
        verdict.record,
        checks=(*verdict.record.checks, check),
        results=(*verdict.record.results, passed),
        runs=runs,
    )
    info = replace(verdict.info, images={_IMAGE: "v1"}, subjects=(*verdict.info.subjects, subject))
    return replace(verdict, info=info, record=record)


def _moved_tag(copy: Copy) -> Came:
    changed = _with_image(read(copy))
    write(copy, build(changed.info, changed.record, decide(changed.record)))
    if (before := copy.verify(images={_IMAGE: _DIGESTS[0]})).answer != GO:
        raise GonogoError(
            f"the replayed verdict was to be GO for its own digest: {before.told}", hint="see the control"
        )
    return copy.verify(images={_IMAGE: _DIGESTS[1]})


def _unasked_image(copy: Copy) -> Came:
    return copy.verify(images={_IMAGE: _DIGESTS[0]})


def _other_environment(verdict: Verdict) -> Verdict:
    place = verdict.info.resource_uri.rpartition("/")[0]
    return replace(verdict, info=replace(verdict.info, profile="another", resource_uri=f"{place}/another"))


def _without_gate(verdict: Verdict) -> Verdict:
    kept = verdict.record
    return replace(
        verdict,
        record=replace(
            kept,
            gates=tuple(gate for gate in kept.gates if gate.name != CARRIER),
            checks=tuple(check for check in kept.checks if check.gate != CARRIER),
            runs=tuple(run for run in kept.runs if run.gate != CARRIER),
            results=tuple(result for result in kept.results if result.gate != CARRIER),
        ),
    )


def _without_check(verdict: Verdict) -> Verdict:
    checks = tuple(check for check in verdict.record.checks if check.gate != CARRIER)
    return replace(verdict, record=replace(verdict.record, checks=checks))


def _other_rules(verdict: Verdict) -> Verdict:
    skips = dict.fromkeys(verdict.record.policy.skips, Decision.GO)
    flaky = verdict.record.policy.max_flaky + 99
    return replace(
        verdict,
        record=replace(verdict.record, policy=replace(verdict.record.policy, skips=skips, max_flaky=flaky)),
    )


def _partial(verdict: Verdict) -> Verdict:
    return replace(
        verdict, info=replace(verdict.info, partial=True), record=replace(verdict.record, partial=True)
    )


def _forged_decision(copy: Copy) -> Came:
    """A record with a failure, under the decision of one without."""
    verdict = read(copy)
    failed = tuple(
        replace(result, outcome=Outcome.FAILED, reason="it is broken") if result.gate == CARRIER else result
        for result in verdict.record.results
    )
    write(copy, build(verdict.info, replace(verdict.record, results=failed), verdict.decided))
    return copy.verify()


def inconclusive(verdict: Verdict) -> Verdict:
    """The same run, in which the carrier's check came to nothing."""
    results = tuple(
        replace(result, outcome=Outcome.INCONCLUSIVE, cause=Cause.NOTHING_CHECKED, reason="nothing was there")
        if result.gate == CARRIER
        else result
        for result in verdict.record.results
    )
    return replace(verdict, record=replace(verdict.record, results=results))


def _pending(copy: Copy) -> Came:
    write(copy, placeholder(read(copy).info))
    return copy.verify()


def _tightened(copy: Copy) -> Came:
    """The run was made under looser rules than those that the deploy step has."""
    copy.settings = {CARRIER: {**copy.settings[CARRIER], "min_checks": 2}}
    copy.write_profile()
    return copy.verify()


def _at(offset: timedelta) -> Tamper:
    return lambda copy: copy.verify(now=datetime.now(UTC) + offset)


def _expired(copy: Copy) -> Came:
    return copy.verify(now=datetime.now(UTC) + timedelta(seconds=copy.asked().policy.max_age + 1))


def _evidence(change: Callable[[Any], object]) -> Tamper:
    def tamper(copy: Copy) -> Came:
        verdict = read(copy)
        folder = copy.home / "runs" / verdict.info.run_id
        (path,) = [folder / each.path for result in verdict.record.results for each in result.evidence]
        change(path)
        return copy.verify(require_evidence=True)

    return tamper


def _nan(copy: Copy) -> Came:
    statement = json.loads(payload_of(copy.verdict_file.read_bytes()))
    text = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    spoilt = text.replace('"budget":', '"budget":NaN,"was":', 1).encode() + b"\n"
    copy.verdict_file.write_bytes(seal(spoilt, PAYLOAD_TYPE, [copy.lab.key]))
    return copy.verify()


def _fault(name: str, title: str, where: str, tamper: Tamper, *expect: str) -> Fault:
    return Fault(name, title, where, expect, inject=lambda lab: on_file(lab, tamper))


_FILE, _SIGNATURE, _CLAIM, _CLOCK = "the verdict's bytes", "its signature", "what it is about", "the clocks"
_BROKEN_FORM = ("malformed", "not_canonical", "signature_invalid", "truncated", "altered")

FAULTS = (
    _fault("verdict-flipped", "one bit of it is flipped", _FILE, _bytes(_flipped), *_BROKEN_FORM),
    _fault("verdict-truncated", "it ends in the middle", _FILE, _bytes(lambda raw: raw[: len(raw) // 2]), "truncated"),
    _fault("verdict-empty", "it is an empty file", _FILE, _bytes(lambda _: b""), "truncated"),
    _fault("verdict-nan", "a number of it is NaN, and it is signed", _FILE, _nan, "malformed"),
    _fault("verdict-pending", "it is the placeholder of a run that is not over", _FILE, _pending, "pending"),
    _fault("verdict-unsigned", "it is not signed where it must be", _SIGNATURE, _unsigned, "unsigned"),
    _fault("verdict-stripped", "its signature is taken off", _SIGNATURE, _stripped, "unsigned", "inconsistent"),
    _fault("verdict-stranger", "it is signed by a key that nobody trusts", _SIGNATURE, _stranger, "signer_unknown"),
    _fault("verdict-swapped", "another statement stands under its signature", _SIGNATURE, _swapped_signature, "signature_invalid"),
    _fault("verdict-replayed", "its tag points to other bytes now", _CLAIM, _moved_tag, "subject"),
    _fault("verdict-other-image", "an image is deployed that it does not speak of", _CLAIM, _unasked_image, "subject"),
    _fault("verdict-other-source", "another commit is deployed", _CLAIM, lambda copy: copy.verify(source="0" * 40), "source"),
    _fault("verdict-other-environment", "it is another environment's", _CLAIM, _claim(_other_environment), "environment"),
    _fault("verdict-stand-in", "an emulator answered for the environment", _CLAIM, _info(stand_in=True), "stand_in"),
    _fault("verdict-other-phase", "it is another phase's", _CLAIM, _info(phase=Phase.POST_DEPLOY), "phase"),
    _fault("verdict-gate-removed", "a gate is left out of it", "its record", _claim(_without_gate), "expected_gates"),
    _fault("verdict-check-removed", "an expected check is left out of it", "its record", _claim(_without_check), "expected_checks"),
    _fault("verdict-partial", "only some gates were asked to run", "its record", _claim(_partial), "partial"),
    _fault("verdict-forged", "it says GO, and its record does not", "its record", _forged_decision, "not_derivable", "inconsistent"),
    _fault("verdict-inconclusive", "it is whole, signed and not GO", "its record", _claim(inconclusive), "inconclusive"),
    _fault("policy-loosened", "the run's policy was looser than the deploy step's", "the policy", _tightened, "policy"),
    _fault("policy-rewritten", "its record holds looser rules than the policy it names", "the policy", _claim(_other_rules), "policy"),
    _fault("clock-behind", "the verifier's clock is an hour behind", _CLOCK, _at(timedelta(hours=-1)), "from_the_future"),
    _fault("clock-ahead", "the verifier's clock is ahead by its whole age", _CLOCK, _expired, "expired"),
    _fault("evidence-changed", "a file of evidence is changed", "the evidence", _evidence(lambda p: p.write_text("x")), "evidence"),
    _fault("evidence-missing", "a file of evidence is gone", "the evidence", _evidence(lambda p: p.unlink()), "evidence_missing"),
)  # fmt: skip
