"""What the load suites share: the order of their checks."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What compares scenarios with their baselines comes after the scenarios themselves have run."""
    items.sort(key=lambda item: item.path.stem == "test_baseline")
