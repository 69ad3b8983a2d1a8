"""Secrets Manager: a database's credentials. What is read here is masked everywhere from then on."""

import json
from dataclasses import dataclass, field

from harness import masking
from harness.aws.faults import Fault
from harness.aws.operations import Operation
from harness.aws.session import Aws
from harness.model import Outcome

OPERATIONS = (Operation("secretsmanager", "GetSecretValue"),)


class SecretUnusable(Fault):
    """The secret exists, but the application could not log in with what it holds either."""

    outcome = Outcome.FAILED


@dataclass(frozen=True)
class Credentials:
    """What a database secret holds. Empty or 0 where it does not say."""

    username: str
    password: str = field(repr=False)
    host: str = ""
    port: int = 0
    database: str = ""


def credentials(aws: Aws, name: str) -> Credentials:
    """Read a database secret: a JSON object with ``username``, ``password`` and perhaps ``host port dbname``.

    Raises:
        SecretUnusable: it is not that.
        Fault: it cannot be read.
    """
    answer = aws.call("secretsmanager:GetSecretValue", name, SecretId=name)
    text = answer.get("SecretString", "")
    masking.register(text)
    return parse(name, text)


def parse(name: str, text: str) -> Credentials:
    """The credentials in a secret's text; its values are registered for masking whatever else happens.

    Raises:
        SecretUnusable: it is not a JSON object, or says no username or password, or its port is no number.
    """
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise SecretUnusable(
            f"secret {name} is not a JSON object",
            hint="store it as RDS does: username, password, host, port, dbname",
        )
    password = data.get("password")
    if isinstance(password, str):
        masking.register(password)
    missing = [key for key in ("username", "password") if not isinstance(data.get(key), str) or not data[key]]
    if missing:
        raise SecretUnusable(f"secret {name} has no {' and no '.join(missing)}", hint="complete the secret")
    try:
        port = int(data.get("port") or 0)
    except (TypeError, ValueError):
        raise SecretUnusable(f"secret {name}: its port is not a number", hint="correct the secret") from None
    return Credentials(
        data["username"], data["password"], str(data.get("host") or ""), port, str(data.get("dbname") or "")
    )
