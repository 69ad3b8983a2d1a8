"""Where everything is: names follow from the environment, values come from SSM and Secrets Manager.

``ENVIRONMENT`` says which environment this is; AWS itself is found through the usual ``AWS_…`` variables.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol


def client(service: str) -> Any:
    """A client of an AWS service, as the environment says; boto3 would do, and take twice as long to import."""
    return _session().create_client(service)


@cache
def _session() -> Any:
    """One for all clients: each would read the endpoints of every service anew."""
    import botocore.session

    return botocore.session.get_session()


class Parameters(Protocol):
    """The part of an SSM client that is used."""

    def get_parameter(self, *, Name: str) -> Any: ...  # noqa: N803 - boto3's spelling


class Secrets(Protocol):
    """The part of a Secrets Manager client that is used."""

    def get_secret_value(self, *, SecretId: str) -> Any: ...  # noqa: N803 - boto3's spelling


@dataclass(frozen=True)
class Names:
    """What the things of one environment are called."""

    environment: str

    @property
    def topic_parameter(self) -> str:
        """Holds the ARN of the topic that domain changes are announced on."""
        return f"/storefront-{self.environment}/sns/domain-changes-topic-arn"

    def queue_parameter(self, queue: str) -> str:
        """Holds the URL of one of the three queues behind the topic."""
        return f"/storefront-{self.environment}/sqs/{queue}-queue-url"

    @property
    def database_secret(self) -> str:
        """Holds user name, password, host, port and database name."""
        return f"storefront/{self.environment}/rds-credentials"


@dataclass(frozen=True)
class Database:
    """Where the database is, and who we are to it."""

    host: str
    port: int
    name: str
    user: str
    password: str

    def connection(self) -> dict[str, str | int]:
        """Arguments for psycopg."""
        return {
            "host": self.host,
            "port": self.port,
            "dbname": self.name,
            "user": self.user,
            "password": self.password,
            "connect_timeout": 2,
        }


def names(environ: Mapping[str, str]) -> Names:
    """The names of the environment that ``ENVIRONMENT`` says this is."""
    return Names(environ.get("ENVIRONMENT", "dev"))


def database(secrets: Secrets, secret: str) -> Database:
    """Read the database's place and credentials."""
    data = json.loads(secrets.get_secret_value(SecretId=secret)["SecretString"])
    return Database(data["host"], int(data["port"]), data["dbname"], data["username"], data["password"])


def parameter(parameters: Parameters, name: str) -> str:
    """Read one parameter."""
    return str(parameters.get_parameter(Name=name)["Parameter"]["Value"])
