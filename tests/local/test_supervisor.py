"""What the supervisor does when PostgreSQL does not come up at once."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.errors import ToolError
from harness.local import postgres, supervisor
from harness.local.area import area
from harness.local.plan import Plan
from harness.local.supervisor import Over, Owner
from harness.network import free_port

pytestmark = pytest.mark.stand_in


class Patient(Owner):
    """An owner that never ends."""

    def __init__(self) -> None:
        """Watches nothing."""

    def until(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 20
        while not true():
            assert time.monotonic() < deadline, what
            time.sleep(0.01)


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[supervisor._StandIn]:
    request = {"plan": Plan("test", "000000000000", "us-east-1").as_json(), "logs": str(tmp_path)}
    with area() as folder:
        made = supervisor._StandIn(request, folder, Patient())
        yield made
        made.end()
        for opened in made._sockets.values():
            opened.close()


def test_a_port_that_somebody_took_is_not_the_last(
    stand_in: supervisor._StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1], free_port()]
        wanted = ports[-1]
        monkeypatch.setattr(supervisor, "free_port", lambda: ports.pop(0))
        found = stand_in._database()
    assert (found["port"], found["database"]) == (wanted, "storefront_test")
    assert not ports


def test_sql_that_fails_is_an_error(stand_in: supervisor._StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "setup", lambda *_: "CREATE NONSENSE;\n")
    with pytest.raises(ToolError, match=r"setup broke: .*syntax error"):
        stand_in._database()


def test_a_server_that_cannot_run_is_an_error(
    stand_in: supervisor._StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_SETTINGS", ("shared_buffers=nonsense",))
    with pytest.raises(ToolError, match=r"postgres broke: .*shared_buffers"):
        stand_in._database()


@pytest.fixture
def handlers() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    wake = signal.set_wakeup_fd(-1)
    if wake >= 0:
        os.close(wake)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_an_owner_that_is_gone_already_is_the_end() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(Over):
        Owner(child)
