"""Somebody without keys, who can write wherever verdicts lie: nothing of it makes a deploy step answer 0, or wait for ever."""

import json
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from approval_parts import ALICE, BOB, CAROL, CI, STRANGER
from harness.cli import main as gonogo
from harness.errors import ProfileError
from harness.verdict import stores
from harness.verdict.bundle import pack
from harness.verdict.envelope import PAYLOAD_TYPE, seal
from harness.verdict.folder_store import FolderStore
from harness.verdict.store import FILE, publish
from release_parts import COMMIT, DIGEST, OTHER, SERIES, Releases
from signing_parts import Signer

PEOPLE = f"""
[policy.signing]
signers = [{{ name = "ci", key = "{CI.key.text}" }}, {{ name = "alice", key = "{ALICE.key.text}" }}]
[approval]
required = 1
approvers = [{{ name = "alice", key = "{ALICE.key.text}" }}, {{ name = "bob", key = "{BOB.key.text}" }}]
[override]
signers = [{{ name = "carol", key = "{CAROL.key.text}" }}]
"""
Ask = Callable[..., tuple[int, str]]


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GONOGO_SIGN_WITH", raising=False)
    made = Releases(tmp_path)
    made.write_profile(PEOPLE)
    for signer in (CI, ALICE, BOB, CAROL, STRANGER):
        signer.write(tmp_path)
    return made


