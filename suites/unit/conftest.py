"""The application's tests run once; several checks judge that run."""

import pytest

from harness.gates.context import GateContext
from harness.gates.unit import UnitConfig
from harness.scanners.interface import tool_budget
from harness.scanners.pytest_app import AppScans, AppTests, scan


@pytest.fixture(scope="session")
def unit_run(context: GateContext) -> AppScans:
    """One run of the application's tests under coverage, in a process of their own."""
    config = context.profile.gate("unit", UnitConfig)
    return scan(
        AppTests(
            app=context.app,
            python=context.profile.app.python,
            tests=tuple(config.tests),
            sources=tuple(config.sources),
            work=context.work,
            budget=tool_budget(config.budget),
            arguments=tuple(config.arguments),
            branch=config.branch,
            min_tests=config.min_tests,
        )
    )
