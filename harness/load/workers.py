"""Load from several places: where workers meet their master, and what runs on a worker's host."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from harness.errors import ProfileError, ToolError, UsageError
from harness.frozen import dataclass, field
from harness.load.generator.channel import BROKEN, FORKED, TOKEN
from harness.load.plan import VARIABLE
from harness.profile.schema import PLACE, Duration, Section
from harness.shapes import Field, model_validator

LOCUSTFILE = Path(__file__).with_name("generator") / "locustfile.py"
_SHORTEST_TOKEN = 16
_ADDRESS = r"^(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}$"


class MasterConfig(Section):
    """``[gates.load.master]``: where workers elsewhere (`workers = "external"`) reach this run."""

    bind: Annotated[str, PLACE] = Field(default="127.0.0.1:5557", pattern=_ADDRESS)
    """The address and port that the master listens on."""
    advertise: Annotated[str, PLACE] = Field(default="", pattern=rf"^$|{_ADDRESS}")
    """The address that workers connect to, where it is not that of `bind`."""
    wait: Duration = 120.0
    """How long all workers may take to come."""

    @model_validator(mode="after")
    def _are_addresses(self) -> "MasterConfig":
        for key in ("bind", "advertise"):
            if (address := getattr(self, key)) and "${" not in address:
                try:
                    split(address)
                except UsageError as error:
                    msg = f"{key}: {error.message}; {error.hint}"
                    raise ValueError(msg) from None
        return self


@dataclass(frozen=True)
class Meeting:
    """Where workers meet their master, and what they must know. `forked`: they are forks of the master's own process."""

    host: str
    port: int
    wait: float
    token: str = field(repr=False)
    advertise: str
    forked: bool = False

    @property
    def start(self) -> str:
        """The command that starts a worker elsewhere."""
        return f"gonogo load-worker {self.advertise}"

    def require_free(self) -> None:
        """The address can be listened on.

        Raises:
            ToolError: it cannot.
        """
        import socket

        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("" if self.host == "*" else self.host, self.port))
                probe.listen()
            except OSError as error:
                raise ToolError(
                    f"gates.load.master.bind: cannot listen on {self.host}:{self.port} ({error.strerror or error})",
                    hint="end what listens there, another gate's run perhaps, or give an address and port of this machine",
                ) from error

    def arguments(self, nodes: int) -> list[str]:
        """What Locust's master is told."""
        wait = ["--expect-workers-max-wait", str(int(self.wait) + 5)]
        bound = ["--master-bind-host", self.host, "--master-bind-port", str(self.port)]
        if not self.forked:
            return ["--master", "--expect-workers", str(nodes), *wait, *bound]
        return [
            "--processes",
            str(nodes),
            *wait,
            *bound,
            "--master-host",
            self.host,
            "--master-port",
            str(self.port),
        ]

    def environment(self) -> dict[str, str]:
        """What the master's process is told beside it."""
        return {TOKEN: self.token, **({FORKED: "1"} if self.forked else {})}


def here(wait: float = 60.0) -> Meeting:
    """For workers that are forks: a random port of this machine, and a token of their own."""
    import secrets

    from harness.network import free_port

    port = free_port()
    return Meeting("127.0.0.1", port, wait, secrets.token_hex(16), f"127.0.0.1:{port}", forked=True)


def elsewhere(
    config: MasterConfig, environment: Mapping[str, str] = os.environ, *, token: str = ""
) -> Meeting:
    """For workers on other hosts; the token is the one given, or that of the environment.

    Raises:
        ProfileError: there is no token, or one that can be guessed.
    """
    from harness.masking import register

    given = token or environment.get(TOKEN, "")
    if len(given) < _SHORTEST_TOKEN:
        raise ProfileError(
            f'workers = "external": {TOKEN} is {"too short" if given else "not set"}',
            hint=f"set it here and on each worker to the same secret of at least {_SHORTEST_TOKEN} characters",
        )
    register(given)
    host, port = split(config.bind)
    return Meeting(host, port, config.wait, given, config.advertise or config.bind)


def split(address: str) -> tuple[str, int]:
    """Host and port of ``host:port``.

    Raises:
        UsageError: it is something else.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(
            f"{address!r} is no address of a master", hint="write it as host:port, the port at most 65535"
        )
    return host.strip("[]"), int(port)


def bare_environment(work: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """An environment for Locust with nothing that configures it.

    Locust reads ``LOCUST_*`` and ``~/.locust.conf``: a user's own settings would bend the run.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("LOCUST_")}
    return {**kept, "HOME": str(work)}


def serve(address: str, *, at_most: float, processes: int = 1, once: bool = False) -> int:
    """Be a worker (or several `processes`) of the master at `address`, run after run, for `at_most` seconds; returns how many
    came to a result.

    It always ends by itself: a task that nobody stops any more costs no more than `at_most`.

    Raises:
        ProfileError: there is no token.
        ToolError: the worker broke.
    """
    import tempfile

    from harness import process

    host, port = split(address)
    token = elsewhere(MasterConfig(bind=address)).token
    until, runs = time.monotonic() + at_most, 0
    with tempfile.TemporaryDirectory(prefix="gonogo-worker-") as folder:
        work = Path(folder)
        env = {**bare_environment(work), TOKEN: token}
        env.pop(VARIABLE, None)
        command = [
            *(
                sys.executable,
                "-P",
                "-m",
                "locust",
                "-f",
                str(LOCUSTFILE),
                "--worker",
                "--loglevel",
                "WARNING",
            ),
            *("--master-host", host, "--master-port", str(port)),
            *(["--processes", str(processes)] if processes > 1 else []),
        ]
        while (left := until - time.monotonic()) > 0:
            finished = process.run(command, cwd=work, output=work, name="worker", budget=left, env=env)
            if finished.ended == "exited" and finished.exit_code not in (0, BROKEN):
                said = "\n".join(finished.tail(5))
                raise ToolError(
                    f"the worker of {address} ended with exit code {finished.exit_code}:\n{said}",
                    hint="see whether the master is reachable from here and runs the same version",
                )
            runs += finished.ended == "exited" and finished.exit_code == 0
            if once:
                break
    return runs
