"""The shipped profiles against the guide's tables."""

from collections.abc import Callable

import pytest

from harness.aws.endpoints import HttpEndpoint, TcpEndpoint
from harness.aws.journey import DomainJourney
from harness.gates import plan
from harness.gates.load import LoadConfig
from harness.gates.smoke import SmokeConfig
from harness.model import Phase
from harness.profile import Profile, Tables

Load = Callable[..., Profile]
PRE, POST = Phase.PRE_DEPLOY, Phase.POST_DEPLOY
ENVIRONMENTS = ["local", "dev", "staging", "prod"]
FIRST = ("unit", "lint", "security")


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("local", (FIRST, ("integration",), ("load",)), (("integration",), ("smoke",))),
        ("dev", (FIRST,), (("smoke",),)),
        ("staging", (FIRST, ("integration",), ("load",)), (("integration",), ("smoke",))),
        ("prod", ((*FIRST, "promotion"), ("integration",)), (("integration",), ("smoke",))),
    ],
)
def test_phases(load: Load, name: str, before: object, after: object) -> None:
    profile = load(name)
    assert profile.phases == {PRE: before, POST: after}
    for phase in (PRE, POST):
        gates, checks = plan(profile, phase)
        assert {check.gate for check in checks} == {gate.name for gate in gates}


@pytest.mark.parametrize(
    ("name", "absent", "no_credentials", "unreachable", "not_emulated"),
    [
        ("local", "allow", "ERROR", "ERROR", "allow"),
        ("dev", "allow", "allow", "allow", "ERROR"),
        ("staging", "allow", "INCONCLUSIVE", "INCONCLUSIVE", "ERROR"),
        ("prod", "NO_GO", "INCONCLUSIVE", "INCONCLUSIVE", "ERROR"),
    ],
)
def test_what_skips_lead_to(
    load: Load, name: str, absent: str, no_credentials: str, unreachable: str, not_emulated: str
) -> None:
    assert load(name).policy.skips.model_dump() == {
        "absent": absent,
        "no_credentials": no_credentials,
        "unreachable": unreachable,
        "not_emulated": not_emulated,
        "no_baseline": "allow",
    }


@pytest.mark.parametrize(
    ("name", "instance_class", "tasks", "protected", "backup_days"),
    [
        ("local", "db.t3.small", 2, False, 7),
        ("dev", "db.t3.micro", 1, False, 7),
        ("staging", "db.t3.small", 2, False, 7),
        ("prod", "db.t3.medium", 3, True, 30),
    ],
)
def test_the_environments_table(
    load: Load, name: str, instance_class: str, tasks: int, protected: bool, backup_days: int
) -> None:
    values = {key: setting.value for key, setting in load(name).settings.items()}
    assert values["rds.instances[0].identifier"] == f"rds-{name}"
    assert values["rds.instances[0].instance_class"] == instance_class
    assert values["rds.instances[0].multi_az"] is False
    assert values["rds.instances[0].encrypted"] is True
    assert values["rds.instances[0].deletion_protection"] is protected
    assert values["rds.instances[0].backup_days"] == backup_days
    assert values["rds.instances[0].database"] == f"storefront_{name}"
    assert values["rds.instances[0].secret"] == f"storefront/{name}/rds-credentials"
    for index, service in enumerate(("api", "web", "control-plane")):
        assert values[f"ecs.services[{index}].service"] == f"{service}-service-{name}"
        assert values[f"ecs.services[{index}].cluster"] == f"storefront-cluster-{name}"
        assert values[f"ecs.services[{index}].min_tasks"] == tasks
        assert values[f"ecs.services[{index}].image"] == service.removeprefix("control-plane")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_queues(load: Load, name: str) -> None:
    values = {key: setting.value for key, setting in load(name).settings.items()}
    expected = [("database-operations", "2m"), ("route53-operations", "5m"), ("github-workflow", "3m")]
    for index, (queue, visibility) in enumerate(expected):
        assert values[f"sqs.queues[{index}].queue"] == f"storefront-{name}-{queue}-queue.fifo"
        assert values[f"sqs.queues[{index}].dead_letter_queue"] == f"storefront-{name}-fifo-dlq.fifo"
        assert values[f"sqs.queues[{index}].max_receives"] == 3
        assert values[f"sqs.queues[{index}].visibility"] == visibility
    assert values["sqs.queues[3].queue"] == f"storefront-{name}-fifo-dlq.fifo"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_budgets_and_coverage(load: Load, name: str) -> None:
    values = {key: setting.value for key, setting in load(name).settings.items()}
    budgets = {"unit": "5m", "lint": "5m", "security": "5m", "integration": "15m", "load": "30m"}
    assert {gate: values[f"gates.{gate}.budget"] for gate in budgets} == budgets
    assert values["gates.unit.coverage"] == "coverage >= 80%"
    assert values["gates.unit.sources"] == ["stacks", "apps"]
    assert values["gates.unit.tests"] == ["tests/unit"]


