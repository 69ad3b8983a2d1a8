"""Runs one scenario: Locust as a program of its own, supervised, and its result read back."""

import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from harness import process
from harness.errors import ToolError
from harness.load.generator.channel import FORKED, TOKEN
from harness.load.plan import VARIABLE, Plan, register_secrets
from harness.load.result import LoadResult, read
from harness.network import free_port

STARTUP = 5.0
"""Seconds that a scenario may take beside its load, on a machine that is not overloaded."""
SLACK = 30.0
"""Seconds after which a run that should be over is ended."""
OURS = "gonogo: "
"""What a line begins with that the generator wrote for people."""
_LOCUSTFILE = Path(__file__).with_name("generator") / "locustfile.py"


def load_time(plan: Plan) -> float:
    """The longest that the load itself takes, in seconds: to the time-out of the last request."""
    return plan.warm_up + plan.duration + plan.timeout


def run_scenario(plan: Plan, *, work: Path, budget: float | None = None) -> LoadResult:
    """Run a plan to its end in the folder `work`, which is this scenario's own; `budget` is in seconds.

    Locust's output stays there as ``locust.out`` and ``locust.err``, beside ``result.json`` and ``progress.jsonl``.

    Raises:
        ToolError: Locust could not be started, was ended, failed, or left no result that can be trusted.
    """
    work = work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    result, progress = work / "result.json", work / "progress.jsonl"
    for old in (result, progress):
        old.unlink(missing_ok=True)
    plan = replace(plan, run=uuid4().hex, result=str(result), progress=str(progress))
    register_secrets(plan.url, plan.headers)
    finished = process.run(
        command(plan, port=free_port() if plan.nodes > 1 else None),
        cwd=work,
        output=work,
        name="locust",
        budget=budget if budget is not None else load_time(plan) + SLACK,
        env=environment(plan, work),
    )
    said = _said(finished.tail(20))
    if finished.ended != "exited":
        raise ToolError(
            f"scenario {plan.scenario!r}: Locust was ended after {finished.duration:.0f} s ({finished.ended}){_of(said)}",
            hint=f"see {finished.stderr}; a machine that cannot keep the schedule needs a lower rate",
        )
    if finished.exit_code != 0:
        raise ToolError(
            f"scenario {plan.scenario!r}: Locust ended with exit code {finished.exit_code}{_of(said)}",
            hint=f"see {finished.stderr}",
        )
    return read(result, run=plan.run)


def command(plan: Plan, *, port: int | None = None) -> list[str]:
    """The command that runs a plan. It holds nothing of the plan but the number of users and processes."""
    users = str(plan.nodes if plan.open else plan.users or 1)
    several = ["--processes", str(plan.nodes), "--master-bind-host", "127.0.0.1"] if plan.nodes > 1 else []
    ports = ["--master-host", "127.0.0.1", "--master-bind-port", str(port), "--master-port", str(port)]
    return [
        *(sys.executable, "-P", "-m", "locust", "-f", str(_LOCUSTFILE), "--headless", "--only-summary"),
        *("--users", users, "--spawn-rate", users, "--exit-code-on-error", "0", "--loglevel", "WARNING"),
        *(several + ports if several else []),
    ]


def environment(plan: Plan, work: Path) -> dict[str, str]:
    """This process's environment with the plan, and with nothing that configures Locust.

    Locust reads ``LOCUST_*`` and ``~/.locust.conf``: a user's own settings would bend the run.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    forked = {FORKED: "1", TOKEN: secrets.token_hex(16)} if plan.nodes > 1 else {}
    return {**kept, "HOME": str(work), VARIABLE: plan.to_json(), **forked}


def _said(lines: Sequence[str]) -> str:
    """What the generator said for people, or else the end of what Locust said."""
    ours = [line.removeprefix(OURS) for line in lines if line.startswith(OURS)]
    return "\n".join(ours[-3:] or lines[-5:])


def _of(said: str) -> str:
    return f":\n{said}" if said else " and said nothing"
