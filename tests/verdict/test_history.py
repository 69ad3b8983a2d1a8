"""Verifying out of a store or a bundle, what a later run supersedes, and the history that people read."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main as gonogo
from harness.errors import VerdictError
from harness.gates import question
from harness.model import Decision, Phase
from harness.verdict.bundle import pack
from harness.verdict.envelope import PAYLOAD_TYPE, seal
from harness.verdict.folder_store import FolderStore
from harness.verdict.history import find, history, last_go
from harness.verdict.record_format import About, Approval
from harness.verdict.records import sign
from harness.verdict.refusal import Refusal
from harness.verdict.statement import parse
from harness.verdict.store import FILE
from harness.verdict.verify import Verified
from release_parts import COMMIT, DIGEST, OTHER, SERIES, Releases
from signing_parts import Signer

Answer = Callable[..., tuple[int, str, str]]
FAILS = "unit.tests.all_pass"


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    monkeypatch.chdir(tmp_path)
    made = Releases(tmp_path)
    made.write_profile()
    return made


@pytest.fixture
def share(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "share")


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Answer:
    def answer(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            gonogo(list(arguments))
        out, err = capsys.readouterr()
        assert isinstance(leaving.value.code, int)
        return leaving.value.code, out, err

    return answer


@pytest.fixture
def verify(ask: Answer) -> Callable[..., dict[str, Any]]:
    """`gonogo verify --json`, as an object."""

    def answer(*more: str, digest: str = DIGEST) -> dict[str, Any]:
        code, out, err = ask("verify", "--profile", "mine", "--image", f"api@{digest}", "--json", *more)
        assert err == ""
        found: dict[str, Any] = json.loads(out)
        assert found["exit_code"] == code
        return found

    return answer


Verify = Callable[..., dict[str, Any]]


def test_a_bundle_is_verified_as_it_is(releases: Releases, verify: Verify, tmp_path: Path) -> None:
    run = releases.run()
    made = pack(releases.newest(), tmp_path / "b.tar.gz").path
    releases.newest().unlink()
    found = verify("--verdict", str(made), "--require-evidence")
    assert (found["code"], found["run_id"], found["verdict"]) == ("go", run, str(made))
    assert found["evidence_checked"] == 2
    assert verify("--verdict", str(made), digest=OTHER)["code"] == "subject"
    made.write_bytes(made.read_bytes()[:-20])
    assert verify("--verdict", str(made))["code"] == "bundle"


def test_a_bundle_without_evidence_is_refused_where_it_is_required(
    releases: Releases, verify: Verify, tmp_path: Path
) -> None:
    releases.run()
    made = pack(releases.newest(), tmp_path / "b.tar.gz", evidence=False).path
    assert verify("--verdict", str(made))["code"] == "go"
    assert verify("--verdict", str(made), "--require-evidence")["code"] == "evidence_missing"


def test_the_newest_of_a_store_is_verified(releases: Releases, verify: Verify, share: FolderStore) -> None:
    run = releases.run(store=share)
    found = verify("--store", str(share.root), "--require-evidence")
    assert (found["code"], found["run_id"]) == ("go", run)
    assert found["verdict"] == f"{share.uri}/mine/pre-deploy run {run}"
    assert verify("--store", str(share.root), "--run", run)["code"] == "go"
    releases.run(store=share, ended=False)
    assert verify("--store", str(share.root))["code"] == "pending"


@pytest.mark.parametrize("later", [{}, {"ended": False}, {"digest": OTHER}])
def test_superseded_by_any_later_run_of_the_environment(
    releases: Releases, verify: Verify, share: FolderStore, later: dict[str, Any]
) -> None:
    run = releases.run(store=share)
    own = releases.folder(run) / FILE
    assert verify("--store", str(share.root), "--verdict", str(own))["code"] == "go"
    second = releases.run(store=share, **later)
    for asked in (("--run", run), ("--verdict", str(own))):
        found = verify("--store", str(share.root), *asked)
        assert (found["code"], found["exit_code"]) == ("superseded", 14)
        assert f"a later run has begun, {second}" in found["reason"]


def test_superseded_is_an_older_go_that_is_put_back_as_the_newest(
    releases: Releases, verify: Verify, share: FolderStore
) -> None:
    """Of the same bytes and rules, and not expired: only the runs that are kept tell that it is not the last."""
    run = releases.run(store=share)
    newest = share.root / "mine" / "pre-deploy" / FILE
    go = newest.read_bytes()
    runs = [releases.run(FAILS, store=share) for _ in range(2)]
    assert verify("--store", str(share.root))["code"] == "no_go"
    newest.write_bytes(go)
    for asked in ((), ("--run", run), ("--verdict", str(releases.folder(run) / FILE))):
        found = verify("--store", str(share.root), *asked)
        assert (found["code"], found["exit_code"]) == ("superseded", 14)
        assert f"run {runs[-1]} of mine/pre-deploy began after run {run}" in found["reason"]


def test_superseded_is_a_verdict_that_the_store_has_not_got(
    releases: Releases, verify: Verify, share: FolderStore
) -> None:
    run, pending = releases.begin()
    share.begin(SERIES, run, pending)
    releases.reports.mkdir(parents=True, exist_ok=True)
    releases.newest().write_bytes(releases.verdict(run))
    found = verify("--store", str(share.root), "--verdict", str(releases.newest()))
    assert found["code"] == "superseded"
    assert "has not finished there" in found["reason"]


def test_superseded_says_what_is_so_of_a_run_that_the_store_never_saw_begin(
    releases: Releases, verify: Verify, share: FolderStore
) -> None:
    first = releases.run(store=share)
    found = verify("--store", str(share.root), "--verdict", str(releases.folder(releases.run()) / FILE))
    assert found["code"] == "superseded"
    assert f"that is {first}, which began earlier" in found["reason"]
    assert "later" not in found["reason"]


def test_a_verdict_of_another_environment_or_phase_is_not_called_an_old_one(
    releases: Releases, verify: Verify, ask: Answer, share: FolderStore
) -> None:
    own = str(releases.folder(releases.run(store=share)) / FILE)
    found = verify("--store", str(share.root), "--verdict", own, "--phase", "post-deploy")
    assert (found["code"], found["reason"]) == ("phase", "the verdict is about pre-deploy, not post-deploy")
    (releases.root / "profiles" / "other.toml").write_text('extends = "mine"\n')
    asked = ("--profile", "other", "--image", f"api@{DIGEST}", "--store", str(share.root), "--verdict", own)
    code, _, err = ask("verify", *asked)
    assert code == 14
    assert "REFUSED (environment): the verdict is about mine, not other" in err


def test_a_profile_with_a_store_is_held_against_it_always(
    releases: Releases, verify: Verify, share: FolderStore
) -> None:
    releases.write_profile(f'[store]\nuri = "{share.uri}"\n')
    run = releases.run(store=share)
    assert verify()["verdict"].startswith(share.uri)
    releases.run(FAILS, store=share)
    assert verify()["code"] == "no_go"
    assert verify("--verdict", str(releases.folder(run) / FILE))["code"] == "superseded"
    found = verify("--store", "elsewhere")
    assert (found["code"], found["exit_code"]) == ("usage", 64)


def test_another_store_is_another_policy(releases: Releases, verify: Verify, share: FolderStore) -> None:
    releases.run(store=share)
    releases.write_profile(f'[store]\nuri = "{share.uri}"\n')
    assert verify()["code"] == "policy"


def test_store_that_cannot_be_asked_is_no_go(releases: Releases, verify: Verify, share: FolderStore) -> None:
    releases.run(store=share)
    assert verify("--store", "s3://verdicts/x")["code"] == "store"
    newest = share.root / "mine" / "pre-deploy" / FILE
    newest.unlink()
    assert verify("--store", str(share.root))["code"] == "missing"
    newest.write_bytes(b"damaged")
    assert verify("--store", str(share.root))["code"] == "unreadable"
    newest.unlink()
    newest.mkdir()
    assert verify("--store", str(share.root))["code"] == "store"


@pytest.mark.parametrize(
    "arguments",
    [("--run", "r1"), ("--store", "share", "--run", "r1", "--verdict", "v"), ("--store", "s3://")],
)
def test_a_run_is_asked_of_a_store_and_once(
    releases: Releases, verify: Verify, arguments: tuple[str, ...]
) -> None:
    releases.run()
    assert verify(*arguments)["code"] == "usage"


def test_guard_asks_a_store(releases: Releases, share: FolderStore) -> None:
    releases.run(store=share)
    command = [sys.executable, "-m", "harness.cli", "guard", "-p", "mine", "--image", f"api@{DIGEST}"]
    done = subprocess.run(
        [*command, "--store", str(share.root), "--", "echo", "deployed"],
        cwd=releases.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "deployed\n")


def test_history_tells_every_run_the_damaged_ones_too(releases: Releases, share: FolderStore) -> None:
    runs = [releases.run(store=share), releases.run(FAILS, store=share), releases.run(store=share)]
    runs.append(releases.run(store=share, ended=False))
    home = share.root / "mine" / "pre-deploy" / "runs"
    (home / runs[0] / FILE).write_bytes((home / runs[2] / FILE).read_bytes())
    (home / runs[2] / FILE).write_bytes(b"{")
    (home / "zzz").mkdir()
    found = list(history(share, SERIES))
    assert [entry.run_id for entry in found] == ["zzz", *reversed(runs)]
    assert [entry.verdict.decision if entry.verdict else entry.damage for entry in found] == [
        "it has no verdict",
        Decision.PENDING,
        found[2].damage,
        Decision.NO_GO,
        f"it is the verdict of mine/pre-deploy run {runs[2]}",
    ]
    assert found[2].damage.startswith("truncated: ")
    assert [entry.newest for entry in found] == [False, True, False, False, False]
    assert not found[1].superseded
    (share.root / "mine" / "pre-deploy" / FILE).write_bytes(b"{")
    assert next(history(share, SERIES)).damage == "the newest verdict cannot be read"
    assert not next(history(share, SERIES)).about({})


def ask_for(releases: Releases, share: FolderStore, tmp_path: Path, **asked: Any) -> Verified:
    about = {"subjects": {"api": DIGEST}, **asked}
    wanted = question(
        releases.profile, Phase.PRE_DEPLOY, now=datetime.now(UTC), require_evidence=True, **about
    )
    return last_go(share, wanted, tmp_path / "fetched")


def test_the_last_go_of_a_release_is_that_of_its_own_last_run(
    releases: Releases, share: FolderStore, tmp_path: Path
) -> None:
    with pytest.raises(VerdictError, match="no run of mine/pre-deploy is about api@sha256:a"):
        ask_for(releases, share, tmp_path)
    run = releases.run(store=share)
    releases.run(FAILS, store=share, digest=OTHER)
    releases.run(store=share, digest=OTHER, ended=False)
    found = ask_for(releases, share, tmp_path, source=COMMIT)
    assert found.verdict.info.run_id == run
    assert found.evidence == 2
    with pytest.raises(VerdictError, match=f"about api@{DIGEST}, {'e' * 40}"):
        ask_for(releases, share, tmp_path, source="e" * 40)
    releases.run(FAILS, store=share)
    with pytest.raises(VerdictError) as refused:
        ask_for(releases, share, tmp_path)
    assert refused.value.code == Refusal.NO_GO


def test_a_later_run_that_is_damaged_leaves_no_go(
    releases: Releases, share: FolderStore, tmp_path: Path
) -> None:
    releases.run(store=share)
    later = releases.run(store=share, digest=OTHER)
    (share.root / "mine" / "pre-deploy" / "runs" / later / FILE).write_bytes(b"")
    with pytest.raises(VerdictError, match="may be about this release") as refused:
        ask_for(releases, share, tmp_path)
    assert refused.value.code == Refusal.UNREADABLE


def test_a_run_is_found_by_its_id(releases: Releases, share: FolderStore) -> None:
    run = releases.run(store=share)
    assert find(share, run) == find(share, run, "mine") == SERIES
    for profile, wanted in (("other", run), ("", "r9")):
        with pytest.raises(VerdictError, match="there is no run"):
            find(share, wanted, profile)


def test_verdicts_list(releases: Releases, share: FolderStore, ask: Answer) -> None:
    first, second = releases.run(store=share), releases.run(FAILS, store=share, digest=OTHER)
    share.attach(SERIES, second, "override", b"{}")
    share.attach(SERIES, first, "approval", b"{}")
    share.attach(SERIES, first, "denial", b"{}")
    code, out, _ = ask("verdicts", "list", "--store", str(share.root))
    lines = out.splitlines()
    assert code == 0
    assert lines[1] == "mine pre-deploy"
    assert lines[2].startswith(f"  NO_GO        {second}  2")
    assert lines[2].endswith("  newest")
    assert lines[3] == "    about source gitCommit:cccccccccccc, api sha256:bbbbbbbbbbbb"
    assert lines[4] == "    unsigned; 0 approvals"
    assert lines[5] == "    OVERRIDE override-1.intoto.json: the decision underneath stays NO_GO"
    assert lines[6].endswith("  superseded")
    assert lines[8] == "    unsigned; 1 approval, 1 DENIAL"
    _, out, _ = ask("verdicts", "list", "--store", str(share.root), "--image", f"api@{OTHER}", "--json")
    found = json.loads(out)
    assert [run["run_id"] for run in found["runs"]] == [second]
    assert found["runs"][0]["reasons"]
    _, out, _ = ask("verdicts", "list", "--store", str(share.root), "--phase", "watch")
    assert out == f"{share.uri}: no runs\n"


def test_verdicts_list_of_the_profiles_store_or_the_reports(
    releases: Releases, share: FolderStore, ask: Answer
) -> None:
    run = releases.run(store=share)
    for arguments in ((), ("--profile", "mine"), ("--profile", "profiles/mine.toml")):
        _, out, _ = ask("verdicts", "list", *arguments)
        assert out.startswith((releases.root / "reports").as_uri())
        assert run in out
    releases.write_profile(f'[store]\nuri = "{share.uri}"\n')
    _, out, _ = ask("verdicts", "list", "--profile", "mine")
    assert out.startswith(share.uri)


def test_verdicts_show_and_a_damaged_one(releases: Releases, share: FolderStore, ask: Answer) -> None:
    run = releases.run(FAILS, store=share)
    share.attach(SERIES, run, "approval", b"{}")
    code, out, _ = ask("verdicts", "show", run, "--store", str(share.root))
    assert code == 0
    assert "    NO_GO  unit.tests.all_pass: it is so" in out
    assert "    record approval-1.intoto.json" in out
    (share.root / "mine" / "pre-deploy" / "runs" / run / FILE).write_bytes(b"{")
    code, out, _ = ask("verdicts", "show", run, "--store", str(share.root))
    assert code == 14
    assert out.splitlines()[:2] == [
        f"{share.uri}: mine pre-deploy",
        f"  DAMAGED      {run}  at unknown time  newest",
    ]
    code, out, _ = ask("verdicts", "show", run, "--store", str(share.root), "--json")
    assert (code, json.loads(out)["decision"]) == (14, "DAMAGED")
    code, out, _ = ask("verdicts", "list", "--store", str(share.root), "--image", f"api@{OTHER}")
    assert "DAMAGED" in out


def test_verdicts_fetch_and_publish(
    releases: Releases, share: FolderStore, ask: Answer, verify: Verify
) -> None:
    run = releases.run(store=share)
    assert ask("verdicts", "fetch", run, "-o", "to", "--store", str(share.root))[0] == 0
    assert verify("--verdict", f"to/{run}/{FILE}", "--require-evidence")["code"] == "go"
    late, pending = releases.begin()
    share.begin(SERIES, late, pending)
    own = releases.folder(late)
    raw = releases.verdict(late)
    (own / FILE).write_bytes(raw)
    code, out, _ = ask("verdicts", "publish", str(own), "--store", str(share.root))
    assert (code, out) == (0, f"{late}: in {share.uri}\n")
    assert verify("--store", str(share.root))["run_id"] == late
    said, hint = ask("verdicts", "publish", f"to/{run}", "--store", str(share.root))[1].splitlines()
    assert said.endswith("it is not the newest there")
    assert hint.startswith("  → no deploy goes by it: another run has begun there since")
    (own / FILE).write_bytes(pending)
    assert ask("verdicts", "publish", str(own), "--store", str(share.root))[0] == 64


def test_verdicts_flaky(releases: Releases, share: FolderStore, ask: Answer) -> None:
    run = releases.run(store=share)
    code, out, _ = ask("verdicts", "flaky", "--store", str(share.root))
    assert (code, out) == (0, f"{share.uri}: 1 runs\nNo check was flaky.\n")
    assert json.loads(ask("verdicts", "flaky", "--store", str(share.root), "--json")[1])["checks"] == []
    assert run


def test_a_bundle_of_a_profile_with_a_store_has_what_others_put_there(
    releases: Releases, ask: Answer, verify: Verify, share: FolderStore
) -> None:
    """Approvals of other desks lie in the store, and not beside the run's own file."""
    releases.write_profile(f'[store]\nuri = "{share.uri}"\n')
    run = releases.run(store=share)
    about = About.of(parse(releases.newest().read_bytes()))
    by = Signer.make("bob")
    share.attach(SERIES, run, "approval", sign(Approval(about, "bob", datetime.now(UTC)), by))
    assert ask("bundle", "--profile", "mine", "-o", "b.tar.gz")[1].startswith("b.tar.gz: 4 files")
    assert ask("bundle", "--run", str(releases.folder(run)), "-o", "c.tar.gz")[1].startswith(
        "c.tar.gz: 3 files"
    )
    assert verify("--verdict", "b.tar.gz")["code"] == "go"
    code, _, err = ask("bundle", "--run", str(releases.folder(run)), "--store", str(share.root), "-o", "d")
    assert (code, "--store is of --profile" in err) == (64, True)


