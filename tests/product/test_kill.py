"""Killed at any moment: no file reads as GO, no process survives, no stand-in folder outlives the next start."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness.local import sweep
from product_parts import IMAGES, Product
from tests_environment import environment

WHOLE_RUN = 12.0
"""Seconds within which the moments are drawn: about as long as a run takes to reach its load gate."""


def _gone(find: Callable[[Path], list[str]], root: Path, *, within: float = 15.0) -> list[str]:
    deadline = time.monotonic() + within
    while (left := find(root)) and time.monotonic() < deadline:
        os.sched_yield()
    return left


def _kill_at(product: Product, moment: float) -> int | None:
    """Start a run and kill its front after `moment` seconds; its exit code if it was over before that."""
    child = subprocess.Popen(
        product.command("gate", "--profile", "local", *IMAGES),
        cwd=product.root,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return child.wait(moment)
    except subprocess.TimeoutExpired:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        return None


def _kill_and_look(product: Product, survivors: Callable[[Path], list[str]], moment: float) -> None:
    files = list((product.root / "reports").rglob("verdict.intoto.json"))
    home = product.root / "reports/local/pre-deploy"
    yesterday = (home / "verdict.intoto.json").read_bytes()
    assert _kill_at(product, moment) is None, "the run was over before it was killed"
    assert not _gone(survivors, product.root), "a process survived"
    begun = [f for f in (product.root / "reports").rglob("verdict.intoto.json") if f not in files]
    for file in [home / "verdict.intoto.json", *begun]:
        if file.read_bytes() == yesterday and not begun:
            continue  # killed before the run began: nothing was asked yet
        refused = product.run("verify", "--profile", "local", "--source", "0" * 40, "--verdict", str(file))
        assert refused.returncode != 0
        assert b'"decision":"GO"' not in file.read_bytes()
    sweep()


@pytest.mark.parametrize("moment", [3.0])
def test_a_killed_run_leaves_nothing(product, survivors, moment: float) -> None:
    assert product.local().code == 0
    _kill_and_look(product, survivors, moment)


@pytest.mark.slow
def test_ten_random_moments(product, survivors) -> None:
    assert product.local().code == 0
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    for moment in sorted(random.Random(seed).uniform(0.5, WHOLE_RUN) for _ in range(10)):
        _kill_and_look(product, survivors, moment)
        product.local("--gate", "lint")
    left = [p for p in psutil.process_iter(["name"]) if p.info["name"] == "postgres"]
    assert not left