@pytest.fixture
def share(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "share")


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Asks `gonogo verify`; the exit code, and the code of the reason."""

    def answer(*arguments: str, digest: str = DIGEST, profile: str = "mine") -> tuple[int, str]:
        with pytest.raises(SystemExit) as leaving:
            gonogo(["verify", "-p", profile, "--image", f"api@{digest}", "--json", *arguments])
        assert isinstance(leaving.value.code, int)
        return leaving.value.code, json.loads(capsys.readouterr().out)["code"]

    return answer


def sign_as(who: Signer, *arguments: str, name: str = "", command: str = "approve") -> int:
    with pytest.raises(SystemExit) as leaving:
        gonogo(
            [
                command,
                "-p",
                "mine",
                "--as",
                name or who.name,
                "--sign-with",
                f"file:{who.name}.key",
                *list(arguments),
            ]
        )
    assert isinstance(leaving.value.code, int)
    return leaving.value.code


def run(releases: Releases, *failing: str, by: Signer = CI, store: FolderStore | None = None) -> str:
    run_id, pending = releases.begin()
    raw = seal(releases.verdict(run_id, *failing), PAYLOAD_TYPE, [by])
    publish(releases.reports, pending, run_id, start=True)
    publish(releases.reports, raw, run_id)
    if store is not None:
        store.begin(SERIES, run_id, pending)
        store.finish(SERIES, run_id, raw, releases.folder(run_id))
    return run_id


def envelope(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def rewrite(path: Path, **changes: Any) -> None:
    path.write_bytes(
        json.dumps(envelope(path) | changes, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    )


def test_a_denial_in_the_store_counts_for_a_bundle_that_was_made_before(
    releases: Releases, ask: Ask, share: FolderStore, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--store", share.uri)
    run_id = run(releases, store=share)
    assert sign_as(BOB, *where) == 0
    fetched = share.fetch(SERIES, run_id, releases.root / "fetched")
    pack(fetched / FILE, releases.root / "v.tar.gz")
    capsys.readouterr()
    brought = ("--verdict", "v.tar.gz", *where)
    assert ask(*brought) == (0, "go")
    assert sign_as(ALICE, "--deny", "--reason", "the database is busy", *where) == 0
    capsys.readouterr()
    assert ask(*where) == (13, "denied")
    assert ask(*brought) == (13, "denied")
    assert ask("--verdict", str(fetched / FILE), *where) == (13, "denied")


def test_the_records_of_the_store_count_for_a_file_brought_alone(
    releases: Releases, ask: Ask, share: FolderStore, capsys: pytest.CaptureFixture[str]
) -> None:
    run(releases, store=share)
    assert sign_as(BOB, "--store", share.uri) == 0
    (releases.root / "alone").mkdir()
    file = shutil.copy(releases.newest(), releases.root / "alone")
    capsys.readouterr()
    assert ask("--verdict", str(file)) == (13, "approval_missing")
    assert ask("--verdict", str(file), "--store", share.uri) == (0, "go")


def test_a_file_that_is_changed_after_the_store_was_asked_is_not_read_again(
    releases: Releases,
    ask: Ask,
    share: FolderStore,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    releases.write_profile(PEOPLE.replace("required = 1", "required = 0").split("approvers =")[0])
    old = run(releases, store=share)
    run(releases, "unit.tests.all_pass", store=share)
    older, really = releases.folder(old) / FILE, stores.same_verdict

    def meanwhile(one: bytes, other: bytes) -> bool:
        answer = really(one, other)
        shutil.copy(older, releases.newest())
        return answer

    monkeypatch.setattr(stores, "same_verdict", meanwhile)
    assert ask("--verdict", str(releases.newest()), "--store", share.uri) == (10, "no_go")
    assert ask("--verdict", str(releases.newest()), "--store", share.uri) == (14, "superseded")


@pytest.fixture
def impatient() -> Iterator[None]:
    """Half a minute and 4 GB more than now, for what would be read for ever."""

    def over(*_: object) -> None:
        raise AssertionError("it waits or reads for ever")

    memory, handler = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGALRM, over)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 4_000_000_000, memory[1]))
    signal.setitimer(signal.ITIMER_REAL, 30)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)
    resource.setrlimit(resource.RLIMIT_AS, memory)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("there", ["pipe", "device", "folder", "large"])
@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("verdict", "unreadable"),
        ("record", "record_malformed"),
        ("evidence", "evidence"),
        ("bundle", "unreadable"),
        ("store", "store"),
    ],
)
def test_what_stands_in_place_of_a_file_makes_nobody_wait(
    releases: Releases, ask: Ask, there: str, where: str, code: str
) -> None:
    run_id = run(releases)
    share = FolderStore(releases.root / "share")
    path = {
        "verdict": releases.newest(),
        "record": releases.folder(run_id) / "records" / "approval-1.intoto.json",
        "evidence": releases.folder(run_id) / "unit" / "evidence" / "pytest.txt",
        "bundle": releases.root / "v.tar.gz",
        "store": share.root / "mine" / "pre-deploy" / FILE,
    }[where]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    put(path, there)
    more = {"bundle": ["--verdict", str(path)], "store": ["--store", share.uri]}.get(where, [])
    assert ask(*more) == (14, code)


def put(path: Path, what: str) -> None:
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)


def test_signatures_are_neither_dropped_doubled_nor_moved(releases: Releases, ask: Ask) -> None:
    releases.write_profile(PEOPLE.replace("[policy.signing]", "[policy.signing]\nthreshold = 2"))
    run(releases)
    newest = releases.newest()
    good, whole = newest.read_bytes(), envelope(newest)
    assert ask() == (14, "signers_too_few")
    (one,) = whole["signatures"]
    alice = {"keyid": ALICE.key.keyid, "sig": one["sig"]}
    for signatures, code in (
        ([], "malformed"),
        ([one, one], "not_canonical"),
        (sorted([one, alice], key=lambda each: str(each["keyid"])), "signature_invalid"),
        ([one | {"keyid": one["keyid"].upper()}], "signer_unknown"),
        ([one | {"keyid": f"{one['keyid']} "}], "signer_unknown"),
        ([one | {"keyid": STRANGER.key.keyid}], "signer_unknown"),
    ):
        newest.write_bytes(good)
        rewrite(newest, signatures=signatures)
        assert ask() == (14, code), signatures


def test_payloads_and_envelopes_do_not_mix(
    releases: Releases, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    good = run(releases)
    assert sign_as(BOB) == 0
    capsys.readouterr()
    assert ask() == (0, "go")
    bad = run(releases, "unit.tests.all_pass")
    newest = releases.newest()
    assert ask() == (10, "no_go")
    rewrite(newest, payload=envelope(releases.folder(good) / FILE)["payload"])
    assert ask() == (14, "signature_invalid")
    approval = releases.folder(good) / "records" / "approval-1.intoto.json"
    shutil.copy(approval, newest)
    assert ask()[0] == 14
    shutil.copy(releases.folder(bad) / FILE, newest)
    rewrite(newest, payload=envelope(approval)["payload"], signatures=envelope(approval)["signatures"])
    assert ask()[0] == 14


def test_an_approval_does_not_move_to_another_run(
    releases: Releases, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run(releases)
    assert sign_as(BOB) == 0
    second = run(releases)
    shutil.copytree(releases.folder(first) / "records", releases.folder(second) / "records")
    capsys.readouterr()
    assert ask() == (14, "record_subject")
    shutil.rmtree(releases.folder(second) / "records")
    (releases.folder(second) / "records").symlink_to(releases.folder(first) / "records")
    assert ask() == (14, "record_subject")


def test_a_record_is_not_another_kind_or_anothers(
    releases: Releases, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    home = releases.folder(run(releases)) / "records"
    assert sign_as(BOB, "--deny", "--reason", "no") == 0
    capsys.readouterr()
    denial = home / "denial-1.intoto.json"
    for name in ("approval-1.intoto.json", "denial-1.intoto.json.bak", "DENIAL-1.intoto.json"):
        denial.rename(home / name)
        assert ask() == (14, "record_malformed"), name
        (home / name).rename(denial)
    assert ask() == (13, "denied")
    shutil.copy(denial, home / "denial-2.intoto.json")
    assert ask() == (13, "denied")


def test_one_approval_does_not_count_twice(
    releases: Releases, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    releases.write_profile(PEOPLE.replace("required = 1", "required = 2"))
    home = releases.folder(run(releases)) / "records"
    assert sign_as(BOB) == 0
    assert sign_as(BOB) == 0
    shutil.copy(home / "approval-1.intoto.json", home / "approval-7.intoto.json")
    capsys.readouterr()
    assert ask() == (13, "approval_missing")


@pytest.mark.parametrize("name", ["alice", "ALICE", "alice ", "аlice", "bob"])
def test_who_started_it_does_not_approve_it_by_any_name(
    releases: Releases, ask: Ask, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    run(releases, by=ALICE)
    assert sign_as(ALICE, name=name) != 0
    capsys.readouterr()
    assert ask() == (13, "approval_missing")


@pytest.mark.parametrize(
    "more",
    [
        PEOPLE.replace('"bob"', '"alicia"').replace(BOB.key.text, ALICE.key.text),
        PEOPLE.replace("[approval]", "threshold = 2\n[approval]").replace(ALICE.key.text, CI.key.text),
    ],
)
def test_one_key_under_two_names_is_no_profile(releases: Releases, more: str) -> None:
    run(releases)
    releases.write_profile(more)
    assert sign_as(BOB) == 64


def test_a_go_of_other_bytes_or_of_another_environment(
    releases: Releases, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    run(releases)
    assert sign_as(BOB) == 0
    capsys.readouterr()
    assert ask() == (0, "go")
    assert ask(digest=OTHER) == (14, "subject")
    (releases.root / "profiles" / "other.toml").write_text(
        (releases.root / "profiles" / "mine.toml").read_text()
    )
    shutil.copytree(releases.root / "reports" / "mine", releases.root / "reports" / "other")
    assert ask(profile="other") == (14, "environment")


@pytest.mark.parametrize(
    "variables",
    [
        {"GONOGO_APPROVAL__REQUIRED": "0", "GONOGO_APPROVAL__APPROVERS": "[]"},
        {"GONOGO_POLICY__SIGNING__SIGNERS": "[]"},
        {"GONOGO_POLICY__MAX_AGE": "9999h", "GONOGO_STORE__URI": "file:///nowhere"},
        {"gonogo_approval__required": "0", "Gonogo_Approval__Approvers": "[]"},
        {"gonogo_reports__path": "elsewhere", "gonogo_store__uri": "file:///nowhere"},
        {"HOME": "/nowhere", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
    ],
)
def test_no_variable_loosens_what_is_verified(
    releases: Releases, ask: Ask, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    run(releases)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ask() == (13, "approval_missing")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--source", COMMIT, "--source", "d" * 40, "--", "true"], "--source is given 2 times"),
        (["--source", "d" * 40, "--source", COMMIT, "--", "true"], "--source is given 2 times"),
        (["--profile", "mine", "--", "true"], "--profile is given 2 times"),
        (["--verdict", "a", "--verdict", "b", "--", "true"], "--verdict is given 2 times"),
        (["--", ""], "the command to run has no name"),
        (["--"], "Missing argument"),
    ],
)
def test_what_is_asked_in_two_ways_is_not_asked(
    releases: Releases, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    releases.write_profile()
    releases.run()
    for command in ("guard", "verify"):
        given = arguments if command == "guard" else arguments[: arguments.index("--")]
        if given:
            with pytest.raises(SystemExit) as leaving:
                gonogo([command, "-p", "mine", "--image", f"api@{DIGEST}", *given])
            assert leaving.value.code == 64
            assert says in capsys.readouterr().err


def test_what_follows_a_programs_name_is_the_programs(
    releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ``--`` as well: guard must not verify what its command deploys elsewhere, or take its options as leave."""
    releases.write_profile()
    releases.run("unit.tests.all_pass")
    monkeypatch.setattr(os, "execvp", pytest.fail)
    asked = ["guard", "-p", "mine", "--image", f"api@{DIGEST}"]
    with pytest.raises(SystemExit) as leaving:
        gonogo([*asked, "deploy", "--accept-override", "-p", "other", "--image", f"api@{OTHER}"])
    assert leaving.value.code == 10
    became: list[str] = []
    monkeypatch.setattr(os, "execvp", lambda _, command: became.extend(command))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    releases.run()
    with pytest.raises(SystemExit):
        gonogo([*asked, "deploy", "-p", "other", "--", "-x"])
    assert became == ["deploy", "-p", "other", "--", "-x"]


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("policy.max_age", "99999999999d", "longer than a century"),
        ("policy.max_age", "0.0001ms", "0.001"),
        ("approval.wait", "99999999999d", "longer than a century"),
        ("approval.max_age", "99999999999d", "longer than a century"),
        ("override.max", "99999999999d", "longer than a century"),
    ],
)
def test_a_length_of_time_ends_at_a_date(releases: Releases, key: str, text: str, says: str) -> None:
    table, _, name = key.partition(".")
    releases.write_profile(f'[{table}]\n{name} = "{text}"\n')
    with pytest.raises(ProfileError, match=f"{key}: .*{says}"):
        _ = releases.profile


def test_a_profile_without_keys_does_not_take_a_verdict_of_one_that_has(releases: Releases, ask: Ask) -> None:
    run(releases)
    newest = releases.newest()
    releases.write_profile()
    assert ask() == (14, "policy")
    import base64

    newest.write_bytes(base64.b64decode(envelope(newest)["payload"]))
    assert ask() == (14, "policy")
    releases.write_profile(PEOPLE)
    assert ask() == (14, "unsigned")


@pytest.mark.parametrize("run_id", ["..", "../mine", "/etc", "20261123T120000Z-00/..", "a\x00b"])
def test_a_run_is_a_name(releases: Releases, ask: Ask, share: FolderStore, run_id: str) -> None:
    releases.write_profile()
    run(releases, store=share)
    assert ask("--store", share.uri, "--run", run_id) == (14, "store")
