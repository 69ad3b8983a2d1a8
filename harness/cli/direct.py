"""The command line of ``gonogo verify`` as deploy steps write it, read without a parser: importing one costs as much as verifying.

Only what is plain is read here: options of `verify` by their whole names, each with its value, each once but for ``--image``. For
all else (help, wrong usage, an option cut short) `plain` answers ``None``, and typer speaks. A test holds both to the same
reading.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

_VALUES = {
    "--phase": "phase",
    "--profile": "profile",
    "--profiles": "profiles",
    "--run": "run",
    "--source": "source",
    "--store": "store",
    "--verdict": "verdict",
    "-p": "profile",
}
_FLAGS = {
    "--accept-override": "accept_override",
    "--json": "as_json",
    "--require-evidence": "require_evidence",
}
_IMAGE = "--image"


def plain(given: Sequence[str]) -> dict[str, Any] | None:
    """The arguments of `harness.cli.asked.answer`, where `given` is a plain call of ``verify``."""
    if not given or given[0] != "verify":
        return None
    found: dict[str, Any] = {"image": []}
    waiting = list(reversed(given[1:]))
    while waiting:
        option = waiting.pop()
        name, equals, value = option.partition("=")
        if option in _FLAGS and _FLAGS[option] not in found:
            found[_FLAGS[option]] = True
            continue
        if equals and not name.startswith("--"):
            return None
        if not equals:
            value = waiting.pop() if waiting else ""
        if not value or value.startswith("-"):
            return None
        if name == _IMAGE:
            found["image"].append(value)
        elif name in _VALUES and _VALUES[name] not in found:
            found[_VALUES[name]] = Path(value) if name == "--verdict" else value
        else:
            return None
    return found if "profile" in found else None
