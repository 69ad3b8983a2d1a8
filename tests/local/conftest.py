"""The shipped local profile, started stand-ins, and clients that look at them from outside."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.aws.control import control_client
from harness.gates import tables
from harness.local import StandIn, StandInInfo, start
from harness.profile import Profile
from harness.profile.loader import load_profile
from own_tmp import own_tmp

__all__ = ["own_tmp"]

Start = Callable[..., StandIn]
Client = Callable[[StandInInfo, str], Any]


@pytest.fixture(scope="session")
def local_profile() -> Profile:
    return load_profile("local", tables(), folder=Path("profiles"), environ={})


@pytest.fixture
def begin(local_profile: Profile, tmp_path: Path) -> Iterator[Start]:
    """Starts stand-ins of the local profile; they are stopped afterwards."""
    started: list[StandIn] = []

    def run(*faults: str, folder: str = "run", **options: Any) -> StandIn:
        made = start(options.pop("profile", local_profile), tmp_path / folder, faults=faults, **options)
        started.append(made)
        return made

    yield run
    for stand_in in started:
        stand_in.stop()


@pytest.fixture(scope="module")
def healthy(local_profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInInfo]:
    """One stand-in without faults, for all tests of a module."""
    with start(local_profile, tmp_path_factory.mktemp("healthy"), images={"api": "v1.2.3"}) as info:
        yield info


@pytest.fixture(scope="session")
def client() -> Client:
    """A client of one AWS service of a stand-in."""

    def make(info: StandInInfo, service: str) -> Any:
        environ = info.environ
        return control_client(
            service,
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            region=environ["AWS_DEFAULT_REGION"],
            account=environ["AWS_ACCESS_KEY_ID"],
        )

    return make


@pytest.fixture(scope="session")
def alive() -> Callable[[int], bool]:
    """Whether a process runs (a zombie does not)."""

    def look(pid: int) -> bool:
        try:
            with Path(f"/proc/{pid}/stat").open() as file:
                return file.read().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False

    return look


@pytest.fixture(scope="session")
def segments() -> Callable[[], set[str]]:
    """The System V shared memory segments of this machine that nobody is attached to, by id: what was leaked."""

    def look() -> set[str]:
        head, *lines = (line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines())
        return {line[1] for line in lines if line[head.index("nattch")] == "0"}

    return look


@pytest.fixture(autouse=True)
def hostile_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a developer's shell may hold; nothing of it may lead a stand-in astray."""
    monkeypatch.setenv("AWS_PROFILE", "nosuch")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert "AWS_PROFILE" in os.environ
