"""Killed at any moment: no file reads as GO, no process survives, no stand-in folder outlives the next start."""

import os
import random
import signal
import subprocess

import psutil
import pytest

from harness.local import sweep
from harness.model import Decision
from harness.verdict.statement import parse
from product_parts import IMAGES, Product
from tests_environment import environment

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("own_tmp")]
WHOLE_RUN = 10.0
"""Seconds within which the moments are drawn: about as long as a run takes to reach its load gate."""


def _kill_at(product: Product, moment: float) -> list[psutil.Process]:
    """Start a run and kill its front after `moment` seconds; returns everything that the run had started."""
    child = subprocess.Popen(
        product.command("gate", "--profile", "local", *IMAGES),
        cwd=product.root,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(moment)
    started = psutil.Process(child.pid).children(recursive=True)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    return started


def _kill_and_look(product: Product, moment: float) -> None:
    home = product.root / "reports/local/pre-deploy"
    before = set(home.rglob("verdict.intoto.json"))
    yesterday = (home / "verdict.intoto.json").read_bytes()
    started = _kill_at(product, moment)
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not [each for each in alive if each.status() != psutil.STATUS_ZOMBIE], "a process survived"
    begun = set(home.rglob("verdict.intoto.json")) - before
    newest = home / "verdict.intoto.json"
    # Killed before the run began, it has asked for nothing and replaced nothing.
    for file in [newest, *begun] if begun or newest.read_bytes() != yesterday else []:
        assert parse(file.read_bytes()).decision is not Decision.GO
        refused = product.run("verify", "--profile", "local", "--source", "0" * 40, "--verdict", str(file))
        assert refused.returncode != 0
    sweep()
    assert not sweep(), "a stand-in's folder outlived the next start"


@pytest.mark.parametrize("moment", [3.0])
def test_a_killed_run_leaves_nothing(product: Product, moment: float) -> None:
    assert product.local().code == 0
    _kill_and_look(product, moment)


@pytest.mark.slow
def test_ten_random_moments(product: Product) -> None:
    assert product.local().code == 0
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    for moment in sorted(moments.uniform(0.5, WHOLE_RUN) for _ in range(10)):
        _kill_and_look(product, moment)
