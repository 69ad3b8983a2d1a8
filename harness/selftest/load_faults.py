"""Faults of the load gate: what Locust leaves, or what is done to it while it runs."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness.selftest.code_faults import Arrange, plant
from harness.selftest.copies import Copy
from harness.selftest.fault import Came, Fault
from harness.selftest.lab import Lab
from harness.selftest.needs import runs
from harness.selftest.tools import EMPTY, SILENT, TRUNCATED, write_result


def locust(mode: str = "") -> Arrange:
    """A Locust that sends nothing and writes what it is told to."""
    return lambda copy: copy.tools("locust", mode=f"locust={mode}" if mode else "")


def _stale(copy: Copy) -> None:
    locust(SILENT)(copy)
    path = copy.root / "old.json"
    write_result(path, "f" * 32, "api", 100, 5.0)
    plant(copy, "load", {"scenarios/api/result.json": path.read_text()})


class _Quiet(BaseHTTPRequestHandler):
    """Answers well, and has one of the generators killed that ask."""

    protocol_version = "HTTP/1.1"
    killed: "threading.Event"

    def do_GET(self) -> None:
        """Answer; the first one kills the process that asked."""
        if not self.killed.is_set():
            self.killed.set()
            _kill_owner(self.client_address[1])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        with suppress(OSError):  # whoever asked may be the one that was killed
            self.wfile.write(b"ok")

    def handle(self) -> None:
        """Answer until the connection ends, in whatever way."""
        with suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401
        """Say nothing."""


def _kill_owner(port: int) -> None:
    """Kill −9 the process below this one whose connection comes from `port` of this machine."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any(
                each.laddr == ("127.0.0.1", port) and each.raddr for each in process.net_connections("tcp")
            ):
                process.send_signal(signal.SIGKILL)


@contextmanager
def _service() -> Iterator[tuple[int, threading.Event]]:
    killed = threading.Event()
    handler = type("Handler", (_Quiet,), {"killed": killed})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], killed
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _worker_killed(lab: Lab) -> Came:
    with _service() as (port, killed):
        copy = lab.copy("load")
        scenario = {
            **lab.table("load")["scenarios"][0],
            "url": f"http://127.0.0.1:{port}/health",
            "processes": 2,
        }
        copy.set("load", scenarios=[scenario])
        done = copy.gate()
        came = copy.came(done, gate="load")
    if not killed.is_set():
        return Came(came.answer, "", f"no request came, so no worker was killed\n{came.told}")
    return came


def _result(name: str, title: str, mode: str, expect: str, said: str) -> Fault:
    return Fault(name, title, _RESULT, (expect,), said, "load", locust(mode), needs=_load)


_load = runs("load")
_RESULT = "Locust's result"

FAULTS = (
    _result("load-no-requests", "no request was sent", EMPTY, "INCONCLUSIVE", "0 requests were sent"),
    _result("load-nan", "the result says NaN", "nan", "ERROR", "not of the known form"),
    _result("load-truncated", "the result ends in the middle", TRUNCATED, "ERROR", "cannot be read"),
    _result("load-other-run", "the result is another run's", "other-run", "ERROR", "is of another run"),
    _result("load-lost", "a tenth of the requests was lost", "lost", "INCONCLUSIVE", "were lost"),
    _result("load-incomplete", "the result was written before the end", "incomplete", "ERROR", "it is not complete"),
    _result("load-behind", "the generator was behind its schedule", "behind", "INCONCLUSIVE", "behind its schedule"),
    _result("load-silent", "Locust exits 0 and writes nothing", SILENT, "ERROR", "left no result"),
    Fault(
        "load-stale", "an earlier run's result lies there, Locust writes none", _RESULT, ("ERROR",), "left no result",
        "load", _stale, needs=_load,
    ),
    Fault(
        "load-worker-killed", "a worker of Locust is killed", "the generator (a real Locust)", ("ERROR",), "Locust ended",
        inject=_worker_killed, needs=_load,
    ),
)  # fmt: skip
