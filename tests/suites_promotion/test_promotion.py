"""The gate `promotion`: what another environment decided about this very release, by that environment's own profile."""

import json
import os
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness import codec
from harness.aws.iam import policy
from harness.errors import ProfileError, UsageError
from harness.fixtures import Check, Ended
from harness.gate_request import Request, predecessors, validate
from harness.gates import context_file, tables
from harness.gates.context import GateContext
from harness.gates.promotion import PromotionConfig
from harness.model import Cause, CheckResult, Outcome, Phase, Subject
from harness.profile import Profile
from harness.profile.digest import policy_digest
from harness.profile.loader import load_profile
from harness.profile.schema import StoreConfig
from harness.run import session
from harness.verdict.envelope import PAYLOAD_TYPE, seal
from harness.verdict.named_store import located, open_store
from harness.verdict.store import FILE
from release_parts import COMMIT, DIGEST, OTHER, Releases
from signing_parts import Signer
from suite_parts import markers_of_suites, suite  # noqa: F401 - a fixture

FAILS = "unit.tests.all_pass"
NEXT = """
description = "What comes after"
[app]
images = { api = "api" }
[phases]
pre-deploy = [["promotion"]]
[gates.promotion]
proven_in = ["mine"]
"""


@dataclass
class Next:
    """The environment that comes after, in the same repository as the one before."""

    releases: Releases
    hint: str = ""
    """What the last check said to do."""

    def profile(self, text: str = NEXT) -> Profile:
        folder = self.releases.root / "profiles"
        (folder / "next.toml").write_text(text)
        return load_profile("next", tables(), folder=folder, environ={})

    def context(self, digest: str = DIGEST, *, images: bool = True, source: str = COMMIT) -> GateContext:
        profile, root = self.profile(), self.releases.root
        api = Subject("api", {"sha256": digest.removeprefix("sha256:")})
        return GateContext(
            "run-1", "promotion", Phase.PRE_DEPLOY, profile, root, root / "run", {"api": "v1"} if images else {},
            (Subject("source", {"gitCommit": source}), *((api,) if images else ())),
            predecessors=predecessors(profile, str(root / "profiles")),
        )  # fmt: skip

    def judge(self, context: GateContext) -> tuple[Outcome, str, Check]:
        """What the check comes to, and why."""
        context.folder.mkdir(exist_ok=True)
        check = Check("promotion.verdicts.is_go", context.folder, "promotion")
        try:
            suite("verdicts", "promotion").test_is_go(("mine", Phase.PRE_DEPLOY), context, check)
        except Ended as ended:
            found = ended
            self.hint = ended.hint
        else:
            return Outcome.PASSED, "", check
        assert found.hint
        return found.outcome, f"{found.reason} {found.cause or ''}", check


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    made = Releases(tmp_path)
    made.write_profile()
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def after(releases: Releases) -> Next:
    return Next(releases)


def test_a_go_of_the_same_images_is_a_proof_and_is_kept(releases: Releases, after: Next) -> None:
    run = releases.run()
    outcome, why, check = after.judge(after.context(source="e" * 40))
    assert (outcome, why) == (Outcome.PASSED, ""), "images are asked about by their digests alone"
    assert check.facts["run"] == run
    assert check.facts["policy"] == _digest(releases.profile)
    (evidence,) = check.files
    assert (check.folder / evidence.path).read_bytes() == releases.newest().read_bytes()


def test_without_images_the_source_is_what_is_released(releases: Releases, after: Next) -> None:
    releases.run()
    assert after.judge(after.context(images=False))[0] is Outcome.PASSED
    outcome, why, _ = after.judge(after.context(images=False, source="e" * 40))
    assert outcome is Outcome.INCONCLUSIVE
    assert f"no run of mine/pre-deploy is about {'e' * 40}" in why


def test_a_release_that_was_never_judged_there_is_not_proven(releases: Releases, after: Next) -> None:
    for _ in range(2):
        outcome, why, check = after.judge(after.context())
        assert outcome is Outcome.INCONCLUSIVE
        assert f"no run of mine/pre-deploy is about api@{DIGEST}" in why
        assert why.endswith(Cause.UNAVAILABLE)
        assert after.hint.endswith(f"gonogo gate --profile mine --phase pre-deploy --image api@{DIGEST}")
        assert not check.files
        releases.run(digest=OTHER)


def test_the_last_run_about_it_decides(releases: Releases, after: Next) -> None:
    releases.run()
    releases.run(FAILS)
    outcome, why, _ = after.judge(after.context())
    assert outcome is Outcome.FAILED
    assert why.startswith("mine/pre-deploy: the verdict is NO_GO")
    releases.run(digest=OTHER)
    assert after.judge(after.context())[0] is Outcome.FAILED, "another release's GO is not this one's"
    releases.run()
    assert after.judge(after.context())[0] is Outcome.PASSED
    releases.run(ended=False)
    outcome, why, _ = after.judge(after.context())
    assert outcome is Outcome.PASSED, "a run that has resolved no image yet is about none"


