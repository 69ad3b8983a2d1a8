"""The product as its users run it: the command, a folder of their own, the embedded stand-in."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.resources import shipped
from product_parts import Product


@pytest.fixture
def product(tmp_path: Path) -> Product:
    root = tmp_path / "empty"
    root.mkdir()
    return Product(root)


@pytest.fixture
def survivors() -> Callable[[Path], list[str]]:
    """Command lines of processes that were started below a folder and still run."""
    import psutil

    def find(root: Path) -> list[str]:
        found = []
        for process in psutil.process_iter(["cmdline", "cwd", "environ"]):
            info = process.info
            told = " ".join(info["cmdline"] or []) + str(info["cwd"])
            if str(root) in told or any(
                str(root) in str(value) for value in (info["environ"] or {}).values()
            ):
                found.append(told)
        return found

    return find


@pytest.fixture
def storefront() -> str:
    """The example application's folder."""
    return str(shipped("examples/storefront"))


class SilentHost:
    """A listening socket that counts who connects, and answers nobody."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    @property
    def connections(self) -> int:
        """How many connections wait in its queue."""
        count = 0
        self._listener.settimeout(0)
        while True:
            try:
                self._listener.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


@pytest.fixture
def silent_host() -> Iterator[SilentHost]:
    """A host of which one can tell that nothing was sent to it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield SilentHost(listener)