def test_bundle_command_packs_and_opens(releases: Releases, ask: Answer, verify: Verify) -> None:
    run = releases.run()
    code, out, _ = ask("bundle", "--profile", "mine", "-o", "b.tar.gz")
    assert code == 0
    assert out.startswith("b.tar.gz: 3 files, sha256:")
    assert verify("--verdict", "b.tar.gz")["code"] == "go"
    found = json.loads(
        ask("bundle", "--run", str(releases.folder(run)), "-o", "c.tar.gz", "--no-evidence", "--json")[1]
    )
    assert (found["bundle"], found["files"]) == ("c.tar.gz", 1)
    assert ask("bundle", "--verdict", str(releases.newest()), "-o", "d.tar.gz")[0] == 0
    assert Path("b.tar.gz").read_bytes() == Path("d.tar.gz").read_bytes()
    assert ask("bundle", "--open", "b.tar.gz", "-o", "to")[1] == f"unpacked to to/{run}\n"
    assert json.loads(ask("bundle", "--open", "b.tar.gz", "-o", "too", "--json")[1]) == {
        "folder": f"too/{run}"
    }
    assert ask("bundle", "--open", "b.tar.gz", "-o", "to")[0] == 64
    for wrong in ((), ("--profile", "mine", "--open", "b.tar.gz")):
        code, _, err = ask("bundle", "-o", "x", *wrong)
        assert code == 64
        assert "one of --profile, --run, --verdict and --open" in err


