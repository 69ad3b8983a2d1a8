import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from aws_parts import Database
from harness import masking
from harness.aws import postgres, rds, secrets
from harness.aws.faults import Absent, Broken
from harness.aws.rds import InstanceState, RdsInstance
from harness.aws.secrets import Credentials, SecretUnusable
from harness.aws.session import Aws
from harness.model import Outcome, Phase

Owner = Callable[[str], Any]
INSTANCE = RdsInstance(identifier="db", instance_class="db.t3.micro", database="app", secret="s")
GOOD = InstanceState(
    "db", "available", "postgres", "17", "db.t3.micro", False, False, True, 7, "app", "127.0.0.1", 5432
)


@pytest.fixture(autouse=True)
def forget_secrets() -> Iterator[None]:
    known = set(masking._known)
    yield
    masking._known.clear()
    masking._known.update(known)
    masking._registered.cache_clear()


def make(owner: Owner, **settings: Any) -> None:
    wanted = {
        "DBInstanceIdentifier": "db",
        "DBInstanceClass": "db.t3.micro",
        "Engine": "postgres",
        "MasterUsername": "app",
        "MasterUserPassword": "correct-horse-battery",
        "AllocatedStorage": 20,
        "DBName": "app",
        "StorageEncrypted": True,
        "BackupRetentionPeriod": 7,
        **settings,
    }
    owner("rds").create_db_instance(**wanted)


def test_the_state_of_a_real_instance(aws: Aws, owner: Owner) -> None:
    make(owner, Port=6543, Tags=[{"Key": "aws:cloudformation:stack-name", "Value": "DatabaseStack"}])
    state = rds.describe(aws, INSTANCE)
    assert rds.differences(INSTANCE, state) == ()
    assert (state.host, state.port, state.stack) == ("127.0.0.1", 6543, "DatabaseStack")
    other = RdsInstance(identifier="nosuch", instance_class="x")
    assert rds.find(aws, other) is None
    assert RdsInstance.existing(aws, [INSTANCE, other]) == {"db"}
    with pytest.raises(Absent):
        rds.describe(aws, other)


def test_an_empty_answer_is_absence() -> None:
    class Empty:
        def call(self, *_: object, **__: object) -> dict[str, Any]:
            return {"DBInstances": []}

    empty: Any = Empty()
    with pytest.raises(Absent, match="RDS instance db does not exist"):
        rds.describe(empty, INSTANCE)


def test_an_answer_with_something_missing_is_an_error() -> None:
    class Half:
        def call(self, *_: object, **__: object) -> dict[str, Any]:
            return {"DBInstances": [{"DBInstanceIdentifier": "db"}]}

    half: Any = Half()
    with pytest.raises(Broken, match="DBInstanceStatus"):
        rds.describe(half, INSTANCE)


def test_every_difference_is_named_at_once() -> None:
    drifted = replace(
        GOOD,
        engine="mysql",
        instance_class="db.t3.small",
        multi_az=True,
        deletion_protection=True,
        encrypted=False,
        backup_days=0,
        database="",
    )
    assert rds.differences(INSTANCE, GOOD) == ()
    assert rds.differences(INSTANCE, drifted) == (
        "engine is mysql, declared postgres",
        "class is db.t3.small, declared db.t3.micro",
        "Multi-AZ is on, declared off",
        "deletion protection is on, declared off",
        "encryption is off, declared on",
        "backup days is 0, declared 7",
        "database is not set, declared app",
    )
    unnamed = INSTANCE.model_copy(update={"database": ""})
    assert rds.differences(unnamed, replace(GOOD, database="whatever")) == ()


