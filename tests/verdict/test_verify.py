"""One test for each way a verdict is refused; the code is what a pipeline reads."""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ExitCode, UsageError, VerdictError
from harness.model import (
    Cause,
    Decided,
    Decision,
    ExpectedCheck,
    ExpectedGate,
    Outcome,
    Phase,
    Record,
    Subject,
)
from harness.policy import decide
from harness.profile.schema import AppConfig, AwsConfig, LocalConfig, PolicyConfig, SkipRules
from harness.verdict.format import EXTENSION
from harness.verdict.reading import encode
from harness.verdict.refusal import Refusal, RefusedError
from harness.verdict.statement import placeholder

Seal = Callable[[Mapping[str, Any]], bytes]


def refused(
    case: Any, code: Refusal, says: str = "", exit_code: ExitCode = ExitCode.UNUSABLE
) -> VerdictError:
    with pytest.raises(VerdictError) as caught:
        case.verify()
    assert caught.value.code == code.value, caught.value
    assert says in caught.value.message, caught.value
    assert caught.value.exit_code is exit_code
    assert caught.value.hint
    return caught.value


def test_accepts_a_go_for_its_own_subject(case: Any) -> None:
    verified = case.write().write_evidence().verify()
    assert verified.verdict.decision is Decision.GO
    assert verified.verdict.info == case.info
    assert verified.verdict.record == case.record
    assert verified.evidence == 1
    assert verified.expires == case.info.finished + timedelta(hours=24)
    assert verified.reasons == ()


def test_accepts_by_source_commit(case: Any) -> None:
    case.subjects, case.source = {}, "C" * 40
    assert case.write().verify().evidence == 0


def test_accepts_source_and_image_from_the_runs_own_folder(case: Any) -> None:
    case.source = "c" * 40
    case.write().write_evidence()
    own = case.folder / "runs" / case.info.run_id / case.path.name
    own.write_bytes(case.path.read_bytes())
    assert case.verify(own).evidence == 1


def test_tells_the_skips_its_go_rests_on(case: Any) -> None:
    case.result(
        "load.scenarios.keeps_its_rules[api-health]",
        outcome=Outcome.SKIPPED,
        cause=Cause.ABSENT,
        reason="not deployed yet",
        measurements=(),
        thresholds=(),
    )
    (reason,) = case.write().verify().reasons
    assert reason.code == "skipped"
    assert "absent" in reason.text


def test_missing(case: Any) -> None:
    refused(case, Refusal.MISSING, "verdict.intoto.json: there is no verdict")


def test_missing_tells_from_which_folder_it_was_looked_for(
    case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VerdictError) as caught:
        case.verify(Path("reports/verdict.intoto.json"))
    assert caught.value.hint.endswith(f"correct the path, which begins in {tmp_path}")


def test_unreadable(case: Any) -> None:
    case.path.mkdir()
    refused(case, Refusal.UNREADABLE, "not a plain file")


@pytest.mark.parametrize("kept", [0, 1, 40, 2000, -2])
def test_truncated(case: Any, kept: int) -> None:
    case.write()
    case.path.write_bytes(case.path.read_bytes()[:kept])
    refused(case, Refusal.TRUNCATED)


def test_malformed(case: Any) -> None:
    case.path.write_text('{"_type": nonsense}')
    refused(case, Refusal.MALFORMED, "not JSON")


def test_not_canonical(case: Any) -> None:
    case.path.write_text(json.dumps(case.statement(), indent=2))
    refused(case, Refusal.NOT_CANONICAL)


@pytest.mark.parametrize(
    "place",
    [
        ("decision",),
        ("run", "phase"),
        ("gates", 0, "outcome"),
        ("record", "results", 0, "outcome"),
        ("record", "runs", 0, "end"),
        ("record", "policy", "skips", "absent"),
    ],
)
def test_unknown_value(case: Any, sealed: Seal, place: tuple[str | int, ...]) -> None:
    statement = case.statement()
    target = statement["predicate"][EXTENSION]
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = "WAVED_THROUGH"
    case.path.write_bytes(sealed(statement))
    refused(case, Refusal.UNKNOWN_VALUE, "WAVED_THROUGH")


