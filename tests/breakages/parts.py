"""What a breakage is, and the environment that it breaks: `staging`'s shape in an account of its own."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness import codec
from harness.gates import tables
from harness.gates.context import GateContext
from harness.local import application, makers, resources
from harness.local.plan import Plan, plan
from harness.local.resources import Credentials, Emulator
from harness.model import CheckResult, Phase
from harness.profile import Profile
from harness.profile.loader import bind, load_profile
from harness.run import session
from loopback import Loopback, loopback

PROFILE = """
extends = "staging"
[phases]
pre-deploy = [["integration"]]
post-deploy = [["integration"]]
[app]
require_clean = false
[aws]
account = "{account}"
endpoint_url = "{url}"
[local]
stand_in = true
[gates.integration]
settle = "{settle}"
[gates.load]
allowed_hosts = ["127.0.0.1"]
"""
"""`staging`, where the emulator is; without the journeys, which need the application running."""
TAG = "v1.2.3"
SETTLE = "2s"


@dataclass(frozen=True)
class World:
    """A provisioned environment. `owner` gives unguarded botocore clients of its account; its endpoints are at
    `loopback`. What a breakage begins (a connection, a thread) it ends in `later`, after the run."""

    url: str
    account: str
    plan: Plan
    profile: Profile
    owner: Callable[[str], Any]
    database: Credentials
    loopback: Loopback = field(default_factory=loopback)
    later: ExitStack = field(default_factory=ExitStack)


@dataclass(frozen=True)
class Breakage:
    """One thing that is broken, and what must come of it.

    Args:
        name: what is broken, in words; the test's id.
        check: the check that must fail, by id without the gate: ``ecs.running_count[api-service-staging]``.
        breaks: does it, with the owner's clients. It must return only when the change can be seen.
        says: texts that the failure's reason (or its diagnosis) holds; the resource's name is always among them.
        also: further checks that cannot but fail of the same thing (say why in a comment).
        phase, images: of the run.
        overrides: of the profile (``--set``), for what cannot be broken in the emulator: the rule is made stricter.
    """

    name: str
    check: str
    breaks: Callable[[World], None]
    says: tuple[str, ...]
    also: tuple[str, ...] = ()
    phase: Phase = Phase.PRE_DEPLOY
    images: tuple[tuple[str, str], ...] = ()
    overrides: tuple[str, ...] = ()


def profile_of(
    folder: Path, account: str, url: str, *, settle: str = SETTLE, overrides: Sequence[str] = ()
) -> Profile:
    """`staging` at the emulator, in an account."""
    (folder / "profiles").mkdir(parents=True, exist_ok=True)
    text = PROFILE.format(account=account, url=url, settle=settle)
    (folder / "profiles" / "broken.toml").write_text(text)
    written = load_profile("broken", tables(), folder=folder / "profiles", environ={}, overrides=overrides)
    profile = bind(written, tables(), loopback().environ())
    kept = {path: items for path, items in profile.resources.items() if not path.startswith("journeys.")}
    resolved = {key: value for key, value in profile.resolved.items() if key != "journeys"}
    return replace(profile, resources=kept, resolved=resolved)


def only(profile: Profile, kinds: tuple[str, ...]) -> Profile:
    """The profile with the resources of these kinds alone."""
    kept = {path: items if path in kinds else () for path, items in profile.resources.items()}
    gone = {path.partition(".")[0] for path in kept} - {path.partition(".")[0] for path in kinds}
    resolved = {key: value for key, value in profile.resolved.items() if key not in gone}
    return replace(profile, resources=kept, resolved=resolved)


@contextmanager
def world(
    folder: Path,
    account: str,
    url: str,
    owner: Callable[[str], Any],
    database: Any,
    overrides: Sequence[str] = (),
) -> Iterator[World]:
    """Provision `staging`'s shape as the stand-in does."""
    loopback().reset()
    profile = profile_of(folder, account, url, overrides=overrides)
    wanted = plan(profile, dict.fromkeys(profile.app.images, TAG))
    credentials = Credentials(
        database.host, database.port, database.database, database.user, database.password
    )
    aws = Emulator(url, wanted.region, account)
    app = folder / "app"
    application.copy(app, ())
    resources.messaging(aws, wanted)
    resources.database(aws, wanted, credentials)
    manifests = {image.name: application.manifest(app, image.name) for image in wanted.images}
    references = resources.images(aws, wanted, manifests)
    for name in sorted({service.cluster for service in wanted.services}):
        resources.cluster(aws, name)
    for service in wanted.services:
        resources.service(aws, service, references)
        resources.logs(aws, service, application.log_lines(service.name, ""))
    for service in wanted.services:
        while not resources.rolled_out(aws, service):
            pass
    for instance in wanted.instances:
        resources.instance(aws, instance, credentials)
    makers.make_all(aws, wanted)
    with ExitStack() as later:
        later.callback(aws.close)
        yield World(url, account, wanted, profile, owner, credentials, later=later)


def run_gate(
    world: World,
    folder: Path,
    *,
    phase: Phase = Phase.PRE_DEPLOY,
    images: Sequence[tuple[str, str]] = (),
    counterparts: tuple[Profile, ...] = (),
) -> dict[str, CheckResult]:
    """Run the integration gate's session as the supervisor does; its results by id without the gate's name."""
    context = GateContext(
        "run-1",
        "integration",
        phase,
        world.profile,
        folder,
        folder / "run",
        dict(images),
        counterparts=counterparts,
    )
    context.work.mkdir(parents=True)
    child, _ = session.start(context, os.environ)
    try:
        child.wait(timeout=120)
    finally:
        child.kill()
        child.wait()
    if not context.ledger.is_file():
        raise AssertionError((context.work / "session.log").read_text())
    events = [json.loads(line) for line in context.ledger.read_text().splitlines()]
    results = [codec.load(CheckResult, event["result"]) for event in events if event["event"] == "check"]
    expected = {
        check.id for check in world.profile.gates["integration"].expected("integration", world.profile, phase)
    }
    missing = expected - {result.id for result in results}
    log = (context.work / "session.log").read_text() if missing else ""
    assert not missing, f"{missing}\n{log}"
    return {result.id.removeprefix("integration."): result for result in results}


def not_passed(results: dict[str, CheckResult]) -> dict[str, CheckResult]:
    """The checks that did not pass, those left out that the emulator cannot show."""
    return {
        name: result
        for name, result in results.items()
        if result.outcome != "passed" and result.cause != "not_emulated"
    }