def test_production_is_read_only_and_never_under_load(load: Load) -> None:
    profile = load("prod")
    config = profile.gate("load", LoadConfig)
    assert profile.aws.access == "read-only"
    assert (config.allowed_hosts, config.scenarios) == ([], [])
    assert not any(check.id.startswith("integration.sqs.carries") for check in plan(profile, PRE)[1])


def test_staging_has_the_guides_load_targets(load: Load) -> None:
    scenarios = {item.name: item for item in load("staging").gate("load", LoadConfig).scenarios}
    assert scenarios["api-rate"].rate == 5.0
    assert scenarios["api-rate"].duration == 30.0
    assert scenarios["api-concurrency"].users == 50
    assert scenarios["web-concurrency"].users == 20
    api = ["success_rate >= 95%", "avg_response_time < 2s", "p95 < 5s"]
    web = ["success_rate >= 95%", "avg_response_time < 3s", "p95 < 5s"]
    own = {"queue-rate": "rate > 10/s", "domain-queueing": "rate > 2/s", "zone-rate": "rate >= 0.5/s"}
    assert scenarios.keys() == {"api-rate", "api-concurrency", "web-concurrency", *own}
    for name, item in scenarios.items():
        rules = ["success_rate >= 95%", own[name]] if name in own else web if name.startswith("web") else api
        assert [rule.text for rule in item.thresholds] == rules


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_floors_where_a_release_proves_itself(load: Load, name: str) -> None:
    values = {key: setting.value for key, setting in load(name).settings.items()}
    assert values["app.require_clean"] is values["app.require_images"] is True
    assert values["gates.security.safety.max_age"] == "7d"
    assert values["gates.security.safety.min_records"] == 1000


def test_only_local_brings_its_own_environment(load: Load) -> None:
    profiles = [load(name) for name in ENVIRONMENTS]
    assert [profile.local.stand_in for profile in profiles] == [True, False, False, False]
    assert [bool(profile.aws.endpoint_url) for profile in profiles] == [True, False, False, False]
    assert profiles[0].aws.account == "000000000000"
    assert profiles[0].gate("load", LoadConfig).allowed_hosts == ["127.0.0.1"]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_web_and_api_are_probed(load: Load, name: str) -> None:
    endpoints = load(name).gate("smoke", SmokeConfig).endpoints
    assert [endpoint.name for endpoint in endpoints] == ["web", "api"]
    assert [endpoint.url.rpartition("}")[2] for endpoint in endpoints] == ["/health", "/v1/api/health"]


def test_each_environment_declares_the_same_things(load: Load, tables: Tables) -> None:
    """Parity: what differs is a number or a name, never what is there. Journeys change something: not in production;
    the stand-in has neither Redis nor OpenSearch, so the local endpoints are the example's programs."""
    theirs = (DomainJourney, TcpEndpoint, HttpEndpoint)

    def shape(name: str) -> list[str]:
        resources = (item for group in load(name).resources.values() for item in group)
        declared = [item for item in resources if not isinstance(item, theirs)]
        domain = f"{name}.example.com"  # production's is the bare one
        return [item.id.replace(domain, "example.com").replace(name, "ENV") for item in declared]

    assert len(tables.resources) >= 3
    assert {tuple(shape(name)) for name in ENVIRONMENTS} == {tuple(shape("prod"))}
    reached = {name: {item.id for item in load(name).of(TcpEndpoint)} for name in ENVIRONMENTS}
    away = {name: {"redis", "opensearch"} for name in ENVIRONMENTS if name != "local"}
    assert reached == {"local": {"api"}, **away}
    made = {name: load(name).of(DomainJourney) for name in ENVIRONMENTS}
    assert [name for name, journeys in made.items() if not journeys] == ["prod"]
