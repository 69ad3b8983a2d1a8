"""How many requests does the load gate's own user send, and at what cost, beside Locust's users?

Run it from the checkout with ``python benchmarks/load_throughput.py``; it prints a table, or JSON with ``--json``, and exits 1
where a bound is broken. Every row is Locust with 50 users without think time in one process, on the same server, which answers
fixed bytes from a process of its own and counts what it is asked. The gate's user runs as the gate runs it, with its recording.

Requests a second are the server's count over the time between its first and its last request; CPU is what the operating system
billed to Locust's processes from their start to their end. Rounds take turns; a ratio is that of the two runs of one round.
"""

import argparse
import json
import select
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median

from bench import Bench, cpu_of

USERS = 50
THROUGHPUT, CPU = 1.4, 0.75
"""The bounds: at least so many times FastHttpUser's requests a second, at most so much of its CPU per request."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"


def serve() -> None:
    """Answer on a loopback port of this process's choice; each line that is read tells the counts since the last."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    connections: dict[int, socket.socket] = {}
    poll, first, last, count, cpu = select.epoll(), 0, 0, 0, 0
    for readable in (listener.fileno(), 0):
        poll.register(readable, select.EPOLLIN)
    print(listener.getsockname()[1], flush=True)
    while True:
        for number, _ in poll.poll():
            if sock := connections.get(number):
                asked = answer(sock)
                if asked is None:
                    connections.pop(number).close()
                elif asked:
                    last = time.monotonic_ns()
                    first = first or last
                    count += asked
            elif number:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[sock.fileno()] = sock
                poll.register(sock, select.EPOLLIN)
            elif sys.stdin.readline():
                print(json.dumps([count, last - first, time.process_time_ns() - cpu]), flush=True)
                first, count, cpu = 0, 0, time.process_time_ns()
            else:
                return


def answer(sock: socket.socket) -> int | None:
    """How many requests there were to answer; ``None`` at the connection's end. They come whole: they are small."""
    try:
        data = sock.recv(65536)
        if asked := data.count(b"\r\n\r\n"):
            sock.sendall(ANSWER * asked)
    except ConnectionError:
        return None
    return asked if data else None


@dataclass(frozen=True)
class Run:
    """One run: what the server was asked, what the generator says it sent, and the CPU of both, in seconds."""

    requests: int
    told: int
    seconds: float
    cpu: float
    server_cpu: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of CPU per request."""
        return self.cpu / self.requests * 1e6


def measure(bench: Bench, load: Callable[[], int]) -> Run:
    """Run one of the ways to load."""
    told, cpu = cpu_of(load)
    count, wall, server = bench.counts()
    return Run(count, told, wall / 1e9, cpu, server / 1e9)


def gate(bench: Bench) -> int:
    """How many requests the gate says it sent."""
    result = bench.gate(users=USERS)
    return result.sent + result.warm_up


def main() -> int:
    """Measure, print, and say whether the bounds hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
        return 0
    runs: dict[str, list[Run]] = {"HttpUser": [], "FastHttpUser": [], "gate": []}
    with ExitStack() as stack:
        bench = Bench(__file__, given.seconds, stack)
        loads = {user: partial(lambda user: bench.locust(user, USERS).requests, user) for user in runs}
        for _ in range(given.rounds):
            for user, load in {**loads, "gate": partial(gate, bench)}.items():
                runs[user].append(measure(bench, load))
    return report(runs, as_json=given.json)


def report(runs: dict[str, list[Run]], *, as_json: bool) -> int:
    """Print the medians; 1 where a bound is broken."""
    pairs = list(zip(runs["gate"], runs["FastHttpUser"], strict=True))
    throughput = median(ours.rate / theirs.rate for ours, theirs in pairs)
    cpu = median(ours.cost / theirs.cost for ours, theirs in pairs)
    broken = [
        name
        for name, bad in {
            "requests a second": throughput < THROUGHPUT,
            "CPU per request": cpu > CPU,
            "requests as the server counts them": any(run.told != run.requests for run in runs["gate"]),
        }.items()
        if bad
    ]
    if as_json:
        found = {user: [asdict(run) for run in rows] for user, rows in runs.items()}
        print(json.dumps({"throughput": throughput, "cpu": cpu, "broken": broken, "runs": found}, indent=1))
        return bool(broken)
    print(f"{len(pairs)} rounds, medians        requests/s   CPU µs/request   server's   not reported")
    for user, rows in runs.items():
        rate, cost = median(run.rate for run in rows), median(run.cost for run in rows)
        server = median(run.server_cpu / run.requests * 1e6 for run in rows)
        missing = median(run.requests - run.told for run in rows)
        print(f"{user:<25}{rate:>14,.0f}{cost:>17.1f}{server:>11.1f}{missing:>15,.0f}")
    print(f"{'gate ÷ FastHttpUser':<25}{throughput:>14.2f}{cpu:>17.2f}")
    print(f"{'bound':<25}{f'≥ {THROUGHPUT}':>14}{f'≤ {CPU}':>17}")
    print(f"broken: {', '.join(broken)}" if broken else "every bound holds")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
