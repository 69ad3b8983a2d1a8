"""The product as its users run it: the command, a folder of their own, the embedded stand-in."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.resources import shipped
from own_tmp import own_tmp
from product_parts import Product, SilentHost

__all__ = ["own_tmp"]


@pytest.fixture
def product(tmp_path: Path) -> Product:
    root = tmp_path / "empty"
    root.mkdir()
    return Product(root)


@pytest.fixture
def storefront() -> str:
    """The example application's folder."""
    return str(shipped("examples/storefront"))


@pytest.fixture
def silent_host() -> Iterator[SilentHost]:
    """A host of which one can tell that nothing was sent to it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield SilentHost(listener)
