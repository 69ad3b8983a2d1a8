"""Run as ``python -m harness.local.supervisor``: owns a stand-in's processes and folder, and outlives nobody.

It reads one `Request` from stdin, reports JSON lines (``step``, ``ready``, ``error``) on stdout, and then waits. It ends
everything when its stdin ends, when its owner dies (a pipe alone is defeated by a fork that inherits it), on SIGTERM
or SIGINT. One thread, and the standard library apart from reading the request, so that forking is safe and it
stays small.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

from harness.errors import GonogoError, ToolError
from harness.local import postgres
from harness.local.area import area
from harness.local.children import Children
from harness.network import free_port
from harness.process import readable

DEADLINE = 30.0
"""Seconds that one step of starting may take."""
_PORT_TRIES = 5
_POLL = 0.01
_POSTGRES_ENV = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class Over(Exception):  # noqa: N818 - not an error
    """It is time to end."""


class Owner:
    """Watches for the end: the owner's stdin and process, and the signals that ask for it."""

    def __init__(self, pid: int) -> None:
        self._wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        try:
            self._process = os.pidfd_open(pid)
        except ProcessLookupError:
            raise Over from None

    def wait(self, descriptors: tuple[int, ...] = (), *, timeout: float | None = None) -> list[int]:
        """Wait until one of `descriptors` can be read, or the time is over; returns those that can.

        Raises:
            Over: the end has come.
        """
        ends = (0, self._process, self._wake)
        found = readable([*ends, *descriptors], timeout)
        if any(end in found for end in ends):
            raise Over
        return found

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Poll a condition; `Over` where the end comes first, an error where it takes too long."""
        deadline = time.monotonic() + DEADLINE
        while not true():
            if time.monotonic() > deadline:
                raise ToolError(
                    f"{what} took longer than {DEADLINE:g} s", hint="the machine may be overloaded"
                )
            self.wait(timeout=_POLL)


def main() -> int:
    """Start, wait, end; returns the exit code."""
    request = json.loads(sys.stdin.readline())
    try:
        owner = Owner(request["owner"])
        with area() as folder, ExitStack() as stack:
            stand_in = _StandIn(request, folder, owner)
            stack.callback(stand_in.end)
            stand_in.start()
            owner.wait()
    except Over:
        return 0
    except GonogoError as error:
        _say("error", {"message": error.message, "hint": error.hint})
        return 1
    return 0


class _StandIn:
    """The parts of one stand-in."""

    def __init__(self, request: dict[str, Any], folder: Path, owner: Owner) -> None:
        self._plan: dict[str, Any] = request["plan"]
        self._logs = Path(request["logs"])
        self._folder = folder
        self._owner = owner
        self._children = Children(self._logs)
        self._sockets = {name: _listener() for name in ("aws", "web", "api")}
        self._app = folder / "storefront"
        self._environ = self._aws_environ()

    def end(self) -> None:
        """End every part."""
        self._children.end()

    def start(self) -> None:
        """Start every part and tell the owner where they are."""
        if not self._plan["running"]:
            for name in ("web", "api"):
                self._sockets[name].close()  # the ports are known and nobody answers there
        self._emulate()
        provision = self._provision()
        if self._plan["running"]:
            _tell(provision, self._database())
        self._follow(provision)
        if self._plan["running"]:
            self._start_program("worker", {})  # nobody waits for it, so it comes when the rest is there
            if not self._plan["database_up"]:
                self._children.end("postgres")
                _say("step", "PostgreSQL was stopped")
        for opened in self._sockets.values():
            opened.close()
        _say("ready", {"environ": self._exported(), "folder": str(self._folder), "pid": os.getpid()})
        self._owner.until(lambda: provision.poll() is not None, "ending the provisioner")
        self._children.end("provision")

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def _aws_environ(self) -> dict[str, str]:
        """What a program of the application needs; nothing of the owner's environment leaks in."""
        self._ports = {name: opened.getsockname()[1] for name, opened in self._sockets.items()}
        settings = self._folder / "aws-config"
        settings.write_text("[default]\n")
        return {
            "AWS_ACCESS_KEY_ID": self._plan["account"],
            "AWS_CONFIG_FILE": str(settings),
            "AWS_DEFAULT_REGION": self._plan["region"],
            "AWS_ENDPOINT_URL": self._url("aws"),
            "AWS_PROFILE": "default",
            "AWS_REGION": self._plan["region"],
            "AWS_SECRET_ACCESS_KEY": "stand-in",
            "AWS_SESSION_TOKEN": "",
            "AWS_SHARED_CREDENTIALS_FILE": str(settings),
        }

    def _exported(self) -> dict[str, str]:
        return {
            **self._environ,
            "API_ENDPOINT": self._url("api"),
            "STOREFRONT": str(self._app),
            "WEB_ENDPOINT": self._url("web"),
        }

    def _emulate(self) -> None:
        descriptor = self._sockets["aws"].fileno()
        state = self._folder / "aws"
        state.mkdir()
        env = {
            **_inherited(),
            "BIND_HOST": "127.0.0.1",
            "DOCKER_HOST": "unix:///nonexistent.sock",
            "GATEWAY_PORT": str(self._ports["aws"]),
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
            "MINISTACK_ACCOUNT_ID": self._plan["account"],
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": self._plan["region"],
            "PERSIST_STATE": "0",
            "S3_DATA_DIR": str(state / "s3"),
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(state),
            "TMPDIR": str(state),
        }
        command = [sys.executable, "-P", "-m", "harness.local.emulator", str(descriptor)]
        self._children.start("aws", command, env=env, cwd=state, descriptors=[descriptor])

    def _provision(self) -> "subprocess.Popen[bytes]":
        child = self._children.start(
            "provision",
            [sys.executable, "-P", "-m", "harness.local.provision"],
            env=_inherited(),
            cwd=self._folder,
            talks=True,
        )
        places = {"endpoint_url": self._url("aws"), "web_url": self._url("web"), "api_url": self._url("api")}
        _tell(child, {"plan": self._plan, "app": str(self._app), **places})
        return child

    def _database(self) -> dict[str, Any]:
        """Start PostgreSQL with the application's role and database; returns where it is and who may log in."""
        named = (instance["database"] for instance in self._plan["instances"] if instance["database"])
        name = next(named, f"storefront_{self._plan['environment']}")
        password = secrets.token_urlsafe(18)
        server = postgres.prepare(self._folder, secrets.token_urlsafe(18))
        self._run("initdb", server.initdb(), server.home)
        server.password_file.write_text(postgres.setup(name, password))
        self._run("setup", server.single(), server.home, server.password_file)
        server.password_file.unlink()
        port = self._serve(server)
        return {
            "host": "127.0.0.1",
            "port": port,
            "database": name,
            "username": postgres.USER,
            "password": password,
        }

    def _run(self, name: str, command: list[str], cwd: Path, reads: Path | None = None) -> None:
        """Run one of PostgreSQL's programs to its end."""
        child = self._children.start(
            name, command, env=_POSTGRES_ENV, cwd=cwd, uid=postgres.run_as(), reads=reads
        )
        self._owner.until(lambda: child.poll() is not None, name)
        self._children.end(name)
        # single-user mode ends with 0 whatever the SQL came to
        if child.returncode != 0 or "ERROR:" in self._children.log(name):
            raise _broken(name, self._children)

    def _serve(self, server: postgres.Server) -> int:
        """Start the server; another port where somebody took the one that was free a moment ago."""
        for _ in range(_PORT_TRIES):
            port = free_port()
            child = self._children.start(
                "postgres",
                server.postgres(port),
                env=_POSTGRES_ENV,
                cwd=server.home,
                uid=postgres.run_as(),
                end=signal.SIGQUIT,
                death=signal.SIGQUIT,
            )
            self._owner.until(partial(_settled, server, child), "starting PostgreSQL")
            if child.poll() is None:
                return port
            self._children.end("postgres")
            if "Address already in use" not in self._children.log("postgres"):
                break
        raise _broken("postgres", self._children)

    def _follow(self, provision: "subprocess.Popen[bytes]") -> None:
        """Do what the provisioner says, until it is done."""
        if provision.stdout is None:
            raise AssertionError
        received = b""
        deadline = time.monotonic() + 2 * DEADLINE
        while time.monotonic() < deadline:
            if not self._owner.wait((provision.stdout.fileno(),), timeout=DEADLINE):
                break
            piece = os.read(provision.stdout.fileno(), 65536)
            if not piece:
                break
            *lines, received = (received + piece).split(b"\n")
            for line in lines:
                if self._obey(json.loads(line)):
                    return
        raise _broken("provision", self._children)

    def _obey(self, message: dict[str, Any]) -> bool:
        match message:
            case {"step": text}:
                _say("step", text)
            case {"error": {"message": text, "hint": hint}}:
                raise ToolError(text, hint=hint)
            case {"apps": _}:
                self._run_application()
            case {"done": _}:
                return True
        return False

    def _run_application(self) -> None:
        faults: dict[str, str] = self._plan["variables"]
        variables: dict[str, dict[str, str]] = {"api": faults, "web": {}}
        for name, own in variables.items():
            descriptor = self._sockets[name].fileno()
            self._start_program(name, {**own, "SOCKET_FD": str(descriptor)}, descriptor)

    def _start_program(self, name: str, variables: dict[str, str], *descriptors: int) -> None:
        env = {
            **self._environ,
            "API_URL": self._url("api"),
            "ENVIRONMENT": self._plan["environment"],
            "LANG": "C.UTF-8",
            "PATH": os.defpath,
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self._folder),
            **variables,
        }
        command = [sys.executable, "-m", f"apps.{name}"]
        self._children.start(name, command, env=env, cwd=self._app, descriptors=descriptors)


