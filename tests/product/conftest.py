"""The product as its users run it: the command, a folder of their own, the embedded stand-in."""

from collections.abc import Callable
from pathlib import Path

import pytest
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
