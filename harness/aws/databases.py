"""What a login to an instance's database shows, for all checks that need one: the secret read once, one session."""

from harness.aws import postgres, postgres_server, secrets
from harness.aws.census import Told
from harness.aws.postgres import LoginFailed
from harness.aws.postgres_server import Server
from harness.aws.rds import RdsInstance
from harness.aws.rds_state import InstanceState
from harness.aws.secrets import Credentials
from harness.aws.session import Aws
from harness.frozen import dataclass


@dataclass(frozen=True)
class Attempt:
    """A login: at which ``host:port/database``, how long it took, or why it was refused."""

    where: str
    seconds: float = 0.0
    version: str = ""
    refused: Told | None = None


@dataclass(frozen=True)
class Examined:
    """The logins (at the endpoint, and where the secret points if that is elsewhere), and the server behind the first
    that worked. `plain` says what became of a login without TLS, where TLS is demanded: ``refused``, ``let in``, or
    why nothing is known.
    """

    logins: tuple[Attempt, ...]
    server: Server | None = None
    plain: str = ""


def examine(aws: Aws, instance: RdsInstance, state: InstanceState) -> Examined:
    """Log in with the application's credentials and ask the server.

    Raises:
        LoginFailed: there is no endpoint to log in at.
        Fault: the credentials cannot be read.
    """
    if not state.host:
        raise LoginFailed(
            f"{instance.home} has no endpoint yet ({state.status})", hint="wait until it is available"
        )
    credentials = secrets.credentials(aws, instance.secret)
    database = credentials.database or instance.database or state.database or "postgres"
    own = (credentials.host or state.host, credentials.port or state.port)
    places = list(dict.fromkeys([(state.host, state.port), own]))
    logins = tuple(_login(credentials, host, port, database) for host, port in places)
    let_in = [place for place, attempt in zip(places, logins, strict=True) if attempt.refused is None]
    if not let_in:
        return Examined(logins)
    (host, port), *_ = let_in
    with postgres.session(credentials, host, port, database) as connection:
        server = postgres_server.read(connection, instance.migrations)
    return Examined(logins, server, _plain(credentials, host, port, database) if instance.force_ssl else "")


def _login(credentials: Credentials, host: str, port: int, database: str) -> Attempt:
    where = f"{host}:{port}/{database}"
    try:
        done = postgres.login(credentials, host, port, database)
    except LoginFailed as fault:
        return Attempt(where, refused=Told.of(fault))
    return Attempt(where, done.seconds, done.version)


def _plain(credentials: Credentials, host: str, port: int, database: str) -> str:
    try:
        return "refused" if postgres.refuses_plain(credentials, host, port, database) else "let in"
    except LoginFailed as fault:
        return fault.message
