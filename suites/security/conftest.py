"""Bandit and Safety cost seconds each, so they run side by side; each has its check."""

from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from harness.gates.context import GateContext
from harness.gates.security import SecurityConfig
from harness.gates.unit import UnitConfig
from harness.scanners import bandit, safety
from harness.scanners.interface import Scan, attempt, tool_budget


@pytest.fixture(scope="session")
def security_scans(context: GateContext) -> dict[str, Future[Scan]]:
    """Both scans, over when this returns."""
    config = context.profile.gate("security", SecurityConfig)
    with ThreadPoolExecutor(2) as pool:
        return {
            "bandit": pool.submit(attempt, bandit.scan, _bandit(context, config)),
            "safety": pool.submit(attempt, safety.scan, _safety(context, config)),
        }


@pytest.fixture(scope="session")
def bandit_scan(security_scans: dict[str, Future[Scan]]) -> Scan:
    """What Bandit came to."""
    return security_scans["bandit"].result()


@pytest.fixture(scope="session")
def safety_scan(security_scans: dict[str, Future[Scan]]) -> Scan:
    """What Safety came to."""
    return security_scans["safety"].result()


def _bandit(context: GateContext, config: SecurityConfig) -> bandit.BanditScan:
    paths = config.bandit.paths or context.profile.gate("unit", UnitConfig).sources
    return bandit.BanditScan(
        app=context.app,
        paths=tuple(paths),
        work=context.work,
        budget=tool_budget(config.budget),
        severity=config.bandit.severity,
        confidence=config.bandit.confidence,
        min_files=config.bandit.min_files,
    )


def _safety(context: GateContext, config: SecurityConfig) -> safety.SafetyScan:
    return safety.SafetyScan(
        app=context.app,
        requirements=tuple(config.safety.requirements),
        mirror=config.safety.mirror(context.root),
        work=context.work,
        budget=tool_budget(config.budget),
        max_age=config.safety.max_age,
        min_records=config.safety.min_records,
        ignore=tuple(config.safety.ignore),
    )
