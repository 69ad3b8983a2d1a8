"""Locustfiles of a user's own: they run unchanged, what they send is counted, and what is wrong with them is said."""

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ProfileError, ToolError
from harness.load.diagnosis import hint, lines, summary
from harness.load.result import Kind, LoadResult
from harness.load.runner import run_scenario
from harness.load.scenario import Scenario
from harness.load.validity import invalid_reasons
from harness.shapes import ValidationError

Run = Callable[..., LoadResult]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Write a locustfile below a folder, and run it from there."""
    root = tmp_path / "root"
    (root / "load").mkdir(parents=True)
    monkeypatch.chdir(root)

    def go(url: str, text: str, *, hosts: tuple[str, ...] = (), **values: Any) -> LoadResult:
        (root / "load" / "checkout.py").write_text(text)
        given = {"users": 3, "duration": 1.0, "timeout": 1.0, "stop_early": False, **values}
        one = Scenario(name="shop", locustfile="load/checkout.py", host=url, **given)
        return run_scenario(one.plan({}, allowed_hosts=hosts), work=tmp_path / "work")

    return go


def base(server: Any) -> str:
    return str(server.url.removesuffix("/path"))


async def slow(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.01)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


# What runs


SHOPPERS = """
from pathlib import Path

import gevent
import parts  # beside the file's folder, where the command runs
from locust import FastHttpUser, HttpUser, constant, events, tag, task

SEEN = []
print("password=hunter2-and-more")
Path("ran.txt").write_text("from here")


@events.init.add_listener
def _(environment, **kwargs):
    SEEN.append(environment.host)


@events.test_start.add_listener
def _(**kwargs):
    Path("started.txt").write_text(str(SEEN))


@events.test_stop.add_listener
def _(**kwargs):
    gevent.sleep(0.5)
    Path("stopped.txt").write_text("yes")


class Fast(FastHttpUser):
    wait_time = constant(0.02)
    fixed_count = 2

    def on_start(self):
        self.client.get("/login")

    @task
    def look(self):
        self.client.get(parts.PATH, name="/item")


class Plain(HttpUser):
    wait_time = constant(0.02)

    @task
    def buy(self):
        self.client.post("/buy", json={"a": 1})
        with self.client.get("/check", catch_response=True) as response:
            if response.text != "fine":
                response.failure("not fine: " + response.text)
"""


def test_their_users_run_unchanged_and_are_counted(serve: Any, run: Run, tmp_path: Path) -> None:
    async def drains(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    server = serve(drains)
    (tmp_path / "root" / "parts.py").write_text('PATH = "/item/1"\n')
    result = run(base(server), SHOPPERS, warm_up=0.3)
    steps = {name: (step.sent, step.failed) for name, step in result.steps.items()}
    assert steps.keys() == {"GET /item", "POST /buy", "GET /check"}
    assert server.count == result.sent + result.warm_up
    assert sum(sent for sent, _ in steps.values()) == result.sent == result.completed
    assert sum(head.startswith(b"GET /login") for head in server.heads) == 2
    assert steps["GET /check"][0] == steps["GET /check"][1] == result.failures[Kind.CONTENT] > 5
    assert steps["GET /item"][1] == steps["POST /buy"][1] == 0
    assert result.latency.count == result.succeeded == result.sent - steps["GET /check"][0]
    assert "not fine: ok" in result.first_failures[0].detail
    assert (result.model, result.planned) == ("closed", None)
    assert invalid_reasons(result) == ()
    assert "before or after the time that counts" in summary(result)["model"]
    assert "  GET /check: " in "\n".join(lines(result))
    assert "password=****" in (tmp_path / "work" / "locust.out").read_text()
    root = tmp_path / "root"
    assert (root / "ran.txt").read_text() == "from here"
    assert (root / "started.txt").read_text() == str([base(server)])
    assert (root / "stopped.txt").exists()


OWN = """
import gevent
from locust import User, constant, task

class Custom(User):
    wait_time = constant(0.05)

    @task
    def ask(self):
        self.environment.events.request.fire(
            request_type="RPC", name="ask", response_time=12.5, response_length=3, exception=None, context={}
        )
        gevent.sleep(0.4)
        self.environment.events.request.fire(
            request_type="RPC", name="tell", response_time=400, response_length=None, exception=None
        )
        for number in range(3):
            self.environment.events.request.fire(
                request_type="RPC", name=f"many {number}",
                response_time=1, response_length=0, exception=OSError("no"),
            )
