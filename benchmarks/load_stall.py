"""What does the load gate report of a service that stalls, beside what a closed loop does?

Run it from the checkout with ``python benchmarks/load_stall.py``; it prints a table, or JSON with ``--json``, and exits 1 where a
bound is broken. The server freezes for 2 s in every 5 s: whatever arrives in the freeze is answered at its end; every answer takes
10 ms. The gate sends 200 requests a second for 15 s on its schedule; plain Locust has ten users that aim at 20 a second each.

The truth is what uniform arrivals meet: over whole periods it does not depend on when in a period they begin. The server's own
log of the gate's requests is shown beside it.
"""

import argparse
import asyncio
import json
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from statistics import fmean, median

from bench import Bench

FREEZE, PERIOD, SERVICE = 2.0, 5.0, 0.01
"""Seconds."""
RATE, DURATION = 200, 15.0
MEAN, P95 = 0.05, 0.02
"""The bounds: how far off the truth the gate's figures may be."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def p95(times: list[float]) -> float:
    """By nearest rank."""
    return sorted(times)[-(-95 * len(times) // 100) - 1]


def delay(moment: float) -> float:
    """How long a request that arrives at `moment` of the server's clock takes."""
    into = moment % PERIOD
    return SERVICE + max(0.0, FREEZE - into)


class Server(asyncio.Protocol):
    """Answers each connection's requests, one at a time."""

    delays: list[float]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A new connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, _data: bytes) -> None:
        """A request; they come whole, as they are small."""
        loop = asyncio.get_running_loop()
        arrived = loop.time()
        self.delays.append(delay(arrived))
        loop.call_at(arrived + delay(arrived), self._transport.write, ANSWER)


async def serve() -> None:
    """Answer on a loopback port of this process's choice; each line that is read tells the delays since the last."""
    Server.delays = []
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)

    def tell() -> None:
        if not sys.stdin.readline():
            over.set()
            return
        print(json.dumps(Server.delays), flush=True)
        Server.delays = []

    loop.add_reader(0, tell)
    await over.wait()


@dataclass(frozen=True)
class Seen:
    """Mean and 95th percentile in milliseconds, of so many requests."""

    requests: int
    mean: float
    p95: float

    def off(self, truth: "Seen") -> tuple[float, float]:
        """The errors of both, relative to the truth."""
        return self.mean / truth.mean - 1, self.p95 / truth.p95 - 1


def seen(times: list[float]) -> Seen:
    """Of times in seconds."""
    return Seen(len(times), fmean(times) * 1000, p95(times) * 1000)


def uniform() -> Seen:
    """The truth: the middle of each arrival's share of the period."""
    return seen([delay((index + 0.5) / RATE) for index in range(int(RATE * DURATION))])


def gate(bench: Bench) -> tuple[Seen, Seen]:
    """What the gate reports, and the server's log of it."""
    result = bench.gate(rate=float(RATE))
    latency = result.latency
    told = Seen(result.sent, latency.total / latency.count / 1e6, latency.percentiles["p95"] / 1e6)
    return told, seen(bench.counts())


def closed(bench: Bench) -> Seen:
    """What plain Locust reports."""
    told = bench.locust("FastHttpUser", 10, "wait_time = constant_throughput(20)")
    bench.counts()
    return Seen(told.requests, told.mean, told.p95)


def main() -> int:
    """Measure, print, and say whether the bounds hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve())
        return 0
    rows: dict[str, list[Seen]] = {"gate": [], "server's log": [], "closed loop": []}
    with ExitStack() as stack:
        bench = Bench(__file__, DURATION, stack)
        for _ in range(given.rounds):
            for name, one in zip(("gate", "server's log"), gate(bench), strict=True):
                rows[name].append(one)
            rows["closed loop"].append(closed(bench))
    return report(rows, uniform(), as_json=given.json)


def report(rows: dict[str, list[Seen]], truth: Seen, *, as_json: bool) -> int:
    """Print the medians; 1 where a bound is broken."""
    errors = {
        name: [
            median(abs(error) for error in column)
            for column in zip(*(one.off(truth) for one in ones), strict=True)
        ]
        for name, ones in rows.items()
    }
    mean, tail = errors["gate"]
    sent = all(one.requests == truth.requests for one in rows["gate"])
    broken = [
        name
        for name, bad in {"mean": mean > MEAN, "p95": tail > P95, "every arrival is sent": not sent}.items()
        if bad
    ]
    if as_json:
        found = {name: [asdict(one) for one in ones] for name, ones in rows.items()}
        print(
            json.dumps({"truth": asdict(truth), "errors": errors, "broken": broken, "runs": found}, indent=1)
        )
        return bool(broken)
    print(f"{len(rows['gate'])} rounds, medians   requests   mean ms      off    p95 ms      off")
    print(f"{'truth':<19}{truth.requests:>11,}{truth.mean:>10.1f}{truth.p95:>19.1f}")
    for name, ones in rows.items():
        requests, average = median(one.requests for one in ones), median(one.mean for one in ones)
        print(
            f"{name:<19}{requests:>11,.0f}{average:>10.1f}{errors[name][0]:>9.1%}"
            f"{median(one.p95 for one in ones):>10.1f}{errors[name][1]:>9.1%}"
        )
    print(f"{'bound':<19}{f'≤ {MEAN:.0%}':>30}{f'≤ {P95:.0%}':>19}")
    print(f"broken: {', '.join(broken)}" if broken else "every bound holds")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
