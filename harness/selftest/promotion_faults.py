"""Faults of promotion: what the environment before this one left, or somebody who acts as it."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from harness import __version__
from harness.frozen import replace
from harness.gates import question, tables
from harness.model import CheckResult, ExpectedCheck, GateRun, Outcome, Record, SessionEnd, Subject
from harness.policy import decide
from harness.profile.loader import load_profile
from harness.scanners import source_tree
from harness.selftest import toml
from harness.selftest.copies import CARRIER, PHASE, RUNNER, STRANGER, Copy
from harness.selftest.fault import Fault
from harness.selftest.needs import runs
from harness.verdict.envelope import PAYLOAD_TYPE, seal
from harness.verdict.folder_store import FolderStore
from harness.verdict.info import RunInfo, Starter, policy_uri, resource_uri, rules
from harness.verdict.reading import encode
from harness.verdict.statement import build, placeholder
from harness.verdict.store import FILE, RUNS
from harness.verdict.stores import Series

GATE = "promotion"
BEFORE = "before"
"""The profile of the environment that comes before the copy's."""
_RUN = "19700101T000000Z-before"
Change = Callable[[RunInfo, Record], tuple[RunInfo, Record]]


def proven(
    change: Change = lambda info, record: (info, record), *, by: str = RUNNER
) -> Callable[[Copy], None]:
    """A GO of the environment before, about what the copy releases; or what `change` makes of it, signed by another."""

    def arrange(copy: Copy) -> None:
        copy.set(GATE, proven_in=[BEFORE])
        copy.late[GATE] = lambda: _publish(copy, change, by)

    return arrange


def _publish(copy: Copy, change: Change, by: str) -> None:
    _write_profile(copy)
    info, record = change(*_run(copy))
    store, series = FolderStore(copy.root / "reports"), Series(BEFORE, PHASE)
    store.begin(series, _RUN, encode(placeholder(info)))
    info = replace(info, starter=Starter(by, copy.lab.keys[by].keyid))
    raw = seal(encode(build(info, record, decide(record))), PAYLOAD_TYPE, [copy.lab.keys[by]])
    store.finish(series, _RUN, raw)


def _write_profile(copy: Copy) -> None:
    given = copy.lab.profile
    values = {
        "description": "The environment before the self-test's copy",
        "app": {"path": "app", "require_clean": given.app.require_clean},
        "aws": {"account": given.aws.account or "000000000000", "region": given.aws.region},
        "policy": {"signing": {"signers": [copy.lab.signer(RUNNER)]}},
        "phases": {str(PHASE): [[CARRIER]]},
        "gates": {CARRIER: {"required_checks": ["selftest.good"]}},
    }
    copy.write(f"profiles/{BEFORE}.toml", toml.dump(values))


def _run(copy: Copy) -> tuple[RunInfo, Record]:
    """A run of that environment, of a moment ago, in which all that it expects passed."""
    now = datetime.now(UTC)
    profile = load_profile(BEFORE, tables(), folder=copy.root / "profiles", environ={})
    asked = question(profile, PHASE, now=now)
    record = Record(
        rules(profile),
        tuple(asked.gates),
        tuple(asked.checks),
        tuple(
            GateRun(gate.name, SessionEnd.COMPLETED, collected=_of(asked.checks, gate.name))
            for gate in asked.gates
        ),
        tuple(CheckResult(check.id, check.gate, Outcome.PASSED) for check in asked.checks),
        at=now - timedelta(minutes=1),
    )
    info = RunInfo(
        run_id=_RUN,
        profile=BEFORE,
        phase=PHASE,
        resource_uri=resource_uri(profile),
        subjects=(source_tree.state(copy.root / "app", reports=copy.root / "reports").subject,),
        started=now - timedelta(minutes=1),
        policy_digest=asked.policy_digest,
        policy_uri=policy_uri(profile),
        version=__version__,
    )
    return info.ended(now, profile.policy.max_age), record


def _of(checks: Iterable[ExpectedCheck], gate: str) -> tuple[str, ...]:
    return tuple(check.id for check in checks if check.gate == gate)


def _failed(info: RunInfo, record: Record) -> tuple[RunInfo, Record]:
    first, *others = record.results
    failed = replace(first, outcome=Outcome.FAILED, reason="it is broken there")
    return info, replace(record, results=(failed, *others))


def _of_others(info: RunInfo, record: Record) -> tuple[RunInfo, Record]:
    return replace(info, subjects=(Subject("source", {"gitCommit": "0" * 40}),)), record


def _loosened(info: RunInfo, record: Record) -> tuple[RunInfo, Record]:
    return replace(info, policy_digest="0" * 64), record


def _nothing(copy: Copy) -> None:
    copy.late[GATE] = lambda: _write_profile(copy)


def _damaged(copy: Copy) -> None:
    def spoil() -> None:
        proven()(copy)
        copy.late[GATE]()
        file = copy.root / "reports" / BEFORE / str(PHASE) / RUNS / _RUN / FILE
        file.write_bytes(file.read_bytes()[:200])

    copy.late[GATE] = spoil


def _fault(name: str, title: str, arrange: Callable[[Copy], None], expect: str, said: str) -> Fault:
    where = "the verdict of the environment before"
    return Fault(name, title, where, (expect,), said=said, gate=GATE, arrange=arrange, needs=runs(GATE))


FAULTS = (
    _fault("promotion-missing", "it was never judged there", _nothing, "INCONCLUSIVE", "no run of before/pre-deploy is about"),
    _fault("promotion-other-bytes", "something else was judged there", proven(_of_others), "INCONCLUSIVE", "no run of before/pre-deploy is about"),
    _fault("promotion-no-go", "it failed there", proven(_failed), "NO_GO", "it is broken there"),
    _fault("promotion-stranger", "somebody signed the GO whom nobody trusts there", proven(by=STRANGER), "NO_GO", "signer_unknown"),
    _fault("promotion-loosened", "it was judged there by other rules", proven(_loosened), "NO_GO", "(policy)"),
    _fault("promotion-damaged", "its verdict ends in the middle", _damaged, "NO_GO", "may be about this release"),
)  # fmt: skip