"""


def test_users_with_a_client_of_their_own(serve: Any, run: Run) -> None:
    result = run(base(serve()), OWN, timeout=0.3, duration=1.5)
    asked, told = result.steps["RPC ask"], result.steps["RPC tell"]
    assert (asked.failed, asked.latency.least, asked.latency.most) == (0, 12_500_000, 12_500_000)
    assert told.failed == told.sent == result.timed_out >= 3, "later than the timeout"
    assert result.latency.most == 300_000_000
    assert result.failures[Kind.OTHER] == 3 * asked.sent
    assert result.sent == 4 * asked.sent + told.sent
    assert len(result.steps) <= 5


@pytest.mark.slow
def test_names_and_errors_without_end_are_bounded(serve: Any, run: Run) -> None:
    text = """
from itertools import count
from locust import User, constant, task

NUMBERS = count()

class Custom(User):
    wait_time = constant(0.2)

    @task
    def ask(self):
        for _ in range(600):
            number = next(NUMBERS)
            self.environment.events.request.fire(
                request_type="RPC", name=f"item {number}", response_time=1, response_length=0, exception=OSError(number)
            )
        raise ValueError(number)
"""
    result = run(base(serve()), text, duration=1.5)
    assert len(result.steps) == 201
    assert result.steps["(all other names)"].sent > 1000
    assert sum(step.sent for step in result.steps.values()) + result.failures[Kind.TASK] == result.sent


def test_a_request_at_the_end_may_end(serve: Any, run: Run) -> None:
    async def takes_its_time(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.7)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server = serve(takes_its_time)
    result = run(base(server), USER.replace("BODY", 'self.client.get("/")'))
    assert server.count == result.sent + result.warm_up
    assert result.sent == result.completed == result.succeeded >= 3
    assert result.latency.most is not None
    assert result.latency.most > 700_000_000


USER = """
import gevent
from locust import HttpUser, FastHttpUser, User, constant, task

class Shopper(HttpUser):
    wait_time = constant(0)

    @task
    def buy(self):
        BODY
