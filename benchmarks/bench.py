"""What the load benchmarks share: a server in a process of its own, the gate's load, and plain Locust's."""

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from harness.load.plan import Plan  # noqa: E402
from harness.load.result import LoadResult  # noqa: E402
from harness.load.runner import run_scenario  # noqa: E402

LOCUSTFILE = """
import json
from locust import {user}, constant_throughput, events, task

class Visitor({user}):
    {wait}

    @task
    def visit(self):
        self.client.get("/")

@events.quitting.add_listener
def tell(environment, **_):
    total = environment.stats.total
    with open("told.json", "w") as file:
        json.dump([total.num_requests, total.avg_response_time, total.get_response_time_percentile(0.95)], file)
"""


@dataclass(frozen=True)
class Told:
    """What Locust itself says of a run; times in milliseconds."""

    requests: int
    mean: float
    p95: float


class Bench:
    """A server, and the ways to load it. `seconds` is how long each load takes.

    The server is the benchmark's own file, run with ``--serve``: it prints its port, and tells its counts as a line of JSON, from
    the last time on, for each line that it reads.
    """

    def __init__(self, file: str, seconds: float, stack: ExitStack) -> None:
        self._seconds = seconds
        self._work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        command = [sys.executable, file, "--serve"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._server = stack.enter_context(subprocess.Popen(command, text=True, **pipes))
        stack.callback(self._server.stdin.close)
        self._url = f"http://127.0.0.1:{int(self._server.stdout.readline())}"

    def counts(self) -> Any:
        """What the server has seen since it was last asked."""
        self._server.stdin.write("\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def gate(self, **load: Any) -> LoadResult:
        """The load gate, as it runs a scenario."""
        fixed = {"run": "", "scenario": "benchmark", "result": "", "progress": "", "late_after": 0.005}
        plan = Plan(**fixed, url=f"{self._url}/", duration=self._seconds, timeout=10.0, **load)
        return run_scenario(plan, work=self._work / "gate")

    def locust(self, user: str, users: int, wait: str = "") -> Told:
        """Plain Locust; `wait` is a line of its user."""
        (self._work / "locustfile.py").write_text(LOCUSTFILE.format(user=user, wait=wait))
        command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--host", self._url]
        command += ["-u", str(users), "-r", str(users), "-t", f"{self._seconds:g}s"]
        command += ["--exit-code-on-error", "0"]
        subprocess.run(command, cwd=self._work, check=True, capture_output=True)
        return Told(*json.loads((self._work / "told.json").read_text()))


def cpu_of(load: Callable[[], Any]) -> tuple[Any, float]:
    """What `load` returns, and the CPU seconds of the processes that it ran, from their start to their end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = load()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
