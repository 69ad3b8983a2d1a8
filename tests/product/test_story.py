"""One release, from staging to production, as the deploy steps see it: real runs, real signatures, a real clock."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aws_parts import owner_of
from harness import local
from harness.gates import tables
from harness.model import Phase
from harness.profile.loader import load_profile
from harness.verdict.named_store import located, open_store
from harness.verdict.record_format import About, Approval
from harness.verdict.records import sign
from harness.verdict.statement import parse
from harness.verdict.stores import Series
from product_parts import Product
from signing_parts import Signer

CI, ALICE, BOB = Signer.make("ci"), Signer.make("alice"), Signer.make("bob", "ecdsa")
PROD = Series("prod", Phase.PRE_DEPLOY)
WAIT = 15
"""Seconds from the end of the run to the first moment of a deploy."""
ENVIRONMENT = """
description = "One environment of the story"
[local]
stand_in = true
[app]
images = {{ api = "api" }}
[aws]
account = "000000000000"
access = "read-write"
endpoint_url = "${{AWS_ENDPOINT_URL}}"
[store]
uri = "{store}"
[phases]
pre-deploy = [{gates}]
[gates.smoke]
required_checks = ["mine.answers"]
[policy.signing]
signers = [{{ name = "{signer}", key = "keys/{signer}.pub" }}]
"""
PRODUCTION = """
[gates.promotion]
proven_in = ["staging"]
[approval]
required = 1
wait = "{wait}s"
approvers = [{{ name = "alice", key = "keys/alice.pub" }}, {{ name = "bob", key = "keys/bob.pub" }}]
"""
SUITE = '''
def test_answers(check):
    """It answers."""
    check.measure("seen", 1, sample=1)
'''


@dataclass
class Story:
    """A repository, whose runs go to a store; each job of the pipeline has a copy of it and nothing else."""

    root: Path
    state: Path
    ecr: Any
    jobs: dict[str, Product] = field(default_factory=dict)

    @property
    def store(self) -> str:
        return (self.root / "store").as_uri()

    def job(self, name: str) -> Product:
        """A runner that has checked the repository out, and shares nothing with other jobs but the store."""
        if name not in self.jobs:
            home = self.root / name
            (home / "profiles" / "keys").mkdir(parents=True)
            (home / "suites" / "smoke").mkdir(parents=True)
            (home / "suites" / "smoke" / "test_mine.py").write_text(SUITE)
            for signer in (CI, ALICE, BOB):
                (home / "profiles" / "keys" / f"{signer.name}.pub").write_text(signer.pem)
            for profile, starter, gates, more in (
                ("staging", "ci", '["smoke"]', ""),
                ("prod", "alice", '["promotion"], ["smoke"]', PRODUCTION.format(wait=WAIT)),
            ):
                (home / "profiles" / f"{profile}.toml").write_text(
                    ENVIRONMENT.format(store=self.store, signer=starter, gates=gates) + more
                )
            self.jobs[name] = Product(home)
        return self.jobs[name]

    def key(self, signer: Signer) -> str:
        folder = self.root / "secrets"
        folder.mkdir(exist_ok=True)
        return f"file:{signer.write(folder)}"

    def gate(
        self, profile: str, signer: Signer, *, image: str = "api=v1"
    ) -> "subprocess.CompletedProcess[str]":
        return self.job(f"{profile}-run").run(
            "gate", "-p", profile, "--image", image, "--stand-in", str(self.state), "--sign-with", self.key(signer)
        )  # fmt: skip

    def verify(self, profile: str, digest: str = "") -> tuple[int, dict[str, Any]]:
        """What the deploy step does: the tag's digest of this moment, and `gonogo verify`."""
        image = f"api@{digest or self.digest()}"
        done = self.job(f"{profile}-deploy").run("verify", "-p", profile, "--image", image, "--json")
        return done.returncode, json.loads(done.stdout)

    def approve(self, signer: Signer, *more: str) -> tuple[int, dict[str, Any]]:
        done = self.job(f"desk-of-{signer.name}").run(
            "approve", "-p", "prod", "--as", signer.name, "--sign-with", self.key(signer), "--json", *more
        )
        return done.returncode, json.loads(done.stdout)

    def proof_of_staging(self) -> str:
        """What the newest production run names of staging's verdict, by its sha256."""
        latest = open_store(located(self.store)).latest(PROD)
        assert latest is not None
        (check,) = [each for each in parse(latest).record.results if each.gate == "promotion"]
        assert [each.name for each in check.evidence] == ["verdict.intoto.json"]
        return check.facts["sha256"]

    def digest(self) -> str:
        (found,) = self.ecr.describe_images(repositoryName="api", imageIds=[{"imageTag": "v1"}])[
            "imageDetails"
        ]
        return str(found["imageDigest"])

    def move_tag(self) -> None:
        """Somebody pushes another image under the same tag."""
        held = self.ecr.batch_get_image(repositoryName="api", imageIds=[{"imageTag": "v1"}])["images"][0]
        manifest = {**json.loads(held["imageManifest"]), "annotations": {"built": "again"}}
        self.ecr.put_image(repositoryName="api", imageManifest=json.dumps(manifest), imageTag="v1")