def test_it_is_judged_by_the_rules_of_its_own_environment(releases: Releases, after: Next) -> None:
    run = releases.run()
    releases.write_profile('coverage = ">= 90%"\n')
    outcome, why, _ = after.judge(after.context())
    assert (outcome, "(policy)" in why) == (Outcome.FAILED, True)
    signer = Signer.make("ci")
    (releases.root / "profiles" / "ci.pub").write_text(signer.pem)
    releases.write_profile('[policy.signing]\nsigners = [{ name = "ci", key = "ci.pub" }]\n')
    run = releases.run()
    outcome, why, _ = after.judge(after.context())
    assert (outcome, "(unsigned)" in why) == (Outcome.FAILED, True)
    own = releases.folder(run) / FILE
    own.write_bytes(seal(own.read_bytes(), PAYLOAD_TYPE, [signer]))
    outcome, why, check = after.judge(after.context())
    assert (outcome, why) == (Outcome.PASSED, "")
    assert check.facts["signed by"] == "ci"


def test_what_waits_for_approval_there_is_no_proof_yet(releases: Releases, after: Next) -> None:
    releases.write_profile('[approval]\nwait = "24h"\n')
    releases.run()
    outcome, why, _ = after.judge(after.context())
    assert outcome is Outcome.INCONCLUSIVE
    assert "nothing deploys before" in why


def test_waivers_that_cannot_be_read_there_leave_no_proof(releases: Releases, after: Next) -> None:
    releases.run()
    (releases.root / "profiles" / "waivers.toml").write_text("[[waivers]]\n")
    outcome, why, _ = after.judge(after.context())
    assert outcome is Outcome.FAILED
    assert "waivers.toml" in why


def test_its_own_store_is_asked(releases: Releases, after: Next, tmp_path: Path) -> None:
    share = open_store(located(str(tmp_path / "share")))
    releases.write_profile(f'[store]\nuri = "{share.uri}"\n')
    releases.run()
    assert after.judge(after.context())[0] is Outcome.INCONCLUSIVE, (
        "the reports folder is not what others see"
    )
    releases.run(store=share)
    outcome, _, check = after.judge(after.context())
    assert outcome is Outcome.PASSED
    assert check.facts["store"] == share.uri


def test_a_damaged_later_run_leaves_no_proof(releases: Releases, after: Next) -> None:
    releases.run()
    later = releases.run(digest=OTHER)
    (releases.folder(later) / FILE).write_bytes(b"{")
    outcome, why, _ = after.judge(after.context())
    assert (outcome, "may be about this release" in why) == (Outcome.FAILED, True)


def test_a_no_go_whose_folder_is_gone_does_not_leave_the_go_before_it(
    releases: Releases, after: Next
) -> None:
    releases.run()
    later = releases.run(FAILS)
    shutil.rmtree(releases.folder(later))
    outcome, why, _ = after.judge(after.context())
    assert outcome is Outcome.FAILED
    assert f"run {later} of mine/pre-deploy is damaged (it is the newest, and its folder is gone)" in why


def test_the_newest_decides_though_the_clock_of_its_machine_was_behind(
    releases: Releases, after: Next
) -> None:
    """Ids are times: the later run has the smaller one."""
    releases.runs = ["", ""]
    releases.run()
    (ahead,), releases.runs = releases.runs[2:], []
    releases.run(digest=OTHER)
    assert after.judge(after.context())[0] is Outcome.PASSED, "the newest is about something else"
    assert releases.run(FAILS) < ahead
    outcome, why, _ = after.judge(after.context())
    assert outcome is Outcome.FAILED
    assert why.startswith("mine/pre-deploy: the verdict is NO_GO")


def test_a_store_without_its_newest_leaves_no_proof(releases: Releases, after: Next) -> None:
    """A run that cannot begin for want of room removes it."""
    releases.run()
    releases.newest().unlink()
    outcome, why, _ = after.judge(after.context())
    assert (outcome, "the newest verdict is gone" in why) == (Outcome.FAILED, True)


def test_a_run_that_begins_while_they_are_read_is_asked_like_any_other(
    releases: Releases, after: Next
) -> None:
    releases.run()
    begun = releases.run(ended=False)
    shutil.rmtree(releases.folder(begun))
    assert after.judge(after.context())[0] is Outcome.PASSED, "it has resolved no image yet"
    outcome, why, _ = after.judge(after.context(images=False))
    assert outcome is Outcome.INCONCLUSIVE, "but it is about this source"
    assert begun in why


def test_the_session_judges_it_with_what_it_is_told(releases: Releases, after: Next) -> None:
    """As a run does it: the context goes through its file to another process."""
    releases.run()
    context = after.context()
    context.work.mkdir(parents=True)
    child, _ = session.start(context, {**os.environ, "GONOGO_POLICY__MAX_AGE": "1s"})
    try:
        child.wait(timeout=60)
    finally:
        child.kill()
        child.wait()
    events = [json.loads(line) for line in context.ledger.read_text().splitlines()]
    (result,) = [codec.load(CheckResult, each["result"]) for each in events if each["event"] == "check"]
    assert result.id == "promotion.verdicts.is_go[mine/pre-deploy]"
    assert result.outcome is Outcome.PASSED, result.reason
    assert [each.name for each in result.evidence] == ["verdict.intoto.json"]


