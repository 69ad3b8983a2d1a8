"""RDS instances as they are read, and what is judged of them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from harness import codec, masking
from harness.aws import rds_rules, rds_state, secrets
from harness.aws.census import Told
from harness.aws.faults import Broken, Denied, Fault
from harness.aws.metrics import Sample
from harness.aws.rds import RdsInstance
from harness.aws.rds_state import InstanceState, ParameterGroup, Snapshot
from harness.aws.secrets import Credentials, SecretUnusable
from harness.aws.session import Aws
from harness.model import Outcome, Phase
from harness.shapes import ValidationError

Owner = Callable[[str], Any]
GOOD = InstanceState(
    "db", "available", "postgres", "17.4", "db.t3.micro", False, False, True, 7, "app", "127.0.0.1", 5432,
    False, 20 * 1024**3,
)  # fmt: skip


def declared(**settings: Any) -> RdsInstance:
    """An instance as a profile file declares it."""
    plain = {"identifier": "db", "instance_class": "db.t3.micro", "database": "app"}
    return RdsInstance.model_validate({**plain, **settings}, strict=True)


INSTANCE = declared(secret="s")
FULL = declared(
    engine_version="17",
    force_ssl=True,
    restorable_within="1h",
    free_storage=">= 20%",
    connections="<= 80",
    certificate_left="30d",
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
        "EngineVersion": "17.4",
        "MasterUsername": "app",
        "MasterUserPassword": "correct-horse-battery",
        "AllocatedStorage": 20,
        "DBName": "app",
        "StorageEncrypted": True,
        "BackupRetentionPeriod": 7,
        **settings,
    }
    owner("rds").create_db_instance(**wanted)


def group(owner: Owner, name: str = "forced", value: str = "1") -> None:
    rds = owner("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName=name, DBParameterGroupFamily="postgres17", Description="d"
    )
    if value:
        force = {"ParameterName": "rds.force_ssl", "ParameterValue": value, "ApplyMethod": "immediate"}
        rds.modify_db_parameter_group(DBParameterGroupName=name, Parameters=[force])


def read(aws: Aws, instance: RdsInstance = INSTANCE) -> InstanceState:
    state = RdsInstance.read(aws, [instance])[instance.id]
    assert isinstance(state, InstanceState)
    assert codec.load(InstanceState, codec.dump(state)) == state, "it survives its way to the checks"
    return state


# Reading


def test_the_state_of_a_real_instance(aws: Aws, owner: Owner) -> None:
    make(owner, Port=6543, Tags=[{"Key": "aws:cloudformation:stack-name", "Value": "DatabaseStack"}])
    state = read(aws)
    assert rds_rules.differences(INSTANCE, state) == ()
    assert (state.host, state.port, state.stack) == ("127.0.0.1", 6543, "DatabaseStack")
    assert state.allocated == 20 * 1024**3
    assert state.restorable_at is not None
    assert state.pending == ()
    assert aws.calls == {"sts:GetCallerIdentity": 1, "rds:DescribeDBInstances": 1}, (
        "nothing that is not judged"
    )


def test_everything_of_many_instances_takes_one_question_each(aws: Aws, owner: Owner) -> None:
    group(owner)
    names = [f"db-{index}" for index in range(3)]
    for name in names:
        make(owner, DBInstanceIdentifier=name, DBParameterGroupName="forced")
    owner("rds").create_db_snapshot(DBSnapshotIdentifier="before", DBInstanceIdentifier="db-1")
    owner("cloudwatch").put_metric_data(
        Namespace="AWS/RDS",
        MetricData=[
            {
                "MetricName": "FreeStorageSpace",
                "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": "db-2"}],
                "Value": 5e9,
            }
        ],
    )
    wanted = [FULL.model_copy(update={"identifier": name}) for name in (*names, "nosuch")]
    found = RdsInstance.read(aws, wanted)
    assert sorted(found) == names
    assert aws.calls == {
        "sts:GetCallerIdentity": 1,
        "rds:DescribeDBInstances": 1,
        "rds:DescribeDBParameters": 1,
        "rds:DescribeDBSnapshots": 1,
        "cloudwatch:GetMetricData": 1,
    }
    states: Any = found
    assert {state.force_ssl["forced"] for state in states.values()} == {"1"}
    assert [state.snapshot is not None for state in states.values()] == [False, True, False]
    assert states["db-1"].snapshot.name == "before"
    assert states["db-2"].free_storage.value == 5e9
    assert states["db-0"].free_storage is None
    assert all(state.unread == {} for state in states.values())


def test_retention_and_restorability(aws: Aws, owner: Owner) -> None:
    make(owner, BackupRetentionPeriod=0)
    state = read(aws)
    assert state.restorable_at is None, "without backups there is nothing to restore from"
    assert rds_rules.retention_problem(INSTANCE, state) == "backups are kept for 0 days, declared are 7"
    assert rds_rules.retention_problem(INSTANCE, GOOD) == ""


def test_changes_that_wait(aws: Aws, owner: Owner) -> None:
    make(owner)
    owner("rds").modify_db_instance(
        DBInstanceIdentifier="db", EngineVersion="17.5", AllocatedStorage=40, ApplyImmediately=False
    )
    assert rds_rules.waiting(read(aws)) == ("AllocatedStorage: 40", "EngineVersion: 17.5")
    group(owner)
    owner("rds").modify_db_instance(DBInstanceIdentifier="db", DBParameterGroupName="forced")
    state = read(aws, FULL)
    assert rds_rules.waiting(state)[-1] == "parameter group forced: pending-reboot"
    assert rds_rules.tls_problem(state).endswith("but not in force: the group is pending-reboot")


def test_a_password_that_is_about_to_change_is_not_told() -> None:
    pending = {"MasterUserPassword": "Zq7xCanary", "MultiAZ": False, "Port": None, "LogTypes": {}}
    assert rds_state._pending(pending) == ("MasterUserPassword", "MultiAZ: False")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("1", ""),
        ("0", "rds.force_ssl is 0 in its parameter group forced, it must be 1"),
        ("", "rds.force_ssl is not set in its parameter group forced, it must be 1"),
    ],
)
def test_tls_as_the_parameter_group_has_it(aws: Aws, owner: Owner, value: str, problem: str) -> None:
    group(owner, value=value)
    make(owner, DBParameterGroupName="forced")
    assert rds_rules.tls_problem(read(aws, FULL)) == problem


def test_a_parameter_group_that_is_gone_is_a_failure_of_that_check_alone(aws: Aws, owner: Owner) -> None:
    make(owner)  # the emulator names a default group, and has none
    state = read(aws, FULL)
    with pytest.raises(Fault, match=r"RDS parameter group default\.postgres17 does not exist") as caught:
        state.needs("parameters")
    assert caught.value.outcome is Outcome.FAILED
    state.needs("snapshots")
    state.needs("metrics")


PARAMETER = "<Parameter><ParameterName>{}</ParameterName><ParameterValue>{}</ParameterValue></Parameter>"


def test_the_engines_own_value_counts_on_whichever_page_it_is(
    stub: Callable[..., Any], http: Callable[..., bytes], make_profile: Callable[..., Any], credentials: str
) -> None:
    def answer(request: bytes) -> bytes:
        mine, marker = "", ""
        if b"Source=user" not in request:
            second = b"Marker=page-2" in request
            mine = PARAMETER.format("rds.force_ssl", 1) if second else PARAMETER.format("work_mem", 4)
            marker = "" if second else "<Marker>page-2</Marker>"
        body = f"<R><DescribeDBParametersResult><Parameters>{mine}</Parameters>{marker}</DescribeDBParametersResult></R>"
        return http("200 OK", body, "text/xml")

    aws = Aws(make_profile(stub(answer).url))
    assert rds_state._parameter(aws, "default.postgres17") == "1"
    assert aws.calls["rds:DescribeDBParameters"] == 3


INSTANCE_XML = """<DBInstance><DBInstanceIdentifier>{}</DBInstanceIdentifier><DBInstanceStatus>available</DBInstanceStatus>
<Engine>postgres</Engine><EngineVersion>17.4</EngineVersion><DBInstanceClass>db.t3.micro</DBInstanceClass><MultiAZ>false</MultiAZ>
<DeletionProtection>false</DeletionProtection><StorageEncrypted>true</StorageEncrypted><AllocatedStorage>20</AllocatedStorage>
<BackupRetentionPeriod>7</BackupRetentionPeriod><PubliclyAccessible>false</PubliclyAccessible></DBInstance>"""
NOT_FOUND = (
    "<E><Error><Code>DBInstanceNotFound</Code><Message>DBInstance gone not found.</Message></Error></E>"
)


def test_every_page_of_instances_is_read(
    stub: Callable[..., Any], http: Callable[..., bytes], make_profile: Callable[..., Any], credentials: str
) -> None:
    def answer(request: bytes) -> bytes:
        second = b"Marker=page-2" in request
        body = INSTANCE_XML.format("two" if second else "one") + ("" if second else "<Marker>page-2</Marker>")
        inner = body.replace("<DBInstance>", "<DBInstances><DBInstance>").replace(
            "</DBInstance>", "</DBInstance></DBInstances>"
        )
        return http(
            "200 OK", f"<R><DescribeDBInstancesResult>{inner}</DescribeDBInstancesResult></R>", "text/xml"
        )

    aws = Aws(make_profile(stub(answer).url))
    wanted = [INSTANCE.model_copy(update={"identifier": name}) for name in ("ONE", "two", "three")]
    assert sorted(RdsInstance.read(aws, wanted)) == ["ONE", "two"], "RDS keeps identifiers in lower case"


def test_where_one_missing_name_spoils_the_answer_each_is_asked_alone(
    stub: Callable[..., Any], http: Callable[..., bytes], make_profile: Callable[..., Any], credentials: str
) -> None:
    def answer(request: bytes) -> bytes:
        if b"gone" in request:
            return http("404 Not Found", NOT_FOUND, "text/xml")
        inner = f"<DBInstances>{INSTANCE_XML.format('db')}</DBInstances>"
        return http(
            "200 OK", f"<R><DescribeDBInstancesResult>{inner}</DescribeDBInstancesResult></R>", "text/xml"
        )

    aws = Aws(make_profile(stub(answer).url))
    gone = INSTANCE.model_copy(update={"identifier": "gone"})
    assert sorted(RdsInstance.read(aws, [INSTANCE, gone])) == ["db"]
    assert RdsInstance.read(aws, [gone]) == {}


def test_more_instances_than_a_call_takes() -> None:
    asked: list[list[str]] = []

    class Many:
        def each(self, question: Callable[[Any], Any], about: Any) -> list[Any]:
            return [question(thing) for thing in about]

        def items(self, key: str, about: str, field: str, **parameters: Any) -> list[Any]:
            asked.append(parameters["Filters"][0]["Values"])
            return []

    many: Any = Many()
    wanted = [INSTANCE.model_copy(update={"identifier": f"db-{index:03}"}) for index in range(201)]
    assert RdsInstance.read(many, wanted) == {}
    assert [len(names) for names in asked] == [100, 100, 1]


class Refusing:
    """An account whose one instance can be described, and nothing else."""

    def __init__(self, *fields: str) -> None:
        self.missing = fields

    def each(self, question: Callable[[Any], Any], about: Any) -> list[Any]:
        found = []
        for thing in about:
            try:
                found.append(question(thing))
            except Fault as fault:
                found.append(fault)
        return found

    def items(self, key: str, about: str, field: str, **_: Any) -> list[Any]:
        if key != "rds:DescribeDBInstances":
            raise Denied(f"{key} on {about}: access denied", hint=f"allow {key}")
        whole = {
            "DBInstanceIdentifier": "db",
            "DBInstanceStatus": "available",
            "Engine": "postgres",
            "EngineVersion": "17.4",
            "DBInstanceClass": "db.t3.micro",
            "MultiAZ": False,
            "DeletionProtection": False,
            "StorageEncrypted": True,
            "BackupRetentionPeriod": 7,
            "PubliclyAccessible": False,
            "AllocatedStorage": 20,
            "DBParameterGroups": [{"DBParameterGroupName": "g", "ParameterApplyStatus": "in-sync"}],
        }
        return [{name: value for name, value in whole.items() if name not in self.missing}]


def test_what_may_not_be_read_is_an_error_of_its_own_checks_alone() -> None:
    refusing: Any = Refusing()
    state = read(refusing, FULL)
    for part, key in (
        ("snapshots", "rds:DescribeDBSnapshots"),
        ("parameters", "rds:DescribeDBParameters"),
        ("metrics", "cloudwatch:GetMetricData"),
    ):
        with pytest.raises(Fault, match=f"{key} on .*: access denied") as caught:
            state.needs(part)
        assert caught.value.outcome is Outcome.ERROR


@pytest.mark.parametrize(
    "field", ["DBInstanceStatus", "PubliclyAccessible", "AllocatedStorage", "EngineVersion"]
)
def test_an_answer_with_something_missing_is_an_error(field: str) -> None:
    half: Any = Refusing(field)
    found = RdsInstance.read(half, [INSTANCE])["db"]
    assert isinstance(found, Broken)
    assert field in found.message


def test_snapshots_that_cannot_be_used_do_not_count(
    stub: Callable[..., Any], http: Callable[..., bytes], make_profile: Callable[..., Any], credentials: str
) -> None:
    rows = [
        ("creating", "making", "2026-11-22T12:00:00Z"),
        ("old", "available", "2026-11-20T12:00:00Z"),
        ("newest", "available", "2026-11-21T12:00:00Z"),
        ("older", "available", "2026-11-19T12:00:00Z"),
        ("undated", "available", ""),
    ]

    def answer(request: bytes) -> bytes:
        snapshots = "".join(
            f"<DBSnapshot><DBSnapshotIdentifier>{name}</DBSnapshotIdentifier><Status>{status}</Status>"
            + (f"<SnapshotCreateTime>{at}</SnapshotCreateTime>" if at else "")
            + "<DBInstanceIdentifier>db</DBInstanceIdentifier></DBSnapshot>"
            for name, status, at in rows
        )
        inner = f"<DBSnapshots>{snapshots}</DBSnapshots>"
        return http(
            "200 OK", f"<R><DescribeDBSnapshotsResult>{inner}</DescribeDBSnapshotsResult></R>", "text/xml"
        )

    aws = Aws(make_profile(stub(answer).url))
    found = rds_state._snapshots(aws, [FULL])["db"]["snapshot"]
    assert found == Snapshot("newest", 1795262400.0)


# Judging


def test_every_difference_is_named_at_once() -> None:
    drifted = replace(
        GOOD,
        engine="mysql",
        instance_class="db.t3.small",
        multi_az=True,
        deletion_protection=True,
        encrypted=False,
        database="",
    )
    assert rds_rules.differences(INSTANCE, GOOD) == ()
    assert rds_rules.differences(INSTANCE, drifted) == (
        "engine is mysql, declared postgres",
        "class is db.t3.small, declared db.t3.micro",
        "Multi-AZ is on, declared off",
        "deletion protection is on, declared off",
        "encryption is off, declared on",
        "database is not set, declared app",
    )
    unnamed = INSTANCE.model_copy(update={"database": ""})
    assert rds_rules.differences(unnamed, replace(GOOD, database="whatever")) == ()


@pytest.mark.parametrize(
    ("actual", "wanted", "same"),
    [
        ("17.4", "17", True),
        ("17.4", "17.4", True),
        ("17.40", "17.4", False),
        ("17.4", "17.40", False),
        ("17", "17.4", False),
        ("170.4", "17", False),
        ("8.0.mysql_aurora.3.08.0", "8.0.mysql_aurora.3", True),
    ],
)
def test_versions_are_compared_part_by_part(actual: str, wanted: str, *, same: bool) -> None:
    assert (rds_rules.version_problem(actual, wanted) == "") is same


def test_without_a_parameter_group_nothing_forces_tls() -> None:
    assert "no parameter group" in rds_rules.tls_problem(GOOD)
    two = replace(
        GOOD,
        parameter_groups=(ParameterGroup("a", "in-sync"), ParameterGroup("b", "in-sync")),
        force_ssl={"a": "1", "b": "0"},
    )
    assert rds_rules.tls_problem(two) == "rds.force_ssl is 0 in its parameter group b, it must be 1"


def test_the_newest_way_to_restore_counts() -> None:
    assert rds_rules.restorable(GOOD) == (None, "nothing")
    backed = replace(GOOD, restorable_at=100.0)
    assert rds_rules.restorable(backed) == (100.0, "its automated backups")
    assert rds_rules.restorable(replace(backed, snapshot=Snapshot("s", 99.0)))[0] == 100.0
    assert rds_rules.restorable(replace(backed, snapshot=Snapshot("s", 101.0))) == (101.0, "snapshot s")
    assert rds_rules.restorable(replace(GOOD, snapshot=Snapshot("s", 1.0))) == (1.0, "snapshot s")


@pytest.mark.parametrize(("age", "held"), [(3599.9, True), (3600.0, True), (3600.001, False)])
def test_exactly_as_long_ago_as_declared_is_in_time(age: float, *, held: bool) -> None:
    from harness.model import Measurement, Unit

    measured = Measurement.of("restorable_age", age, Unit.SECONDS, sample=1)
    assert rds_rules.at_most("restorable_age", FULL.restorable_within).judge(measured).held is held
    left = Measurement.of("certificate_left", age, Unit.SECONDS, sample=1)
    assert rds_rules.at_least("certificate_left", 3600.0).judge(left).held is (age >= 3600)


def test_a_share_is_exact() -> None:
    assert str(rds_rules.share(1, 3)) == "1/3"
    assert rds_rules.share(0, 0) is None


def test_a_diagnosis_tells_events_and_stack(aws: Aws, owner: Owner) -> None:
    make(owner)
    assert isinstance(rds_rules.diagnose(aws, INSTANCE), tuple)
    lines = rds_rules.diagnose(aws, INSTANCE, replace(GOOD, stack="nosuch"))
    assert any("stack events could not be read" in line for line in lines)

    class Events:
        def items(self, *_: object, **__: object) -> list[dict[str, Any]]:
            return [{"Date": f"2026-11-0{day}", "Message": "restarted"} for day in range(1, 8)]

    events: Any = Events()
    assert rds_rules.diagnose(events, INSTANCE) == tuple(f"2026-11-0{day} restarted" for day in range(3, 8))


def test_what_could_not_be_read_ends_only_the_checks_that_need_it() -> None:
    told = Told(Outcome.ERROR, "denied", "allow it")
    state = replace(GOOD, unread={"metrics": told}, free_storage=Sample(1.0, 2.0))
    with pytest.raises(Fault, match="denied"):
        state.needs("metrics")
    state.needs("snapshots")


# Declaring


ALWAYS = tuple(
    f"rds.is_{name}" for name in ("available", "configured_as_declared", "private", "backed_up", "settled")
)


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    profile = make_profile()
    assert declared().mandatory(profile, Phase.PRE_DEPLOY) == ALWAYS
    assert INSTANCE.mandatory(profile, Phase.PRE_DEPLOY) == (
        *ALWAYS,
        "rds.accepts_a_login",
        "postgres.answers_in_time",
    )
    assert FULL.mandatory(profile, Phase.PRE_DEPLOY) == (
        *ALWAYS,
        "rds.is_of_its_version",
        "rds.forces_tls",
        "rds.certificate_is_valid",
        "rds.has_free_storage",
        "rds.has_few_connections",
    )
    everything = declared(
        secret="s",
        engine_version="17",
        force_ssl=True,
        query_time="< 100ms",
        connection_usage="<= 80%",
        replication_lag="< 30s",
        migrations={"revision": "abc"},
    )
    assert [
        name for name in everything.mandatory(profile, Phase.PRE_DEPLOY) if name.startswith("postgres")
    ] == [
        "postgres.answers_in_time",
        "postgres.uses_tls",
        "postgres.is_of_its_version",
        "postgres.has_connections_left",
        "postgres.replicates",
        "postgres.is_at_its_revision",
    ]


def test_its_names_in_a_policy() -> None:
    assert declared().arns("1", "r") == ("arn:aws:rds:r:1:db:db",)
    assert INSTANCE.arns("1", "r")[1] == "arn:aws:secretsmanager:r:1:secret:s-??????"
    assert (
        declared(secret="arn:aws:secretsmanager:r:1:secret:s-abcdef").arns("1", "r")[1].endswith(":s-abcdef")
    )


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"free_storage": "<= 20%"}, "must be a limit with > or >=, as ratio or bytes"),
        ({"free_storage": ">= 20s"}, "as ratio or bytes"),
        ({"free_storage": ">= 20% for 5m"}, "at one moment"),
        ({"connections": ">= 80"}, "must be a limit with < or <=, as count"),
        ({"connections": "<= 80%"}, "as count"),
        ({"secret": "s", "query_time": "< 100"}, "as seconds"),
        ({"query_time": "< 100ms"}, "query_time can only be seen by logging in"),
        (
            {"migrations": {"revision": "x"}, "connection_usage": "< 80%"},
            "connection_usage, migrations can only",
        ),
        ({"secret": "s", "engine": "mysql"}, "a login to PostgreSQL, the engine is mysql"),
        ({"migrations": {"revision": ""}, "secret": "s"}, "at least 1 character"),
        ({"restorable_within": 3600}, "must be text such as"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        declared(**settings)


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