def test_signers_are_judged_by_the_profile_where_it_names_some(
    releases: Releases, share: FolderStore, ask: Answer
) -> None:
    ci, stranger = Signer.make("ci"), Signer.make("stranger")

    def signed(by: Signer) -> str:
        run, pending = releases.begin()
        share.begin(SERIES, run, pending)
        share.finish(SERIES, run, seal(releases.verdict(run), PAYLOAD_TYPE, [by]), releases.folder(run))
        return ask("verdicts", "show", run, "--store", str(share.root))[1]

    assert f"    signed by key {ci.key.keyid[:16]}… (not judged); 0 approvals" in signed(ci)
    (releases.root / "profiles" / "ci.pub").write_text(ci.pem)
    releases.write_profile('[[policy.signing.signers]]\nname = "ci"\nkey = "ci.pub"\n')
    assert "    signed by ci; 0 approvals" in signed(ci)
    assert "    signature REFUSED (signer_unknown) of key " in signed(stranger)
    (releases.root / "profiles" / "mine.toml").write_text("[")
    assert "(not judged)" in ask("verdicts", "list", "--store", str(share.root), "-n", "1")[1]


def test_a_decision_that_does_not_follow_is_damage(
    releases: Releases, share: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases.run(store=share)
    monkeypatch.setattr("harness.verdict.history.decide", lambda _: None)
    assert next(history(share, SERIES)).damage == "its decision does not follow from its record"