def test_a_profile_is_the_same_policy_after_its_way_to_the_session(after: Next, tmp_path: Path) -> None:
    context = after.context()
    (tmp_path / "context").mkdir()
    context_file.write(context, tmp_path / "context" / "c.json")
    read = context_file.read(tmp_path / "context" / "c.json")
    for one, other in zip(context.predecessors, read.predecessors, strict=True):
        assert _digest(one) == _digest(other)


def _digest(profile: Profile) -> str:
    from harness.gates import question

    asked = question(profile, Phase.PRE_DEPLOY, now=datetime.now(UTC))
    assert len(asked.policy_digest) == len(policy_digest({}))
    return asked.policy_digest


@pytest.mark.parametrize("name", ["GONOGO_GATES__UNIT__COVERAGE", "gonogo_gates__unit__coverage"])
def test_variables_that_override_this_run_do_not_override_the_other(
    after: Next, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = after.context().predecessors
    monkeypatch.setenv(name, ">= 1%")
    assert [_digest(each) for each in after.context().predecessors] == [_digest(each) for each in before]


def test_places_are_a_profile_and_a_phase() -> None:
    config = PromotionConfig(proven_in=["staging", "staging/post-deploy", "staging/pre-deploy"])
    assert config.places == (("staging", Phase.PRE_DEPLOY), ("staging", Phase.POST_DEPLOY))
    assert [check.id for check in config.expected("promotion", None, Phase.PRE_DEPLOY)] == [
        "promotion.verdicts.is_go[staging/pre-deploy]",
        "promotion.verdicts.is_go[staging/post-deploy]",
    ]
    for wrong in ("staging/now", "../staging", "", "a/b/c"):
        with pytest.raises(ValueError, match="proven_in"):
            PromotionConfig(proven_in=[wrong])


@pytest.mark.parametrize(
    ("named", "error", "says"),
    [
        ("next", UsageError, r"\[gates.promotion\] proven_in of profile 'next' names 'next' itself"),
        ("nobody", ProfileError, "nobody"),
        ("mine/post-deploy", UsageError, "'next' names mine/post-deploy, where nothing is judged"),
    ],
)
def test_who_names_itself_or_nobody_is_told_before_the_run(
    after: Next, named: str, error: type[Exception], says: str
) -> None:
    after.profile(NEXT.replace('"mine"', f'"{named}"'))
    with pytest.raises(error, match=says):
        validate(Request("next"))


def test_a_phase_matters_where_the_gate_runs(after: Next) -> None:
    text = NEXT.replace('"mine"', '"mine/post-deploy"')
    unasked = after.profile(text.replace('[["promotion"]]', '[["lint"]]'))
    folder = str(after.releases.root / "profiles")
    assert [each.name for each in predecessors(unasked, folder)] == ["mine"]
    with pytest.raises(UsageError, match="nothing is judged") as told:
        predecessors(after.profile(text), folder)
    assert told.value.hint == "the phases of 'mine' with gates: pre-deploy"


def test_production_demands_what_staging_proved_before_and_after_its_deploy() -> None:
    profile = load_profile("prod", tables(), folder=Path("profiles"), environ={})
    assert profile.gate("promotion", PromotionConfig).places == (
        ("staging", Phase.PRE_DEPLOY),
        ("staging", Phase.POST_DEPLOY),
    )
    assert ("promotion" in [gate for layer in profile.phases[Phase.PRE_DEPLOY] for gate in layer]) is True


def test_the_other_store_is_read_and_no_more(after: Next) -> None:
    profile = after.profile()
    earlier = [
        replace(profile, name=f"e{number}", store=StoreConfig(uri=uri))
        for number, uri in enumerate(("s3://verdicts/staging", "s3://verdicts/staging", "file:///mnt", ""))
    ]
    statements = {each["Sid"]: each for each in policy(profile, (), earlier)["Statement"]}
    assert statements["GonogoEarlierStore1"]["Action"] == ["s3:GetObject"]
    assert statements["GonogoEarlierStore1"]["Resource"] == ["arn:aws:s3:::verdicts/staging/*"]
    assert statements["GonogoEarlierStore1Lists"]["Action"] == ["s3:ListBucket"]
    assert "GonogoEarlierStore2" not in statements
    same = replace(profile, store=StoreConfig(uri="s3://verdicts/staging"))
    assert "GonogoEarlierStore1" not in {each["Sid"] for each in policy(same, (), earlier)["Statement"]}


def test_an_old_proof_is_none(releases: Releases, after: Next) -> None:
    """The other environment's own max_age decides."""
    releases.write_profile()
    (releases.root / "profiles" / "mine.toml").write_text(
        (releases.root / "profiles" / "mine.toml").read_text() + '[policy]\nmax_age = "1m"\n'
    )
    releases.run()
    assert datetime.now(UTC) - timedelta(minutes=2) > releases.info(releases.runs[0]).started
    outcome, why, _ = after.judge(after.context())
    assert (outcome, "(expired)" in why) == (Outcome.FAILED, True)