def test_a_diagnosis_tells_events_and_stack(aws: Aws, owner: Owner) -> None:
    make(owner)
    assert isinstance(rds.diagnose(aws, INSTANCE), tuple)
    lines = rds.diagnose(aws, INSTANCE, replace(GOOD, stack="nosuch"))
    assert any("stack events could not be read" in line for line in lines)

    class Events:
        def call(self, *_: object, **__: object) -> dict[str, Any]:
            return {"Events": [{"Date": "2026-11-01", "Message": "DB instance restarted"}]}

    events: Any = Events()
    assert rds.diagnose(events, INSTANCE) == ("2026-11-01 DB instance restarted",)


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    profile = make_profile()
    assert "rds.accepts_a_login" in INSTANCE.mandatory(profile, Phase.PRE_DEPLOY)
    plain = INSTANCE.model_copy(update={"secret": ""})
    assert plain.mandatory(profile, Phase.PRE_DEPLOY) == ("rds.is_available", "rds.is_configured_as_declared")


# Secrets


def test_a_secret_that_is_read_is_masked(aws: Aws, owner: Owner) -> None:
    text = json.dumps(
        {"username": "app", "password": "Zq7xCanary", "host": "h", "port": "5432", "dbname": "d"}
    )
    owner("secretsmanager").create_secret(Name="s", SecretString=text)
    found = secrets.credentials(aws, "s")
    assert found == Credentials("app", "Zq7xCanary", "h", 5432, "d")
    assert "Zq7xCanary" not in repr(found)
    assert "Zq7xCanary" not in masking.mask("it said Zq7xCanary")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a JSON object"),
        ("not json", "is not a JSON object"),
        ("[1]", "is not a JSON object"),
        ("{}", "has no username and no password"),
        ('{"username": "u", "password": ""}', "has no password"),
        ('{"username": "u", "password": 7}', "has no password"),
        ('{"username": "u", "password": "Zq7xCanary", "port": "x"}', "its port is not a number"),
        ('{"username": "u", "password": "Zq7xCanary", "port": []}', ""),
        ('{"username": "u", "password": "Zq7xCanary", "port": [1]}', "its port is not a number"),
    ],
)
def test_a_secret_that_cannot_be_used(text: str, reason: str) -> None:
    if not reason:
        assert secrets.parse("s", text).port == 0
        return
    with pytest.raises(SecretUnusable, match=reason) as caught:
        secrets.parse("s", text)
    assert caught.value.outcome is Outcome.FAILED
    assert "Zq7xCanary" not in str(caught.value)


# Logins


def test_a_real_login(database: Database) -> None:
    credentials = Credentials(database.user, database.password)
    done = postgres.login(credentials, database.host, database.port, database.database)
    assert 0 < done.seconds < 5
    assert done.version[0].isdigit()


@pytest.mark.parametrize(
    ("password", "name", "reason"),
    [
        ("wrong-password", "postgres", "the server refuses the credentials"),
        ("correct-horse-battery", "nosuch", "does not exist"),
    ],
)
def test_a_login_that_is_refused(database: Database, password: str, name: str, reason: str) -> None:
    with pytest.raises(postgres.LoginFailed, match=reason) as caught:
        postgres.login(Credentials(database.user, password), database.host, database.port, name)
    assert caught.value.outcome is Outcome.FAILED
    assert password not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_database_that_does_not_answer(stub: Callable[..., Any]) -> None:
    credentials = Credentials("app", "x")
    closed = stub(lambda _: b"")
    for port in (9, int(closed.url.rpartition(":")[2])):
        with pytest.raises(postgres.LoginFailed, match="the database does not answer"):
            postgres.login(credentials, "127.0.0.1", port, "app")


def test_a_database_that_says_nothing(stub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "CONNECT_SECONDS", 2)
    silent = stub(lambda _: None)
    with pytest.raises(postgres.LoginFailed, match="the database does not answer"):
        postgres.login(Credentials("app", "x"), "127.0.0.1", int(silent.url.rpartition(":")[2]), "app")


def test_a_database_that_answers_something_else(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    class Odd:
        def fetchone(self) -> tuple[int]:
            return (2,)

    monkeypatch.setattr(psycopg.Connection, "execute", lambda *_: Odd())
    credentials = Credentials(database.user, database.password)
    with pytest.raises(postgres.LoginFailed, match=r"SELECT 1 answered \(2,\)"):
        postgres.login(credentials, database.host, database.port, database.database)
