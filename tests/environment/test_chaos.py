"""AWS throttles, fails now and then, and goes away for a while: what exists is never reported absent."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest

from aws_parts import emulation, owner_of
from breakages.parts import not_passed, run_gate
from recording_proxy import CLOSED, Asked, throttled, unavailable

THROTTLED, FAILING = 0.20, 0.05
SETTLE = "gates.integration.settle=15s"
"""What is repeated takes longer: a probe's way through a throttled API too. Shipped is a minute."""
Answer = tuple[int, dict[str, str], bytes]


def unreliable(seed: int) -> Callable[[Asked], Answer | None]:
    """Every fifth call is throttled, every twentieth fails."""
    chance, lock = random.Random(seed), Lock()

    def fault(asked: Asked) -> Answer | None:
        with lock:
            drawn = chance.random()
        if drawn < FAILING:
            return unavailable(asked)
        return throttled(asked) if drawn < FAILING + THROTTLED else None

    return fault


@pytest.mark.parametrize(
    "kinds",
    [("rds.instances", "sqs.queues"), pytest.param((), marks=pytest.mark.slow)],
    ids=["a few kinds", "everything"],
)
def test_throttling_and_failures_change_nothing(
    behind: Any,
    stack_url: str,
    credentials: str,
    owner: Callable[[str], Any],
    tmp_path: Path,
    kinds: tuple[str, ...],
) -> None:
    with behind(stack_url, credentials, owner, SETTLE, kinds=kinds) as (environment, proxy):
        proxy.fault = unreliable(seed=20)
        results = run_gate(environment, tmp_path)
    assert {name: (r.outcome.value, r.reason) for name, r in not_passed(results).items()} == {}
    assert len(proxy.asked) > 20


@pytest.mark.slow
def test_what_is_wrong_is_still_what_fails(
    behind: Any, stack_url: str, credentials: str, owner: Callable[[str], Any], tmp_path: Path
) -> None:
    with behind(stack_url, credentials, owner, SETTLE) as (environment, proxy):
        service = environment.plan.services[0]
        owner("ecs").update_service(cluster=service.cluster, service=service.name, desiredCount=1)
        proxy.fault = unreliable(seed=21)
        results = run_gate(environment, tmp_path)
    # Two registered targets are one too many for a service of one task.
    assert set(not_passed(results)) == {
        f"ecs.running_count[{service.name}]",
        "target_groups.targets_are_healthy[storefront-staging-api]",
    }


@pytest.mark.slow
def test_an_api_that_never_recovers_is_an_error_and_not_absence(
    behind: Any, stack_url: str, credentials: str, owner: Callable[[str], Any], tmp_path: Path
) -> None:
    with behind(stack_url, credentials, owner) as (environment, proxy):
        proxy.fault = lambda asked: throttled(asked) if asked.service == "rds" else None
        results = run_gate(environment, tmp_path)
    broken = not_passed(results)
    assert broken
    for name, result in broken.items():
        assert result.outcome == "error", name
        assert "Throttling" in result.reason
        assert "does not exist" not in result.reason


@pytest.mark.slow
@pytest.mark.parametrize("at", [8, 60])
def test_an_api_that_is_away_for_a_while_changes_nothing(
    behind: Any, stack_url: str, credentials: str, owner: Callable[[str], Any], tmp_path: Path, at: int
) -> None:
    """Connections are closed for three seconds; `at` requests have come by then."""
    since: list[float] = []

    def fault(_: Asked) -> Answer | None:
        if len(proxy.asked) >= at and not since:
            since.append(time.monotonic())
        return CLOSED if since and time.monotonic() - since[0] < 3 else None

    with behind(stack_url, credentials, owner) as (environment, proxy):
        proxy.fault = fault
        results = run_gate(environment, tmp_path)
    assert since
    assert {name: (r.outcome.value, r.reason) for name, r in not_passed(results).items()} == {}


@pytest.mark.slow
def test_an_emulator_that_is_restarted_under_way_makes_nothing_absent(
    behind: Any, credentials: str, tmp_path: Path
) -> None:
    """It keeps what it holds but for running tasks, which the checks of tasks then rightly miss; nothing else fails."""
    restarts: list[Thread] = []

    def fault(_: Asked) -> None:
        if len(proxy.asked) >= 25 and not restarts:
            restarts.append(Thread(target=running.restart))
            restarts[0].start()

    with (
        emulation(PERSIST_STATE="1") as running,
        behind(running.url, credentials, owner_of(running.url, credentials)) as (environment, proxy),
    ):
        proxy.fault = fault
        results = run_gate(environment, tmp_path)
        restarts[0].join()
    lost = not_passed(results)
    assert all(name.startswith("ecs.") for name in lost), set(lost)
    for result in lost.values():
        assert result.outcome == "failed"
        assert "does not exist" not in result.reason
        assert "task" in result.reason