@pytest.fixture
def story(tmp_path: Path, own_tmp: Path) -> Iterator[Story]:
    made = Story(tmp_path, tmp_path / "stand-in", None)
    profile = load_profile("staging", tables(), folder=made.job("x").root / "profiles", environ={})
    with local.running(profile, made.state, images={"api": "v1"}) as info:
        made.ecr = owner_of(info.environ["AWS_ENDPOINT_URL"], "000000000000")("ecr")
        yield made


@pytest.mark.alone
def test_from_staging_to_production(story: Story) -> None:
    # What staging has not proven, production does not take.
    done = story.gate("prod", ALICE)
    assert done.returncode == 11, done.stdout + done.stderr
    assert "no run of staging/pre-deploy is about api@sha256:" in " ".join(done.stdout.split())

    done = story.gate("staging", CI)
    assert done.returncode == 0, done.stdout + done.stderr
    code, told = story.verify("staging")
    assert (code, told["code"], told["signers"]) == (0, "go", ["ci"])
    assert told["started_by"].startswith("ci (proven by key ")

    # The production run reads what staging proved from the store, and keeps it.
    done = story.gate("prod", ALICE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert story.proof_of_staging() == told["sha256"]
    code, told = story.verify("prod")
    assert (code, told["code"]) == (13, "too_early"), told
    assert "0 of 1 approvals" in told["reason"]

    _wait_for_the_timer(story)
    code, told = story.verify("prod")
    assert (code, told["code"]) == (13, "approval_missing"), told

    code, told = story.approve(ALICE)
    assert (code, told["code"]) == (13, "self_approved"), told
    _approve_all_the_same(story, ALICE)
    code, told = story.verify("prod")
    assert (code, told["code"]) == (13, "self_approved"), told

    code, told = story.approve(BOB, "--comment", "seen on staging")
    assert (code, told["verify"]["code"]) == (0, "go"), told
    code, told = story.verify("prod")
    assert (code, told["code"]) == (0, "go"), told
    assert [(each["by"], each["comment"]) for each in told["approvals"]] == [("bob", "seen on staging")]

    judged = story.digest()
    story.move_tag()
    assert story.digest() != judged
    code, told = story.verify("prod")
    assert (code, told["code"]) == (14, "subject"), told
    assert story.verify("prod", judged)[0] == 0

    # Nor is what the tag now means proven in staging.
    assert story.gate("prod", ALICE).returncode == 11

    # The same release, run again: what was approved is not this run.
    assert story.gate("prod", ALICE, image=f"api@{judged}").returncode == 0
    code, told = story.verify("prod", judged)
    assert code == 13, told
    assert "0 of 1 approvals" in told["reason"]


def _wait_for_the_timer(story: Story) -> None:
    """By the clock that everybody has: there is no event of it but that the time has come."""
    latest = open_store(located(story.store)).latest(PROD)
    assert latest is not None
    finished = parse(latest).info.finished
    assert finished is not None
    left = WAIT - (datetime.now(UTC) - finished).total_seconds()
    time.sleep(max(0.0, left))


def _approve_all_the_same(story: Story, signer: Signer) -> None:
    """Past the command, which refuses it: a record is but a file that somebody signed."""
    store = open_store(located(story.store))
    latest = store.latest(PROD)
    assert latest is not None
    verdict = parse(latest)
    record = Approval(About.of(verdict), signer.name, datetime.now(UTC), "it is mine")
    name = store.attach(PROD, verdict.info.run_id, "approval", sign(record, signer))
    assert name == "approval-1.intoto.json"
