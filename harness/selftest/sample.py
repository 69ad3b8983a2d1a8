"""The application that faults are put into: small, tested, clean, and of no use to anybody else."""

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import ToolError
from harness.scanners import advisories

SOURCES = "shop"
REQUIREMENT = "selftest-sample==1.0"
_MODULE = '"""Prices, in cents."""\n\n\ndef total(prices: list[int]) -> int:\n    """Add up what is bought."""\n    return sum(prices)\n'
_PART = '"""One more file."""\n\nVALUE = 1\n'
_TESTS = """\
import importlib
import pkgutil

import pytest
import shop
from shop import prices


@pytest.mark.parametrize("count", range({count}))
def test_total(count):
    assert prices.total([2] * count) == 2 * count


def test_every_file_is_run():
    for part in pkgutil.iter_modules(shop.__path__):
        importlib.import_module(f"shop.{{part.name}}")
"""


def write_app(app: Path, *, tests: int, files: int, clean: bool) -> None:
    """Write the application with at least so many tests and source files; `clean` makes it a clean repository."""
    (app / SOURCES).mkdir(parents=True)
    (app / "tests/unit").mkdir(parents=True)
    (app / "conftest.py").write_text('"""Puts this folder on the import path."""\n')
    (app / SOURCES / "prices.py").write_text(_MODULE)
    for number in range(1, files):
        (app / SOURCES / f"part_{number}.py").write_text(_PART)
    (app / "tests/unit/test_prices.py").write_text(_TESTS.format(count=max(tests, 3)))
    (app / "requirements.txt").write_text(f"{REQUIREMENT}\n")
    if clean:
        _git(app, ["init", "--quiet"])
        commit(app)


def commit(app: Path) -> None:
    """Commit whatever is there."""
    _git(app, ["add", "."])
    who = ["-c", "user.name=selftest", "-c", "user.email=selftest@localhost", "-c", "commit.gpgsign=false"]
    _git(app, [*who, "commit", "--quiet", "--allow-empty", "-m", "Sample"])


def _git(app: Path, arguments: list[str]) -> None:
    try:
        subprocess.run(["git", *arguments], cwd=app, check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(
            f"the sample application could not be committed: {error}",
            hint="the profile demands a clean tree, so the self-test needs git: install it",
        ) from error


def write_advisories(out: Path, *, records: int, at: datetime | None = None) -> None:
    """An advisory mirror with so many records, none of which concerns the sample; the newest is as old as `at`."""
    osv = out.with_name(f"{out.name}-records")
    osv.mkdir(parents=True)
    modified = (at or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for number in range(max(records, 1)):
        name = f"SELFTEST-{number}"
        affected = {
            "package": {"ecosystem": "PyPI", "name": f"selftest-other-{number}"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0"}]}],
        }
        record = {
            "id": name,
            "modified": modified,
            "details": "Made for the self-test.",
            "affected": [affected],
        }
        (osv / f"{name}.json").write_text(json.dumps(record))
    advisories.build(osv, out, source="made for the self-test")
    shutil.rmtree(osv)