def test_altered(case: Any) -> None:
    case.write()
    case.path.write_bytes(case.path.read_bytes().replace(b"The tree is clean", b"The tree is green"))
    refused(case, Refusal.ALTERED)


def test_inconsistent(case: Any, sealed: Seal) -> None:
    case.result("unit.tests.all_pass", outcome=Outcome.FAILED, reason="2 tests failed")
    statement = case.statement()
    assert statement["predicate"]["verificationResult"] == "FAILED"
    statement["predicate"]["verificationResult"] = "PASSED"
    case.path.write_bytes(sealed(statement))
    refused(case, Refusal.INCONSISTENT)


def test_pending(case: Any) -> None:
    case.path.write_bytes(encode(placeholder(case.info)))
    error = refused(case, Refusal.PENDING, "has not finished", ExitCode.PENDING)
    assert isinstance(error, RefusedError)
    assert error.verdict.info.finished is None


def test_subject_another_digest(case: Any) -> None:
    case.subjects = {"api": "sha256:" + "b" * 64}
    refused(case.write(), Refusal.SUBJECT, "not sha256:bbb")


def test_subject_one_of_two_images(case: Any) -> None:
    case.subjects = {**case.subjects, "web": "sha256:" + "b" * 64}
    refused(case.write(), Refusal.SUBJECT, "does not speak of image web; its images: api")


def test_subject_that_nobody_asked_the_run_about(case: Any) -> None:
    case.info = replace(case.info, subjects=(*case.info.subjects, Subject("web", {"sha256": "b" * 64})))
    case.subjects = {"web": "sha256:" + "b" * 64}
    refused(case.write(), Refusal.SUBJECT, "does not speak of image web")


def test_subject_every_image_of_the_profile(case: Any) -> None:
    """A verdict about api alone is no GO for a profile that releases web, too, and asks for all of them."""
    images = {"api": "api", "web": "web"}
    case.profile = replace(case.profile, app=AppConfig(images=images))
    assert case.write().verify().verdict.decision is Decision.GO, "the profile does not ask for all"
    case.profile = replace(case.profile, app=AppConfig(images=images, require_images=True))
    refused(case, Refusal.SUBJECT, "does not speak of image web, which profile staging releases")


def test_subject_of_another_kind_of_digest(case: Any) -> None:
    case.info = replace(case.info, subjects=(Subject("api", {"sha512": "a" * 128}),))
    refused(case.write(), Refusal.SUBJECT)


def test_source_another_commit(case: Any) -> None:
    case.source = "e" * 40
    refused(case.write(), Refusal.SOURCE, "is about ccc")


def test_source_not_in_the_verdict(case: Any) -> None:
    case.info = replace(case.info, subjects=(case.info.subjects[1],))
    case.source = "c" * 40
    refused(case.write(), Refusal.SOURCE, "is about none")


def test_source_of_a_tree_that_was_not_committed(case: Any) -> None:
    case.info = replace(case.info, subjects=(Subject("source", {"sha256": "d" * 64}),))
    case.source, case.subjects = "c" * 40, {}
    refused(case.write(), Refusal.SOURCE, "is about a tree that was not committed, ddd")


def test_environment_another_profile(case: Any) -> None:
    case.write().profile = replace(case.profile, name="prod")
    refused(case, Refusal.ENVIRONMENT, "not prod at aws://123456789012/us-east-1/prod")


def test_environment_another_account(case: Any) -> None:
    case.write().profile = replace(case.profile, aws=AwsConfig(account="210987654321"))
    refused(case, Refusal.ENVIRONMENT, "aws://210987654321")


def test_stand_in(case: Any) -> None:
    case.info = replace(case.info, stand_in=True)
    refused(case.write(), Refusal.STAND_IN)
    case.profile = replace(case.profile, local=LocalConfig(stand_in=True))
    assert case.verify().verdict.info.stand_in


