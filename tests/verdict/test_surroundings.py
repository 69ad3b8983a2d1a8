"""Whatever a deploy step's process is started with (streams, variables, a folder): the exit code is the answer."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from approval_parts import BOB, CI
from harness.verdict.envelope import PAYLOAD_TYPE, seal
from harness.verdict.store import publish
from release_parts import DIGEST, OTHER, Releases

GONOGO = str(Path(sys.executable).with_name("gonogo"))
VERIFY = ("verify", "-p", "mine", "--image", f"api@{DIGEST}")
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LC_", "GONOGO_"))}


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    made = Releases(tmp_path)
    made.write_profile()
    return made


def shell(releases: Releases, redirected: str, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Runs the console script with its streams as a shell leaves them; exit code, stdout, stderr."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirected}', "sh", GONOGO, *(arguments or VERIFY)],
        cwd=releases.root,
        env=CLEAN | variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("redirected", "go", "no_go"),
    [
        (">&-", 0, {10}),
        ("<&- >&- 2>&-", 0, {10}),
        (">/dev/full", 12, {10}),
        ("2>/dev/full", 0, {12}),
        (">/dev/full 2>/dev/full", 12, {10, 12}),
    ],
)
def test_a_stream_that_takes_nothing_makes_no_go_and_no_traceback(
    releases: Releases, redirected: str, go: int, no_go: set[int], unbuffered: str
) -> None:
    releases.run()
    code, _, err = shell(releases, redirected, PYTHONUNBUFFERED=unbuffered)
    assert (code, "Traceback" in err) == (go, False)
    assert "could not be written: No space left" in err or code == 0 or "2>/dev/full" in redirected
    releases.run("unit.tests.all_pass")
    code, _, err = shell(releases, redirected, PYTHONUNBUFFERED=unbuffered)
    assert code in no_go
    assert "Traceback" not in err


@pytest.mark.parametrize(("redirected", "ran"), [(">&- 2>&-", True), ("2>/dev/full", False)])
def test_guard_starts_nothing_that_it_could_not_tell_of(
    releases: Releases, redirected: str, ran: bool
) -> None:
    releases.run()
    code, _, _ = shell(releases, redirected, "guard", *VERIFY[1:], "--", "touch", "ran")
    assert (code == 0) is ran
    assert (releases.root / "ran").exists() is ran


@pytest.mark.parametrize("answer", ["GO", "NO_GO"])
def test_an_interpreter_that_stays_does_not_change_the_code(releases: Releases, answer: str) -> None:
    """PYTHONINSPECT ends with 1, and on a terminal with 0 whatever was found."""
    releases.run(*(["unit.tests.all_pass"] if answer == "NO_GO" else []))
    expected = 0 if answer == "GO" else 10
    assert shell(releases, "</dev/null", PYTHONINSPECT="1")[0] == expected
    ours, its = pty.openpty()
    os.write(ours, b"\x04")
    with subprocess.Popen(
        [GONOGO, *VERIFY],
        cwd=releases.root,
        env=CLEAN | {"PYTHONINSPECT": "1"},
        stdin=its,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.wait(30) == expected
    os.close(ours)
    os.close(its)


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONOPTIMIZE": "2"},
        {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"},
        {"COLUMNS": "1", "HOME": "", "TMPDIR": "/nowhere"},
    ],
)
def test_what_a_verdict_says_is_told_in_any_encoding(releases: Releases, variables: dict[str, str]) -> None:
    releases.write_profile(
        f'[policy.signing]\nsigners = [{{ name = "ci", key = "{CI.key.text}" }}]\n'
        f'[approval]\nrequired = 1\napprovers = [{{ name = "bob", key = "{BOB.key.text}" }}]\n'
    )
    run_id = releases.run(ended=False)
    publish(releases.reports, seal(releases.verdict(run_id), PAYLOAD_TYPE, [CI]), run_id)
    key = BOB.write(releases.root).name
    signed = ("--as", "bob", "--sign-with", f"file:{key}", "--comment", "Prüfung — in Ordnung", "--yes")
    assert shell(releases, "", "approve", "-p", "mine", *signed)[0] == 0
    code, out, err = shell(releases, "", **variables)
    assert (code, out[:3], err) == (0, "GO:", "")
    assert "fung" in out
    code, _, err = shell(releases, "", *VERIFY[:-1], f"api@{OTHER}", **variables)
    assert code == 14
    assert err.startswith("REFUSED (subject)")


def test_what_lies_in_the_folder_is_not_imported(releases: Releases) -> None:
    releases.run("unit.tests.all_pass")
    (releases.root / "harness").mkdir()
    for name in ("harness/__init__", "json", "cryptography", "typer", "tomllib", "sitecustomize"):
        (releases.root / f"{name}.py").write_text("raise SystemExit(0)\n")
    assert shell(releases, "")[0] == 10
