"""The environment that tools run in: the user's, without what would bend a tool or leak our own run into it."""

import os
from collections.abc import Mapping

_OURS = ("PYTEST_", "GONOGO_", "COVERAGE_", "COV_")
"""A gate runs under pytest, and its own tests under coverage: neither is meant for the tool."""


def tool_environment(*, without: tuple[str, ...] = (), **extra: str) -> dict[str, str]:
    """This process's environment without pytest's, coverage's and our own variables, and without bytecode files.

    `without` are further prefixes to leave out, `extra` variables to set.
    """
    return scrubbed(os.environ, (*_OURS, *without)) | {"PYTHONDONTWRITEBYTECODE": "1", **extra}


def scrubbed(environment: Mapping[str, str], prefixes: tuple[str, ...]) -> dict[str, str]:
    """`environment` without the variables that start with one of `prefixes`."""
    return {key: value for key, value in environment.items() if not key.startswith(prefixes)}
