"""``gonogo local`` as a user runs it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from harness.local import FAULTS, attach

GONOGO = [sys.executable, "-m", "harness.cli"]


def gonogo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*GONOGO, "local", *arguments], capture_output=True, text=True, check=False)


def test_faults_are_listed() -> None:
    listed = gonogo("faults")
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(FAULTS)
    assert json.loads(gonogo("faults", "--json").stdout) == {
        fault.name: fault.description for fault in FAULTS.values()
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "api-slo"], "did you mean 'api-slow'"),
        (["--profile", "staging", "--set", "aws.account='111122223333'"], "has no stand-in"),
        (["--image", "nosuch=1"], "is not one of the profile's images"),
        (["--set", "app.nosuch=1"], "nosuch"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str) -> None:
    ended = gonogo("up", *arguments)
    assert ended.returncode == 64, ended.stderr
    assert said in ended.stderr


@pytest.mark.stand_in
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_until_it_is_told_to_end(number: signal.Signals, tmp_path: Path) -> None:
    as_json = number is signal.SIGTERM
    options = ["--fault", "queue-missing", "--folder", str(tmp_path), *(["--json"] if as_json else [])]
    with subprocess.Popen([*GONOGO, "local", "up", *options], stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        lines: list[str] = []
        while not lines or not (as_json or "Ctrl-C" in lines[-1]):
            line = up.stdout.readline()
            assert line, lines
            lines.append(line)
        info = attach(tmp_path / "stand-in.json")
        assert httpx.get(f"{info.environ['WEB_ENDPOINT']}/health", trust_env=False).status_code == 200
        up.send_signal(number)
        assert up.wait(10) == 0
    text = "".join(lines)
    assert f"gonogo gate --profile local --stand-in {tmp_path / 'stand-in.json'}" in text
    if as_json:
        assert json.loads(text)["environ"] == dict(info.environ)
    else:
        assert "Broken on purpose: queue-missing." in text
        assert f"  export WEB_ENDPOINT={info.environ['WEB_ENDPOINT']}\n" in text
    assert not Path(info.folder).exists()
    assert not (tmp_path / "stand-in.json").exists()


@pytest.mark.stand_in
def test_a_stand_in_that_ends_by_itself_is_an_error(tmp_path: Path) -> None:
    options = ["up", "--json", "--fault", "nothing-deployed", "--folder", str(tmp_path)]
    with subprocess.Popen(
        [*GONOGO, "local", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as up:
        assert up.stdout is not None
        os.kill(json.loads(up.stdout.readline())["pid"], signal.SIGTERM)
        _, said = up.communicate(timeout=10)
    assert up.returncode == 12
    assert "the stand-in ended by itself" in said
