"""How the integration gate scales: an environment of 100 services, 200 queues and 50 stacks against one a tenth its size.

Run it from the checkout with ``python benchmarks/integration_scale.py``; it prints a table, and JSON with ``--json``. Each
size is provisioned in the embedded stand-in once; the gate's session runs on both in turn, and medians are compared. All
requests are counted by a proxy in front of the emulator, which knows nothing of the engine's own counters.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from harness import local  # noqa: E402
from harness.gates import tables  # noqa: E402
from harness.gates.context import GateContext  # noqa: E402
from harness.model import Phase  # noqa: E402
from harness.profile import Profile  # noqa: E402
from harness.profile.loader import bind, load_profile  # noqa: E402
from harness.run import session  # noqa: E402
from recording_proxy import Proxy, recording  # noqa: E402

LIMIT = 5.0
"""The most that ten times the size may cost in time."""
TENTH, WHOLE = (10, 20, 5), (100, 200, 50)
"""Services, queues, stacks."""


@dataclass(frozen=True)
class Measured:
    """One run of the gate's session: seconds, checks, and how often each operation was asked."""

    seconds: float
    checks: int
    calls: Counter[str]


def profile_text(services: int, queues: int, stacks: int) -> str:
    """A synthetic environment's profile."""
    lines = [
        'description = "Synthetic"',
        "[local]\nstand_in = true",
        '[aws]\naccount = "000000000000"\nendpoint_url = "${AWS_ENDPOINT_URL}"\ncalls = "2000/s"',
        '[phases]\npre-deploy = [["integration"]]',
        '[gates.integration]\nsettle = "5s"',
    ]
    service = '[[ecs.services]]\ncluster = "main"\nservice = "service-{:03}"\nmin_tasks = 2'
    lines += [service.format(number) for number in range(services)]
    lines += [f'[[sqs.queues]]\nqueue = "queue-{number:03}"' for number in range(queues)]
    lines += [f'[[cloudformation.stacks]]\nstack = "Stack-{number:03}"' for number in range(stacks)]
    return "\n".join(lines) + "\n"


def run(profile: Profile, folder: Path, environ: dict[str, str], proxy: Proxy) -> Measured:
    """One session of the gate, as the supervisor starts it."""
    proxy.asked.clear()
    context = GateContext("run", "integration", Phase.PRE_DEPLOY, profile, folder, folder / "run", {})
    context.work.mkdir(parents=True)
    started = time.monotonic()
    child, _ = session.start(context, environ)
    code = child.wait(timeout=600)
    seconds = time.monotonic() - started
    events = [json.loads(line) for line in context.ledger.read_text().splitlines()]
    bad = [event["result"] for event in events if event["event"] == "check"]
    bad = [item for item in bad if item["outcome"] not in ("passed", "skipped")]
    if code not in (0, 1) or bad:  # 1: the stand-in cannot show everything
        raise SystemExit("\n".join(f"{item['id']}: {item['reason']}" for item in bad) or f"exit code {code}")
    checks = sum(event["event"] == "check" for event in events)
    return Measured(seconds, checks, Counter(asked.key for asked in proxy.asked))


def measure(repeat: int) -> dict[str, list[Measured]]:
    """Both sizes, in turn."""
    found: dict[str, list[Measured]] = {"tenth": [], "whole": []}
    sizes = {"tenth": TENTH, "whole": WHOLE}
    for name, size in sizes.items():
        print(f"{name}: {size[0]} services, {size[1]} queues, {size[2]} stacks", file=sys.stderr)
    with tempfile.TemporaryDirectory() as text:
        for turn in range(repeat):
            for name, size in sizes.items():
                folder = Path(text) / f"{name}-{turn}"
                (folder / "profiles").mkdir(parents=True)
                (folder / "profiles" / f"{name}.toml").write_text(profile_text(*size))
                loaded = load_profile(name, tables(), folder=folder / "profiles", environ={})
                with (
                    local.running(loaded, folder / "stand-in") as info,
                    recording(info.environ["AWS_ENDPOINT_URL"]) as proxy,
                ):
                    environ = {**os.environ, **info.environ, "AWS_ENDPOINT_URL": proxy.url}
                    profile = bind(loaded, tables(), environ)
                    found[name].append(run(profile, folder, environ, proxy))
                    print(f"  {name} {turn + 1}: {found[name][-1].seconds:.2f} s", file=sys.stderr)
    return found


def main() -> int:
    """Measure, print, and fail where the limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.repeat)
    seconds = {name: statistics.median(item.seconds for item in runs) for name, runs in found.items()}
    ratio = seconds["whole"] / seconds["tenth"]
    calls = {name: runs[-1].calls for name, runs in found.items()}
    checks = {name: runs[-1].checks for name, runs in found.items()}
    if options.json:
        print(json.dumps({"seconds": seconds, "ratio": ratio, "checks": checks, "calls": calls}, indent=1))
    else:
        print(f"{'':40} {'tenth':>8} {'whole':>8}")
        print(f"{'seconds (median)':40} {seconds['tenth']:8.2f} {seconds['whole']:8.2f}   × {ratio:.2f}")
        print(f"{'checks':40} {checks['tenth']:8} {checks['whole']:8}")
        print(f"{'requests':40} {calls['tenth'].total():8} {calls['whole'].total():8}")
        for key in sorted(calls["whole"]):
            print(f"  {key:38} {calls['tenth'][key]:8} {calls['whole'][key]:8}")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
