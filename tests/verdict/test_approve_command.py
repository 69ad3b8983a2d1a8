"""approve and override as people use them: a profile folder, a verdict file, a key, an exit code."""

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from approval_parts import ALICE, BOB, CAROL, CI, STRANGER
from harness.cli import main as gonogo
from harness.verdict.envelope import PAYLOAD_TYPE, seal
from harness.verdict.folder_store import FolderStore
from harness.verdict.store import publish
from release_parts import DIGEST, SERIES, Releases
from signing_parts import Signer

PEOPLE = f"""
[policy.signing]
signers = [{{ name = "ci", key = "{CI.key.text}" }}, {{ name = "alice", key = "{ALICE.key.text}" }}]
[approval]
required = 1
approvers = [{{ name = "alice", key = "{ALICE.key.text}" }}, {{ name = "bob", key = "{BOB.key.text}" }}]
[override]
signers = [{{ name = "carol", key = "{CAROL.key.text}" }}, {{ name = "bob", key = "{BOB.key.text}" }}]
max = "4h"
"""
FAILING = "unit.tests.all_pass"
WHY = ("--reason", "checkout is down", "--incident", "INC-7", "--expires", "4h")
Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GONOGO_SIGN_WITH", raising=False)
    made = Releases(tmp_path)
    made.write_profile(PEOPLE)
    for signer in (CI, ALICE, BOB, CAROL, STRANGER):
        signer.write(tmp_path)
    (tmp_path / "bob.pub").write_text(BOB.pem)
    return made


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    def answer(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            gonogo(list(arguments))
        out, err = capsys.readouterr()
        code = leaving.value.code
        assert isinstance(code, int)
        return code, out, err

    return answer


def signed(releases: Releases, *failing: str, by: Signer = CI, store: FolderStore | None = None) -> str:
    """A run whose verdict is signed, in the reports folder or in a store."""
    run_id, pending = releases.begin()
    raw = seal(releases.verdict(run_id, *failing), PAYLOAD_TYPE, [by])
    if store is not None:
        store.begin(SERIES, run_id, pending)
        store.finish(SERIES, run_id, raw, releases.folder(run_id))
        return run_id
    publish(releases.reports, pending, run_id, start=True)
    publish(releases.reports, raw, run_id)
    return run_id


def approve(ask: Ask, signer: Signer, *more: str, name: str = "") -> tuple[int, str, str]:
    return ask("approve", "--as", name or signer.name, "--sign-with", f"file:{signer.name}.key", *more)


def override(ask: Ask, signer: Signer, *more: str) -> tuple[int, str, str]:
    return ask("override", "--as", signer.name, "--sign-with", f"file:{signer.name}.key", "-p", "mine", *more)


def verify(ask: Ask, *more: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = ask("verify", "-p", "mine", "--image", f"api@{DIGEST}", "--json", *more)
    return code, json.loads(out)


def test_approve_shows_what_it_is_about_and_verify_accepts_it(releases: Releases, ask: Ask) -> None:
    run = signed(releases)
    told = verify(ask)[1]
    assert told["code"] == "approval_missing"
    assert (told["waits"]["approvals"], told["waits"]["required"]) == (0, 1)
    assert datetime.fromisoformat(told["waits"]["not_before"]) <= datetime.now(UTC)
    code, out, err = approve(ask, BOB, "-p", "mine", "--comment", "go on")
    assert (code, err) == (0, "")
    assert out.startswith(f"GO: mine pre-deploy, run {run}, until 20")
    assert f"  api {DIGEST}" in out
    assert "  signed by ci" in out
    assert "  started by unknown (unproven)" in out
    assert "  verdict sha256:" in out
    assert f"approved by bob: reports/mine/pre-deploy/runs/{run}/records/approval-1.intoto.json" in out
    assert "deployable: `gonogo verify` accepts it" in out
    code, told = verify(ask)
    assert (code, told["approvals"][0]["by"], told["override"]) == (0, "bob", None)
    _, out, _ = ask("verify", "-p", "mine", "--image", f"api@{DIGEST}")
    assert "  approved by bob at 20" in out
    assert ": go on" in out


def test_approve_shows_what_others_said_of_the_verdict(releases: Releases, ask: Ask) -> None:
    signed(releases, FAILING)
    override(ask, CAROL, *WHY)
    approve(ask, ALICE, "-p", "mine", "--deny", "--reason", "the database is busy")
    out = approve(ask, BOB, "-p", "mine", "--comment", "go on")[1]
    assert re.search(r"^  override by carol at \S+Z for INC-7: checkout is down$", out, re.MULTILINE)
    assert re.search(r"^  denial by alice at \S+Z: the database is busy$", out, re.MULTILINE)
    out = approve(ask, ALICE, "-p", "mine")[1]
    assert re.search(r"^  approval by bob at \S+Z: go on$", out, re.MULTILINE)


def test_approve_as_json_by_the_file_alone(releases: Releases, ask: Ask) -> None:
    run = signed(releases)
    code, out, err = approve(ask, BOB, "--verdict", str(releases.newest()), "--json")
    told = json.loads(out)
    assert (code, told["kind"], told["by"], told["run_id"]) == (0, "approval", "bob", run)
    assert told["verify"]["code"] == "go"
    assert "api sha256:" in err


def test_deny(releases: Releases, ask: Ask) -> None:
    signed(releases, by=ALICE)
    code, out, _ = approve(ask, ALICE, "-p", "mine", "--deny", "--reason", "the database is busy")
    assert code == 0
    assert "denied by alice" in out
    assert "not deployable yet (denied)" in out
    code, told = verify(ask)
    assert (code, told["code"]) == (13, "denied")
    assert "the database is busy" in told["reason"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--as", "bbo", "--sign-with", "file:bob.key"], "did you mean bob?"),
        (["--as", "zed", "--sign-with", "file:bob.key"], "name them in the profile's [approval] approvers"),
        (["--as", "bob", "--sign-with", "file:alice.key"], "not the one that the profile has of bob"),
        (["--as", "bob", "--sign-with", "file:stranger.key"], "not the one that the profile has of bob"),
        (["--as", "bob"], "nothing says with which key to sign"),
        (["--as", "bob", "--sign-with", "bob.key"], "did you mean file:bob.key?"),
        (["--as", "bob", "--sign-with", "file:bob.pub"], "bob.pub is a public key, which signs nothing"),
        (["--as", "ci", "--sign-with", "file:ci.key"], "the profile's [approval] approvers\n"),
        (["--as", "bob", "--sign-with", "file:no.key"], "cannot be read"),
        (["--as", "bob", "--sign-with", "file:bob.key", "--deny"], "a denial says why"),
        (["--as", "bob", "--sign-with", "file:bob.key", "--reason", "x"], "a denial a --reason"),
        (["--as", "bob", "--sign-with", "file:bob.key", "--comment", "x" * 2001], "longer than 2000"),
        (["--as", "bob", "--sign-with", "file:bob.key", "--phase", "later"], "not a phase"),
    ],
)
def test_approve_says_what_is_wrong_with_the_question(
    releases: Releases, ask: Ask, arguments: list[str], says: str
) -> None:
    run = signed(releases)
    code, _, err = ask("approve", "-p", "mine", *arguments)
    assert code == 64
    assert says in err
    code, out, _ = ask("approve", "-p", "mine", *arguments, "--json")
    assert (code, json.loads(out)["code"]) == (64, "usage")
    assert not (releases.folder(run) / "records").exists()


@pytest.mark.parametrize("command", ["verify", "guard", "approve", "override", "gate"])
def test_help_names_the_table_of_the_store(releases: Releases, ask: Ask, command: str) -> None:
    code, out, _ = ask(command, "--help")
    assert (code, "[store]" in out) == (0, True)


def test_approve_wants_a_verdict(releases: Releases, ask: Ask) -> None:
    assert "no verdict is named" in approve(ask, BOB)[2]
    code, _, err = approve(ask, BOB, "-p", "mine")
    assert (code, "REFUSED (missing)" in err) == (14, True)


def test_approve_takes_the_signer_from_the_environment(
    releases: Releases, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed(releases)
    monkeypatch.setenv("GONOGO_SIGN_WITH", "file:bob.key")
    assert ask("approve", "-p", "mine", "--as", "bob")[0] == 0


def test_approve_refuses_who_started_the_run(releases: Releases, ask: Ask) -> None:
    run = signed(releases, by=ALICE)
    code, _, err = approve(ask, ALICE, "-p", "mine")
    assert code == 13
    assert "REFUSED (self_approved): alice started the run" in err
    assert "another must: bob" in err
    assert not (releases.folder(run) / "records").exists()


def test_approve_refuses_what_is_not_go(releases: Releases, ask: Ask) -> None:
    signed(releases, FAILING)
    code, _, err = approve(ask, BOB, "-p", "mine")
    assert code == 10
    assert "REFUSED (no_go)" in err


def test_approve_refuses_what_cannot_be_used(releases: Releases, ask: Ask) -> None:
    signed(releases, by=STRANGER)
    assert "REFUSED (signer_unknown)" in approve(ask, BOB, "-p", "mine")[2]
    signed(releases)
    releases.write_profile(PEOPLE + "[policy]\nmax_flaky = 3\n")
    code, _, err = approve(ask, BOB, "-p", "mine")
    assert (code, "REFUSED (policy)" in err) == (14, True)


def test_approve_where_nobody_is_an_approver(releases: Releases, ask: Ask) -> None:
    releases.write_profile()
    releases.run()
    assert "nobody is named" in approve(ask, BOB, "-p", "mine")[2]


class Terminal:
    """Somebody is there to answer."""

    def isatty(self) -> bool:
        return True


def test_approve_asks_on_a_terminal(releases: Releases, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    run = signed(releases)
    answers = iter(["n", "y"])

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("typer._click.termui.visible_prompt_func", lambda *_: next(answers))
    assert approve(ask, BOB, "-p", "mine")[0] == 12
    assert not (releases.folder(run) / "records").exists()
    assert approve(ask, BOB, "-p", "mine")[0] == 0
    assert approve(ask, BOB, "-p", "mine", "--yes")[0] == 0


def test_approve_in_a_store(releases: Releases, ask: Ask, tmp_path: Path) -> None:
    """The record goes where deploy steps read, and this machine has no reports."""
    store = FolderStore(tmp_path / "store")
    releases.write_profile(PEOPLE + f'[store]\nuri = "{store.uri}"\n')
    run = signed(releases, store=store)
    assert verify(ask)[1]["code"] == "approval_missing"
    code, out, _ = approve(ask, BOB, "-p", "mine", "--json")
    assert code == 0
    assert json.loads(out)["record"] == f"{store.uri}/mine/pre-deploy run {run}: approval-1.intoto.json"
    assert store.records(SERIES, run) == ("approval-1.intoto.json",)
    assert verify(ask)[0] == 0
    assert not releases.newest().exists()


def test_a_bundle_takes_no_record(releases: Releases, ask: Ask) -> None:
    signed(releases)
    assert ask("bundle", "--verdict", str(releases.newest()), "--output", "b.tar.gz")[0] == 0
    code, _, err = approve(ask, BOB, "-p", "mine", "--verdict", "b.tar.gz")
    assert code == 64
    assert "is a bundle, to which nothing can be added" in err


def test_override_and_accept_it(releases: Releases, ask: Ask) -> None:
    run = signed(releases, FAILING)
    code, out, err = override(ask, CAROL, *WHY)
    assert (code, err) == (0, "")
    assert out.startswith(f"NO_GO: mine pre-deploy, run {run}")
    assert "  NO_GO: unit it is so" in out
    assert f"  bypassed: {FAILING}" in out
    code, told = verify(ask)
    assert (code, told["code"], told["decision"]) == (15, "overridden", "NO_GO")
    assert told["override"]["incident"] == "INC-7"
    assert told["override"]["bypassed"] == [{"gate": "unit", "check": FAILING, "decision": "NO_GO"}]
    assert verify(ask, "--accept-override")[1]["code"] == "approval_missing"
    assert "bob: reports" in approve(ask, BOB, "-p", "mine")[1]
    code, told = verify(ask, "--accept-override")
    assert (code, told["ok"], told["code"], told["decision"]) == (0, True, "overridden", "NO_GO")
    assert told["allowed"] == []
    _, out, _ = ask("verify", "-p", "mine", "--image", f"api@{DIGEST}", "--accept-override")
    assert out.startswith("OVERRIDDEN: mine pre-deploy")
    assert "  the verdict is NO_GO" in out
    assert "  override by carol for INC-7 (checkout is down), until 20" in out
    code, _, err = ask("guard", "-p", "mine", "--image", f"api@{DIGEST}", "--", "true")
    assert code == 15
    assert "REFUSED (overridden)" in err


def test_guard_goes_on_with_an_accepted_override(
    releases: Releases, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    signed(releases, FAILING)
    override(ask, CAROL, *WHY)
    approve(ask, BOB, "-p", "mine")
    became: list[str] = []

    def become(program: str, _arguments: list[str]) -> None:
        became.append(program)
        raise OSError(2, "No such file or directory")

    monkeypatch.setattr(os, "execvp", become)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    guard = ("guard", "-p", "mine", "--image", f"api@{DIGEST}")
    assert ask(*guard, "--", "deploy")[0] == 15
    _, _, err = ask(*guard, "--accept-override", "--", "deploy")
    assert err.startswith("OVERRIDDEN: mine")
    assert became == ["deploy"]


def test_override_as_json(releases: Releases, ask: Ask) -> None:
    run = signed(releases, FAILING)
    code, out, _ = override(ask, CAROL, *WHY, "--json")
    told = json.loads(out)
    assert (code, told["kind"], told["run_id"], told["override"]["by"]) == (0, "override", run, "carol")


def test_who_overrode_may_not_approve(releases: Releases, ask: Ask) -> None:
    signed(releases, FAILING)
    assert override(ask, BOB, *WHY)[0] == 0
    code, _, err = approve(ask, BOB, "-p", "mine")
    assert code == 13
    assert "bob overrode the verdict" in err
    assert "overridden" in verify(ask)[1]["code"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"--expires": "5h"}, "allows an override of 4h at most"),
        ({"--expires": "0s"}, "allows an override of 4h at most"),
        ({"--expires": "0.0001ms"}, "allows an override of 4h at most"),
        ({"--expires": "-1h"}, "--expires '-1h' is not"),
        ({"--expires": "nan h"}, "--expires 'nan h' is not"),
        ({"--expires": "9999999999d"}, "is longer than a century"),
        ({"--expires": "soon"}, "--expires 'soon' is not"),
        ({"--reason": " "}, "--reason is empty"),
        ({"--incident": "x" * 2001}, "--incident is longer than"),
    ],
)
def test_override_says_what_is_wrong_with_the_question(
    releases: Releases, ask: Ask, changed: dict[str, str], says: str
) -> None:
    run = signed(releases, FAILING)
    values = {**dict(zip(WHY[::2], WHY[1::2], strict=True)), **changed}
    code, _, err = override(ask, CAROL, *(part for pair in values.items() for part in pair))
    assert code == 64
    assert says in err
    assert not (releases.folder(run) / "records").exists()
    code, out, _ = override(ask, CAROL, *(part for pair in values.items() for part in pair), "--json")
    assert (code, json.loads(out)["code"]) == (64, "usage")


def test_override_of_what_cannot_be_overridden(releases: Releases, ask: Ask) -> None:
    signed(releases)
    assert "there is nothing to override" in override(ask, CAROL, *WHY)[2]
    assert "(carol, bob)" in override(ask, ALICE, *WHY)[2]
    releases.run(ended=False)
    code, _, err = override(ask, CAROL, *WHY)
    assert (code, "REFUSED (pending)" in err) == (13, True)
