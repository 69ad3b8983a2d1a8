"""What the gate command publishes where, and what stands there when a store fails it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.aws.iam import policy
from harness.errors import GonogoError, UsageError
from harness.gate_command import main
from harness.gate_request import Request, validate
from harness.model import Decision
from harness.profile.schema import StoreConfig
from harness.verdict.folder_store import FolderStore
from harness.verdict.publication import begin, publish
from harness.verdict.statement import parse
from harness.verdict.store import FILE, StoreError
from release_parts import EVIDENCE, SERIES, Releases


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    monkeypatch.chdir(tmp_path)
    made = Releases(tmp_path)
    made.write_profile()
    (tmp_path / "apps").mkdir()
    return made


class Down(FolderStore):
    """A store that fails where it is told to."""

    def __init__(self, root: Path, *fails: str) -> None:
        super().__init__(root)
        self.fails = fails

    def begin(self, *arguments: Any) -> None:
        if "begin" in self.fails:
            raise StoreError("nobody answers", hint="look why")
        super().begin(*arguments)

    def finish(self, *arguments: Any) -> bool:
        if "finish" in self.fails:
            raise StoreError("nobody answers", hint="look why")
        return super().finish(*arguments)


def decision(path: Path) -> Decision:
    return parse(path.read_bytes()).decision


def newest_of(share: FolderStore) -> Decision:
    return parse(share.latest(SERIES) or b"").decision


def test_both_places_have_it(releases: Releases, tmp_path: Path) -> None:
    share = FolderStore(tmp_path / "share")
    run, pending = releases.begin()
    begin(releases.reports, SERIES, run, pending, share)
    assert decision(releases.newest()) is newest_of(share) is Decision.PENDING
    done = publish(releases.reports, SERIES, run, releases.verdict(run), share)
    assert (done.newest, done.failure) == (True, None)
    assert decision(releases.newest()) is newest_of(share) is Decision.GO
    for path, content in EVIDENCE.items():
        assert (share.root / "mine" / "pre-deploy" / "runs" / run / path).read_bytes() == content


def test_without_a_store_the_reports_folder_has_it(releases: Releases) -> None:
    run, pending = releases.begin()
    begin(releases.reports, SERIES, run, pending, None)
    assert publish(releases.reports, SERIES, run, releases.verdict(run), None).newest
    assert decision(releases.newest()) is Decision.GO


def test_a_later_run_elsewhere_is_the_newest(releases: Releases, tmp_path: Path) -> None:
    share = FolderStore(tmp_path / "share")
    run, pending = releases.begin()
    begin(releases.reports, SERIES, run, pending, share)
    later, other = releases.begin()
    share.begin(SERIES, later, other)
    assert not publish(releases.reports, SERIES, run, releases.verdict(run), share).newest
    assert newest_of(share) is Decision.PENDING


def test_a_store_that_fails_at_the_start_lets_no_run_begin(releases: Releases, tmp_path: Path) -> None:
    run, pending = releases.begin()
    with pytest.raises(GonogoError, match="nobody answers"):
        begin(releases.reports, SERIES, run, pending, Down(tmp_path / "share", "begin"))
    assert decision(releases.newest()) is Decision.PENDING


def test_a_store_that_fails_at_the_end_leaves_no_go_that_half_of_the_world_sees(
    releases: Releases, tmp_path: Path
) -> None:
    share = Down(tmp_path / "share", "finish")
    run, pending = releases.begin()
    begin(releases.reports, SERIES, run, pending, share)
    done = publish(releases.reports, SERIES, run, releases.verdict(run), share)
    assert not done.newest
    assert str(done.failure).startswith("nobody answers")
    assert decision(releases.newest()) is newest_of(share) is Decision.PENDING
    assert decision(releases.folder(run) / FILE) is Decision.GO
    assert FolderStore(share.root).finish(
        SERIES, run, (releases.folder(run) / FILE).read_bytes(), releases.folder(run)
    )
    assert newest_of(share) is Decision.GO


def test_a_run_that_cannot_be_written_here_is_an_error(releases: Releases, tmp_path: Path) -> None:
    run, _ = releases.begin()
    raw = releases.verdict(run)
    (releases.folder(run) / FILE).mkdir()
    with pytest.raises(StoreError, match="could not be written"):
        publish(releases.reports, SERIES, run, raw, FolderStore(tmp_path / "share"))


def test_the_policy_of_a_profile_with_a_store_names_it(releases: Releases) -> None:
    from dataclasses import replace

    profile = releases.profile
    assert "s3:" not in json.dumps(policy(profile))
    stored = replace(profile, store=StoreConfig(uri="s3://verdicts/releases"))
    (below,) = [each for each in policy(stored)["Statement"] if each["Sid"] == "GonogoStore"]
    assert below["Resource"] == ["arn:aws:s3:::verdicts/releases/*"]
    assert "s3:" not in json.dumps(policy(replace(profile, store=StoreConfig(uri="file:///mnt/share"))))


def test_a_request_names_the_profiles_store_or_none(releases: Releases, tmp_path: Path) -> None:
    assert validate(Request("mine")).store is None
    asked = validate(Request("mine", store="share")).store
    assert asked is not None
    assert asked.uri == (tmp_path / "share").as_uri()
    releases.write_profile('[store]\nuri = "file:///mnt/share"\n')
    own = validate(Request("mine")).store
    assert own is not None
    assert own.uri == "file:///mnt/share"
    with pytest.raises(UsageError, match="are kept in file:///mnt/share"):
        validate(Request("mine", store="share"))


def gonogo(releases: Releases, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    kept: Mapping[str, str] = {
        key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "GONOGO_", "CI"))
    }
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments],
        cwd=releases.root,
        env={**kept, "AWS_EC2_METADATA_DISABLED": "true", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_gate_run_is_in_its_store(releases: Releases, tmp_path: Path) -> None:
    """Of an application without tests it is no GO; its verdict is told to others all the same."""
    share = FolderStore(tmp_path / "share")
    done = gonogo(releases, "gate", "--profile", "mine", "--store", "share", "--json")
    told = json.loads(done.stdout)
    assert (told["store"], told["newest"], told["not_published"]) == (share.uri, True, None)
    assert share.latest(SERIES) == releases.newest().read_bytes()
    assert share.runs(SERIES) == (told["run_id"],)
    assert newest_of(share) == told["decision"]


def test_a_gate_run_whose_store_has_no_credentials_does_not_begin(releases: Releases) -> None:
    done = gonogo(releases, "gate", "--profile", "mine", "--store", "s3://verdicts/releases")
    assert done.returncode == 12
    assert "s3://verdicts/releases: no AWS credentials are configured" in done.stderr
    assert not releases.newest().exists()


def test_a_gate_run_that_its_store_does_not_take_is_an_error(
    releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    share = Down(tmp_path / "share", "finish")
    monkeypatch.setattr("harness.gate_request.store_of", lambda *_, **__: share)
    assert main(Request("mine", store="share")) == 12
    told = capfd.readouterr().out
    assert f"The verdict is not in {share.uri}: nobody answers" in told
    (run,) = share.runs(SERIES)
    again = f"gonogo verdicts publish {releases.folder(run)} --store {share.uri} --region us-east-1"
    assert again in told
    assert newest_of(share) is decision(releases.newest()) is Decision.PENDING
    assert gonogo(releases, *again.split()[1:]).stdout == f"{run}: in {share.uri}\n"
    assert newest_of(share) is decision(releases.folder(run) / FILE) is decision(releases.newest())