def test_phase(case: Any) -> None:
    case.write().phase = Phase.POST_DEPLOY
    refused(case, Refusal.PHASE, "pre-deploy, not post-deploy")


def test_policy_another_digest_names_what_the_run_overrode(case: Any) -> None:
    case.write().policy_digest = "e" * 64
    refused(case, Refusal.POLICY, "the run overrode app.path (--set)")


def test_policy_rules_other_than_the_digest_names(case: Any) -> None:
    case.record = replace(case.record, policy=replace(case.record.policy, max_flaky=99))
    case.decided = decide(case.record)
    refused(case.write(), Refusal.POLICY, "other rules")


def test_policy_loosened_for_a_skip(case: Any) -> None:
    strict = PolicyConfig(skips=SkipRules(absent="NO_GO"))
    case.write().profile = replace(case.profile, policy=strict)
    refused(case, Refusal.POLICY)


def test_expired(case: Any) -> None:
    case.write().now = case.info.expires
    refused(case, Refusal.EXPIRED)


def test_expired_by_the_consumers_own_max_age(case: Any) -> None:
    case.info = replace(case.info, expires=case.info.finished + timedelta(days=365))
    case.write().now += timedelta(hours=24)
    refused(case, Refusal.EXPIRED)


def test_from_the_future(case: Any) -> None:
    case.write().now = case.info.finished - timedelta(seconds=61)
    refused(case, Refusal.FROM_THE_FUTURE)
    case.now += timedelta(seconds=1)
    case.verify()


def test_expected_gates_one_fewer(case: Any) -> None:
    case.record = _without_gate(case.record, "load")
    case.decided = decide(case.record)
    assert case.decided.decision is Decision.GO
    refused(case.write(), Refusal.EXPECTED_GATES, "missing load")


def test_expected_gates_one_more_and_one_changed(case: Any) -> None:
    subject, unit, load = case.gates
    case.write().gates = (unit, load, ExpectedGate("smoke", 2))
    refused(case, Refusal.EXPECTED_GATES, "missing smoke; unknown here subject")
    case.gates = (unit, subject, replace(load, min_checks=5))
    refused(case, Refusal.EXPECTED_GATES, "not the same load")


def test_expected_checks_one_fewer(case: Any) -> None:
    case.record = _without_check(case.record, "unit.coverage.reaches_the_bar")
    case.decided = decide(case.record)
    assert case.decided.decision is Decision.GO
    refused(case.write(), Refusal.EXPECTED_CHECKS, "missing unit.coverage.reaches_the_bar")


def test_expected_checks_made_optional(case: Any) -> None:
    case.write()
    case.checks = (replace(case.checks[0], mandatory=False), *case.checks[1:])
    refused(case, Refusal.EXPECTED_CHECKS, "not the same subject.source.committed")


def test_expected_checks_named_twice(case: Any) -> None:
    case.record = replace(case.record, checks=(*case.record.checks, case.record.checks[0]))
    refused(case.write(), Refusal.EXPECTED_CHECKS, "named twice subject.source.committed")


def test_expected_checks_of_an_image_are_demanded(case: Any) -> None:
    case.record = _without_check(case.record, "subject.images.resolve[api]")
    case.decided = decide(case.record)
    refused(case.write(), Refusal.EXPECTED_CHECKS, "missing subject.images.resolve[api]")


def test_expected_checks_of_an_image_nobody_asked_about(case: Any) -> None:
    case.record = replace(
        case.record, checks=(*case.record.checks, ExpectedCheck("subject.images.resolve[web]", "subject"))
    )
    case.decided = decide(case.record)
    refused(case.write(), Refusal.EXPECTED_CHECKS, "unknown here subject.images.resolve[web]")


def test_partial(case: Any) -> None:
    case.record = replace(case.record, partial=True)
    case.info = replace(case.info, partial=True)
    case.decided = decide(case.record)
    refused(case.write(), Refusal.PARTIAL)


