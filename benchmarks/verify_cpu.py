"""What does a deploy step pay for `gonogo verify`, as a multiple of starting Python?

Run it from the checkout with ``python benchmarks/verify_cpu.py``; it prints a table, or JSON with ``--json``, and exits 1 above the
bound. The shipped staging profile with a signer in it is asked about a GO that accounts for all of its checks, with evidence,
figures and facts as a run leaves them, signed with Ed25519. CPU is what the operating system billed to each process, user and
system; rounds take turns, and the ratio is of the medians. Modules come from compiled bytecode, as an installer leaves them.

``--python`` names another interpreter, such as that of a base install.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from harness import __version__  # noqa: E402
from harness.gates import plan, tables  # noqa: E402
from harness.gates.load import LoadConfig  # noqa: E402
from harness.model import (  # noqa: E402
    CheckResult,
    Evidence,
    ExpectedCheck,
    GateRun,
    Measurement,
    Outcome,
    Phase,
    Record,
    SessionEnd,
    Subject,
    Unit,
)
from harness.policy import decide  # noqa: E402
from harness.profile import Profile  # noqa: E402
from harness.profile.digest import policy_digest, policy_document  # noqa: E402
from harness.profile.loader import load_profile  # noqa: E402
from harness.profile.public_key import KeyKind  # noqa: E402
from harness.verdict.info import RunInfo, image_check, policy_uri, resource_uri, rules  # noqa: E402
from harness.verdict.reading import encode  # noqa: E402
from harness.verdict.signing import FileKey, new_private, public_of, sign_verdict  # noqa: E402
from harness.verdict.statement import build  # noqa: E402

BOUND = 15.0
"""At most so many times the CPU of ``python -c pass``."""
DIGEST = "a" * 64
PHASE = Phase.PRE_DEPLOY
PROFILE = """extends = "staging"

[policy.signing]
signers = [{{ name = "ci", key = "{key}" }}]
"""
SCRIPT = """import re
import sys
from harness.cli import main
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit(main())
"""
"""What pip installs as ``gonogo``."""


@dataclass(frozen=True)
class Found:
    """CPU in milliseconds, medians; `checks` and `bytes` say how large the verdict is."""

    python: float
    verify: float
    ratio: float
    rounds: int
    checks: int
    bytes: int


def result_of(check: ExpectedCheck, profile: Profile, at: datetime) -> CheckResult:
    """A pass as the suites report it: what was judged is evidence, what was compared a figure."""
    path = f"{check.gate}/evidence/{check.id.replace('[', '-').rstrip(']')}/state.json"
    figures, thresholds = [Measurement.of("found", 3, sample=1)], []
    if check.gate == "load":
        scenarios = profile.gate("load", LoadConfig).scenarios
        measured = Measurement.of("success_rate", Fraction(1), Unit.RATIO, sample=600)
        figures.append(measured)
        thresholds = [
            rule.judge(measured)
            for scenario in scenarios
            if scenario.name == check.resource
            for rule in scenario.rules
            if rule.metric == "success_rate"
        ]
    return CheckResult(
        check.id,
        check.gate,
        Outcome.PASSED,
        title=f"{check.id.partition('[')[0]} as the profile declares it",
        resource=check.resource,
        measurements=tuple(figures),
        thresholds=tuple(thresholds),
        evidence=(
            Evidence("state.json", path, hashlib.sha256(path.encode()).hexdigest(), 613, "application/json"),
        ),
        facts={"read": "2026-11-02T12:00:00Z"},
        started=at,
        duration=0.0123,
    )


def verdict_of(profile: Profile) -> tuple[bytes, int]:
    """The statement of a GO of a moment ago, and how many checks it accounts for."""
    gates, checks = plan(profile, PHASE)
    now = datetime.now(UTC).replace(microsecond=0)
    started = now - timedelta(minutes=5)
    images = dict.fromkeys(profile.app.images, "v1.0.0")
    expected = (*checks, *(image_check(name) for name in images))
    runs = tuple(
        GateRun(
            gate.name,
            SessionEnd.COMPLETED,
            collected=tuple(check.id for check in expected if check.gate == gate.name),
            exit_code=0,
            duration=20.5,
            memory=180_000_000,
        )
        for gate in gates
    )
    results = tuple(result_of(check, profile, started) for check in expected)
    record = Record(rules(profile), gates, expected, runs, results, at=started)
    info = RunInfo(
        run_id="20261102T115500Z-4f1c22",
        profile=profile.name,
        phase=PHASE,
        resource_uri=resource_uri(profile),
        subjects=(
            Subject("source", {"gitCommit": "c" * 40}),
            *(Subject(name, {"sha256": DIGEST}) for name in images),
        ),
        started=started,
        policy_digest=policy_digest(policy_document(profile, gates, checks)),
        policy_uri=policy_uri(profile),
        version=__version__,
        images=images,
    ).ended(now, profile.policy.max_age)
    return encode(build(info, record, decide(record))), len(results)


@contextmanager
def deploy_step() -> Iterator[tuple[list[str], Path, int, int]]:
    """What a deploy step calls, where, and how large the verdict is: checks, bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        private = new_private(KeyKind.ED25519)
        key = FileKey(public_of(private), private)
        (folder / "profiles").mkdir()
        (folder / "profiles" / "staging.toml").write_text(PROFILE.format(key=public_of(private).text))
        profile = load_profile("staging", tables(), folder=folder / "profiles", environ={})
        raw, checks = verdict_of(profile)
        signed = sign_verdict(raw, [key], profile.policy.signing)
        (folder / "verdict.json").write_bytes(signed)
        (folder / "gonogo").write_text(SCRIPT)
        images = [f"--image={name}@sha256:{DIGEST}" for name in profile.app.images]
        yield (
            ["gonogo", "verify", "-p", "staging", *images, "--verdict", "verdict.json"],
            folder,
            checks,
            len(signed),
        )


def cpu_of(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    """CPU milliseconds of one process.

    Raises:
        SystemExit: it failed, so that its time means nothing.
    """
    # A fork of this process would be billed for its memory; `subprocess` starts without one.
    child = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, close_fds=False)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return (used.ru_utime + used.ru_stime) * 1000


def measure(python: str, rounds: int) -> Found:
    """Both in turn."""
    with deploy_step() as (arguments, folder, checks, size):
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COVERAGE"))
        }
        environment |= {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        commands = {"python": [python, "-c", "pass"], "verify": [python, *arguments]}
        times: dict[str, list[float]] = {name: [] for name in commands}
        for command in commands.values():  # the first time compiles
            cpu_of(command, folder, environment)
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(cpu_of(command, folder, environment))
        base, verify = median(times["python"]), median(times["verify"])
        return Found(base, verify, verify / base, rounds, checks, size)


def main() -> None:
    """Measure, print, exit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.rounds < 5:
        parser.error("fewer than 5 rounds say little")
    found = measure(options.python, options.rounds)
    if options.json:
        print(json.dumps({**asdict(found), "bound": BOUND}))
    else:
        print(
            f"verdict of {found.checks} checks, {found.bytes:,} bytes, medians of {found.rounds} rounds in turn"
        )
        print(f"python -c pass  {found.python:7.1f} ms")
        print(f"gonogo verify   {found.verify:7.1f} ms   × {found.ratio:.2f}, at most {BOUND:g}")
    sys.exit(found.ratio > BOUND)


if __name__ == "__main__":
    main()
