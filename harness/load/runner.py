"""Runs one scenario: Locust as a program of its own, supervised, and its result read back."""

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import ToolError
from harness.frozen import replace
from harness.load.plan import VARIABLE, Plan, register_secrets
from harness.load.result import LoadResult, read
from harness.load.workers import LOCUSTFILE, Meeting, bare_environment, here
from harness.masking import mask

SLACK = 30.0
"""Seconds after which a run that should be over is ended."""
_KEPT = 1_000_000
"""Bytes of Locust's output that are kept."""
OURS = "gonogo: "
"""What a line begins with that the generator wrote for people."""


def load_time(plan: Plan) -> float:
    """The longest that the load itself takes, in seconds: to the time-out of the last request."""
    return plan.warm_up + plan.duration + plan.timeout


def run_scenario(
    plan: Plan, *, work: Path, budget: float | None = None, meeting: Meeting | None = None
) -> LoadResult:
    """Run a plan to its end in the folder `work`, which is this scenario's own; `budget` is in seconds.

    Workers elsewhere come to `meeting`; without one, a plan for several nodes runs in as many forks.

    Locust's output stays there as ``locust.out`` and ``locust.err``, beside ``result.json`` and ``progress.jsonl``.

    Raises:
        ToolError: Locust could not be started, was ended, failed, or left no result that can be trusted.
    """
    from uuid import uuid4

    from harness import process

    work = work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    result, progress = work / "result.json", work / "progress.jsonl"
    for old in (result, progress):
        old.unlink(missing_ok=True)
    plan = replace(plan, run=uuid4().hex, result=str(result), progress=str(progress))
    register_secrets(plan.url, plan.headers)
    if meeting is None and plan.nodes > 1:
        meeting = here()
    if meeting:
        plan = replace(plan, start="" if meeting.forked else meeting.start, wait=meeting.wait)
        meeting.require_free()
    finished = process.run(
        command(plan, meeting),
        cwd=work,
        output=work,
        name="locust",
        budget=budget if budget is not None else load_time(plan) + SLACK + (meeting.wait if meeting else 0),
        env=environment(plan, work, meeting),
    )
    for file in (finished.stdout, finished.stderr):
        _mask(file)
    said = _said(finished.tail(20))
    if finished.ended != "exited":
        raise ToolError(
            f"scenario {plan.scenario!r}: Locust was ended after {finished.duration:.0f} s ({finished.ended}){_of(said)}",
            hint=f"see {_short(finished.stderr)}; a machine that cannot keep the schedule needs a lower rate",
        )
    if finished.exit_code != 0:
        raise ToolError(
            f"scenario {plan.scenario!r}: Locust ended with exit code {finished.exit_code}{_of(said)}",
            hint=f"see {_short(finished.stderr)} for all that Locust said",
        )
    return read(result, run=plan.run)


def command(plan: Plan, meeting: Meeting | None = None) -> list[str]:
    """The command that runs a plan. It holds nothing of the plan but the number of users and processes."""
    users = str(plan.nodes if plan.open else plan.users or 1)
    return [
        *(sys.executable, "-P", "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"),
        *("--users", users, "--spawn-rate", users, "--exit-code-on-error", "0", "--loglevel", "WARNING"),
        *(meeting.arguments(plan.nodes) if meeting else []),
    ]


def environment(plan: Plan, work: Path, meeting: Meeting | None = None) -> dict[str, str]:
    """This process's environment with the plan, and with nothing that configures Locust."""
    return {**bare_environment(work), VARIABLE: plan.to_json(), **(meeting.environment() if meeting else {})}


def _mask(file: Path) -> None:
    """What a user's own locustfile prints may hold secrets. Of what has no end, the end is kept."""
    size = file.stat().st_size
    with file.open("rb") as said:
        said.seek(max(0, size - _KEPT))
        raw = said.read()
    text = mask(raw.decode(errors="replace"))
    if size > _KEPT:
        text = f"(the first {size - _KEPT:,} bytes are left out)\n{text.partition(chr(10))[2]}"
    if text.encode() != raw:
        file.write_text(text)


def _short(file: Path) -> Path:
    """As it is found in the run's folder, ``load/scenarios/NAME/locust.err``: whole paths fit no line."""
    return Path(*file.parts[-4:])


def _said(lines: Sequence[str]) -> str:
    """What the generator said for people, or else the end of what Locust said."""
    ours = [line.removeprefix(OURS) for line in lines if line.startswith(OURS)]
    return "\n".join(ours[-3:] or lines[-5:])


def _of(said: str) -> str:
    return f":\n{said}" if said else " and said nothing"
