"""Do two workers decide and measure as one does, on the same traffic?

Run it from the checkout with ``python benchmarks/load_workers.py``; it prints a table, or JSON with ``--json``, and exits 1 where a
bound is broken. How long an answer takes, and whether it is an error, are functions of the request's number; the server logs how
long each really took. One process and two take turns.

The bound on percentiles is the buckets' width, 0.4 %, beside what two runs of one process differ by on this machine: the largest
of their differences, measured in the same run.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from harness.load.plan import Plan
from harness.load.result import LoadResult
from harness.load.runner import run_scenario

RATE, DURATION = 100.0, 5.0
PERCENTILES = ("p50", "p90", "p95", "p99")
BUCKET = 0.005
RULES = ("success_rate >= 95%", "error_rate <= 15%")


class Server:
    """Answers number i after 0.1 to 0.5 s; every tenth is an error."""

    def __init__(self) -> None:
        self.count = 0
        self._loop = asyncio.new_event_loop()
        listening = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = self._loop.run_until_complete(listening)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.count += 1
                index = self.count
                await asyncio.sleep(0.1 + 0.002 * (index * 37 % 200))
                status = 503 if index % 10 == 0 else 200
                writer.write(b"HTTP/1.1 %d OK\r\nContent-Length: 0\r\n\r\n" % status)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()


@dataclass(frozen=True)
class Row:
    """One run: its counts, the server's, the decision, and percentiles in milliseconds."""

    workers: int
    sent: int
    counted: int
    succeeded: int
    decision: tuple[str, ...]
    percentiles: dict[str, float]


def row(workers: int) -> Row:
    """Run once with so many workers, against a server of its own."""
    server = Server()
    plan = Plan(
        run="",
        scenario="workers",
        url=server.url,
        result="",
        progress="",
        duration=DURATION,
        timeout=2.0,
        late_after=0.025,
        rate=RATE,
        nodes=workers,
        rules=RULES,
        stop_early=False,
    )
    with tempfile.TemporaryDirectory() as folder:
        result: LoadResult = run_scenario(plan, work=Path(folder))
    return Row(
        workers,
        result.sent,
        server.count,
        result.succeeded,
        tuple(judged.state for judged in result.judged),
        {name: result.latency.percentiles[name] / 1e6 for name in PERCENTILES},
    )


def spread(rows: list[Row], name: str) -> float:
    """How far apart runs of the same kind are, as a share."""
    values = [each.percentiles[name] for each in rows]
    return max(values) / min(values) - 1


def broken(one: list[Row], two: list[Row]) -> list[str]:
    """Which bounds do not hold."""
    found = []
    for each in one + two:
        if each.sent != each.counted:
            found.append(f"{each.workers} workers: {each.sent} reported, {each.counted} counted")
        if (each.sent, each.succeeded, each.decision) != (one[0].sent, one[0].succeeded, one[0].decision):
            found.append(f"{each.workers} workers come to {each.succeeded} of {each.sent}, {each.decision}")
    for name in PERCENTILES:
        alone, together = (median(each.percentiles[name] for each in rows) for rows in (one, two))
        if abs(together / alone - 1) > BUCKET + spread(one, name):
            found.append(f"{name}: {together:.1f} ms of two workers, {alone:.1f} ms of one")
    return found


def main() -> int:
    """Run, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = [row(workers) for _ in range(given.runs) for workers in (1, 2)]
    one, two = ([each for each in rows if each.workers == workers] for workers in (1, 2))
    wrong = broken(one, two)
    if given.json:
        print(json.dumps({"runs": [asdict(each) for each in rows], "broken": wrong}))
        return 1 if wrong else 0
    print(
        f"{'median of ' + str(given.runs):<24}{'one worker':>12}{'two workers':>13}{'difference':>12}{'runs of one':>13}"
    )
    for name in PERCENTILES:
        alone, together = (median(each.percentiles[name] for each in kind) for kind in (one, two))
        print(
            f"{name + ', ms':<24}{alone:>12.2f}{together:>13.2f}{together / alone - 1:>+12.2%}{spread(one, name):>13.2%}"
        )
    print(
        f"{'sent / counted':<24}{f'{one[0].sent} / {one[0].counted}':>12}{f'{two[0].sent} / {two[0].counted}':>13}"
    )
    print(f"{'decision':<24}{', '.join(one[0].decision):>12}{', '.join(two[0].decision):>13}")
    for each in wrong:
        print(f"broken: {each}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
