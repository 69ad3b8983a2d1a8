"""The environment that tests start the product in."""

import os
from collections.abc import Mapping

_DROPPED = ("AWS_", "GONOGO_", "PYTEST_", "GITHUB_", "COV_")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's without what points at an AWS account, a repository or a CI."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_DROPPED)}
    return {**kept, "CI": "", "COLUMNS": "120", **(extra or {})}