def test_evidence_missing(case: Any) -> None:
    case.write().verify()
    case.require_evidence = True
    refused(case, Refusal.EVIDENCE_MISSING, "pytest.txt")


def test_evidence_with_a_flipped_byte(case: Any) -> None:
    case.write().write_evidence(b"13 passed\n")
    refused(case, Refusal.EVIDENCE, "pytest.txt")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_evidence_that_is_no_plain_file(case: Any, kind: str) -> None:
    case.write().write_evidence()
    file: Path = case.evidence
    if kind == "link":
        file.rename(file.with_name("moved"))
        file.symlink_to(file.with_name("moved"))
    else:
        file.unlink()
        os.mkfifo(file) if kind == "pipe" else file.mkdir()
    refused(case, Refusal.EVIDENCE)


def test_not_derivable(case: Any) -> None:
    go: Decided = case.decided
    case.result("unit.tests.all_pass", outcome=Outcome.FAILED, reason="2 tests failed")
    case.decided = go
    refused(case.write(), Refusal.NOT_DERIVABLE, "stated GO")


def test_no_go(case: Any) -> None:
    case.result("unit.tests.all_pass", outcome=Outcome.FAILED, reason="2 tests failed", hint="mend them")
    error = refused(case.write(), Refusal.NO_GO, "unit.tests.all_pass: 2 tests failed", ExitCode.NO_GO)
    assert error.hint == "mend them"


def test_inconclusive(case: Any) -> None:
    case.record = replace(case.record, runs=case.record.runs[:-1])
    case.decided = decide(case.record)
    refused(case.write(), Refusal.INCONCLUSIVE, "load: the gate did not run", ExitCode.INCONCLUSIVE)


def test_error(case: Any) -> None:
    case.result("unit.tests.all_pass", outcome=Outcome.ERROR, reason="pytest crashed")
    refused(case.write(), Refusal.ERROR, "pytest crashed", ExitCode.ERROR)


def test_flaky_checks_beyond_the_budget_name_no_gate(case: Any) -> None:
    case.result("unit.tests.all_pass", flaky=True)
    refused(case.write(), Refusal.NO_GO, "the verdict is NO_GO: 1 check passed only", ExitCode.NO_GO)


def test_asking_for_nothing_is_wrong_usage(case: Any) -> None:
    case.write().subjects = {}
    with pytest.raises(UsageError, match="nothing was asked for"):
        case.verify()


@pytest.mark.parametrize("digest", ["v1.2.3", "sha256:abc", "sha256:" + "A" * 64, "a" * 64, ""])
def test_a_tag_instead_of_a_digest_is_wrong_usage(case: Any, digest: str) -> None:
    case.write().subjects = {"api": digest}
    with pytest.raises(UsageError, match="is not a digest") as caught:
        case.verify()
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize("source", ["HEAD", "c" * 7, "c" * 41])
def test_a_short_commit_is_wrong_usage(case: Any, source: str) -> None:
    case.write().source = source
    with pytest.raises(UsageError, match=f"{source!r} is not a full commit id"):
        case.verify()


def test_each_refusal_has_a_test_of_its_name() -> None:
    pages = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    names = {name for page in pages for name in re.findall(r"^def test_(\w+)", page, re.MULTILINE)}
    untold = [code for code in Refusal if not any(name.startswith(code.value) for name in names)]
    assert not untold


def test_each_refusal_is_told_in_the_docs_with_its_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "verdict.md").read_text()
    assert not [code for code in Refusal if f"| `{code.value}` |" not in page]


def _without_gate(record: Record, gate: str) -> Record:
    return replace(
        record,
        gates=tuple(each for each in record.gates if each.name != gate),
        checks=tuple(each for each in record.checks if each.gate != gate),
        runs=tuple(each for each in record.runs if each.gate != gate),
        results=tuple(each for each in record.results if each.gate != gate),
    )


def _without_check(record: Record, check: str) -> Record:
    return replace(
        record,
        checks=tuple(each for each in record.checks if each.id != check),
        results=tuple(each for each in record.results if each.id != check),
    )