def _settled(server: postgres.Server, child: "subprocess.Popen[bytes]") -> bool:
    """Whether the server takes connections, or has given up."""
    return server.ready or child.poll() is not None


def _listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=512)


def _inherited() -> dict[str, str]:
    """Our environment without what would lead a client of AWS elsewhere."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("AWS_") and not key.lower().endswith("_proxy")
    }


def _tell(child: "subprocess.Popen[bytes]", message: dict[str, Any]) -> None:
    if child.stdin is None:
        raise AssertionError
    with suppress(BrokenPipeError):  # why it ended is seen when its output ends
        child.stdin.write(json.dumps(message).encode() + b"\n")
        child.stdin.flush()


def _say(kind: str, value: Any) -> None:  # noqa: ANN401 - JSON is what it is
    with suppress(BrokenPipeError):  # the owner is gone: the next wait says so
        sys.stdout.write(json.dumps({kind: value}) + "\n")
        sys.stdout.flush()


def _broken(name: str, children: Children) -> ToolError:
    said = " | ".join(children.log(name).strip().splitlines()[-3:]) or "it said nothing"
    return ToolError(
        f"the stand-in's {name} broke: {said}",
        hint=f"look into {name}.log of the stand-in; `pip install 'gonogo[local]'` brings all it needs",
    )


if __name__ == "__main__":
    sys.exit(main())