"""


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("HttpUser", marks=pytest.mark.slow),
        pytest.param("FastHttpUser", marks=pytest.mark.slow),
        "User",
    ],
)
def test_what_is_open_after_the_timeout_is_lost(serve: Any, run: Run, kind: str) -> None:
    async def never(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    server = serve(never)
    body = "gevent.sleep(60)" if kind == "User" else 'self.client.get("/", timeout=60)'
    if kind == "FastHttpUser":
        body = 'self.client.get("/")'
    text = USER.replace("BODY", body).replace("Shopper(HttpUser)", f"Shopper({kind})")
    began = time.monotonic()
    # Their requests begin with the users, before the time that counts: so the first ones are answered.
    result = run(base(server), text.replace("constant(0)", "constant(0)"), timeout=0.5, users=2)
    assert time.monotonic() - began < 40
    if kind == "User":
        assert (result.sent, result.completed) == (2, 0)
        assert "2 were lost" in invalid_reasons(result)[0]
        assert "2 requests had no end when the timeout" in lines(result)[0]
    else:
        assert (server.count, result.sent, result.warm_up) == (2, 0, 2)
        assert invalid_reasons(result) == ("no request was sent",)


@pytest.mark.slow
def test_lost_requests_of_the_time_that_counts(serve: Any, run: Run) -> None:
    async def never_from_the_third(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        if index > 4:
            await asyncio.Event().wait()
        await asyncio.sleep(0.1)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server = serve(never_from_the_third)
    result = run(base(server), USER.replace("BODY", 'self.client.get("/")'), timeout=0.5, users=2)
    assert result.sent + result.warm_up == server.count == 6
    assert result.sent - result.completed == 2
    assert "2 were lost" in invalid_reasons(result)[0]


def test_a_time_limit_of_their_own(serve: Any, run: Run) -> None:
    async def never(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    body = 'with gevent.Timeout(0.15, False):\n            self.client.get("/")'
    server = serve(never)
    result = run(base(server), USER.replace("BODY", body))
    assert result.timed_out == result.sent == result.failures[Kind.TIMEOUT] >= 3
    assert result.sent <= server.count <= result.sent + result.warm_up
    assert result.latency.most is not None
    assert result.latency.most < 500_000_000


def test_failures_have_their_kinds(serve: Any, run: Run) -> None:
    async def odd(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        if b" /status" in head:
            writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
        elif b" /close" in head:
            writer.close()
        elif b" /never" in head:
            await asyncio.sleep(0.3)
            writer.close()
        else:
            writer.write(b"nonsense\r\n\r\n")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{taken.getsockname()[1]}"
        paths = "\n        ".join(
            f'self.client.get("{path}", name="{name}"{more})'
            for path, name, more in (
                ("/status", "status", ""),
                ("/close", "closed", ""),
                ("/never", "timeout", ", timeout=0.1"),
                ("/", "protocol", ""),
                (f"http://{closed}/", "refused", ""),
                ("http://nowhere.invalid/", "dns", ""),
            )
        )
        text = USER.replace("BODY", paths).replace("constant(0)", "constant(0.05)")
        text += (
            text[text.index("class") :]
            .replace("Shopper(HttpUser)", "Fast(FastHttpUser)")
            .replace(", timeout=0.1", "")
        )
        text = text.replace('name="', 'name="http ').replace("class Fast", "class Fast", 1)
        result = run(
            base(serve(odd)), text, hosts=(closed, "nowhere.invalid"), users=4, duration=1.5, timeout=6.0
        )
    kinds = {kind for kind, number in result.failures.items() if number}
    assert kinds >= {Kind.STATUS, Kind.CLOSED, Kind.REFUSED, Kind.DNS, Kind.TIMEOUT}, result.first_failures
    assert result.succeeded == 0
    assert invalid_reasons(result) == ()


def test_tasks_that_raise_beside_requests_count_as_failures(serve: Any, run: Run) -> None:
    body = 'self.client.get("/")\n        assert False, "no stock"'
    server = serve(slow)
    result = run(base(server), USER.replace("BODY", body))
    raised = result.failures[Kind.TASK]
    assert raised > 0
    assert sum(step.sent for step in result.steps.values()) + raised == result.sent
    assert server.count + raised <= result.sent + result.warm_up <= server.count + 2 * raised
    assert result.first_failures[0].detail == "load/checkout.py:11: AssertionError: no stock"
    assert "tasks of the locustfile raise" in hint(result)


# What is wrong with them


NEVER = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "def broken(:\n",
            "load/checkout.py cannot be loaded: load/checkout.py:1: SyntaxError: invalid syntax",
        ),
        pytest.param(
            "\nimport locust\nimport nowhere_to_be_found\n",
            "load/checkout.py:3: ModuleNotFoundError: No module named 'nowhere_to_be_found'",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "x = 1\n\nraise ValueError('not today')\n",
            "load/checkout.py:3: ValueError: not today",
            marks=pytest.mark.slow,
        ),
        ("import sys\nsys.exit('bye')\n", "load/checkout.py:2: SystemExit: bye"),
        ("x = 1\n", "load/checkout.py defines no User class"),
        (
            USER.replace("BODY", "pass")
            + "\nfrom locust import LoadTestShape\nclass Steps(LoadTestShape):\n    def tick(self):\n        return None\n",
            "defines the load shape Steps",
        ),
        (
            USER.replace("BODY", "raise KeyError('token')"),
            "makes no request, and its tasks raise",
        ),
        pytest.param(
            USER.replace("constant(0)", "constant(0.5)").replace("BODY", "raise KeyError('token')"),
            "made no request, and its tasks raised",
            marks=pytest.mark.slow,
        ),
        (
            USER.replace("BODY", "pass") + "    def on_start(self):\n        raise KeyError('token')\n",
            "a user of load/checkout.py could not start: load/checkout.py:12: KeyError: 'token'",
        ),
        pytest.param(
            USER.replace("BODY", "pass")
            + "    def __init__(self, environment):\n        raise KeyError('token')\n",
            "a user of load/checkout.py cannot be made: load/checkout.py:12: KeyError: 'token'",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            USER.replace("BODY", "from locust.exception import StopUser; raise StopUser"),
            "all users of load/checkout.py have ended before the scenario has",
            marks=pytest.mark.slow,
        ),
        (
            USER.replace(
                "BODY",
                "self.environment.events.request.fire(request_type='a', name='b', response_time=float('nan'), "
                "response_length=0, exception=None)",
            ),
            "cannot be counted: ValueError: its response_time is nan",
        ),
    ],
)
def test_what_is_wrong_is_said(run: Run, text: str, said: str) -> None:
    began = time.monotonic()
    with pytest.raises(ToolError) as caught:
        run(NEVER, text, duration=2.0)
    assert said in caught.value.message
    assert "Locust ended with exit code" in caught.value.message
    if "token" in text:
        assert "load/checkout.py:" in caught.value.message
    assert time.monotonic() - began < 40


@pytest.mark.parametrize(
    "text",
    [
        USER.replace("BODY", "while True:\n            pass"),
        pytest.param("import time\nwhile True:\n    pass\n", marks=pytest.mark.slow),
    ],
)
def test_a_loop_that_never_yields(run: Run, text: str) -> None:
    began = time.monotonic()
    with pytest.raises(ToolError, match=r"load/checkout\.py:(10|11|2|3) has let nothing else run for"):
        run(NEVER, text, duration=20.0)
    assert time.monotonic() - began < 45


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('self.client.get("http://evil.example/")', "reaches for evil.example, which"),
        pytest.param(
            'self.client.get("http://127.0.0.1:OTHER/")',
            "reaches for 127.0.0.1, port OTHER, which",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            'import urllib.request; urllib.request.urlopen("http://evil.example/")',
            "reaches for evil.example",
            marks=pytest.mark.slow,
        ),
        (
            'import _socket; s = _socket.socket(); s.settimeout(1); s.connect(("127.0.0.1", OTHER))',
            "reaches for 127.0.0.1, port OTHER",
        ),
        pytest.param(
            'import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(b"x", ("127.0.0.1", OTHER))',
            "reaches for 127.0.0.1, port OTHER",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_only_allowed_hosts_are_reached(serve: Any, run: Run, body: str, said: str) -> None:
    server, other = serve(slow), serve(slow)
    port = str(other.port)
    text = USER.replace("BODY", f'self.client.get("/")\n        {body.replace("OTHER", port)}')
    with pytest.raises(ToolError) as caught:
        run(base(server), text, duration=5.0)
    assert said.replace("OTHER", port) in caught.value.message
    assert f"gates.load.allowed_hosts is 127.0.0.1:{server.port}" in caught.value.message
    assert other.count == 0


def test_hosts_that_are_allowed_are_reached(serve: Any, run: Run) -> None:
    other = serve(slow)
    body = f'self.client.get("http://localhost:{other.port}/")'
    result = run(base(serve(slow)), USER.replace("BODY", body), hosts=(f"localhost:{other.port}",))
    assert other.count == result.sent + result.warm_up > 0
    assert result.succeeded == result.sent


def test_not_even_while_it_is_imported(serve: Any, run: Run) -> None:
    other = serve(slow)
    text = f'import socket\nsocket.create_connection(("127.0.0.1", {other.port}))\n'
    with pytest.raises(ToolError, match=rf"cannot be loaded: .* reaches for 127.0.0.1, port {other.port}"):
        run(NEVER, text)
    assert other.connections == 0


@pytest.mark.slow
def test_a_task_that_raises_for_long_fills_no_disk(serve: Any, run: Run, tmp_path: Path) -> None:
    text = USER.replace("BODY", 'self.client.get("/")\n        raise ValueError(f"no. {id(object())}")')
    run(base(serve(slow)), text, users=20)
    assert (tmp_path / "work" / "locust.err").stat().st_size < 40_000


def test_what_no_scenario_with_a_locustfile_may_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {"name": "shop", "locustfile": "load/checkout.py", "host": "https://example.com"}
    for values, said in (
        ({"users": None, "rate": 5.0}, "a locustfile needs users"),
        ({"users": 2, "think_time": 1.0}, "its users wait as it says"),
        ({"users": 2, "host": ""}, "locustfile needs host"),
        ({"users": 2, "processes": 2}, "locustfile does not take processes"),
        ({"users": 2, "url": "https://example.com"}, "it has url and locustfile"),
    ):
        with pytest.raises(ValidationError, match=said):
            Scenario(**{**given, **values})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProfileError, match=r"\[shop\].locustfile: there is no file load/checkout.py in "):
        Scenario(**given, users=2).plan({})
