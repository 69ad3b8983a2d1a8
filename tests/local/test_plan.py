"""What a profile turns into, and what each fault makes of it."""

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.gates import tables
from harness.local import faults as table
from harness.local.plan import DEFAULT_TAG, Plan, plan
from harness.profile import Profile
from harness.profile.loader import load_profile


@pytest.fixture
def whole(local_profile: Profile) -> Plan:
    return plan(local_profile, {"api": "v1"})


def broken(whole: Plan, *names: str) -> Plan:
    return table.apply(whole, table.known(names))


def test_everything_declared_is_planned(whole: Plan, local_profile: Profile) -> None:
    assert [service.name for service in whole.services] == [
        item.id for item in local_profile.resources["ecs.services"]
    ]
    assert {queue.name for queue in whole.queues} == {
        item.id for item in local_profile.resources["sqs.queues"]
    }
    assert whole.instances[0].database == "storefront_local"
    assert (whole.environment, whole.topic) == ("local", "storefront-local-domain-changes.fifo")
    assert whole.services[0].log_group


def test_dead_letter_queues_come_first(whole: Plan) -> None:
    first, *rest = whole.queues
    assert not first.dead_letters
    assert {queue.dead_letters for queue in rest} == {first.name}


def test_images_run_under_the_tags_asked_for(whole: Plan) -> None:
    assert {image.name: image.tag for image in whole.images} == {"api": "v1", "web": DEFAULT_TAG}
    assert {(service.repository, service.tag) for service in whole.services} == {
        ("api", "v1"),
        ("web", DEFAULT_TAG),
        ("", ""),
    }


def test_a_digest_cannot_be_made_to_order(local_profile: Profile) -> None:
    made = plan(local_profile, {"api": f"sha256:{'0' * 64}"})
    assert {image.tag for image in made.images} == {DEFAULT_TAG}


def test_a_plan_survives_its_way_to_another_process(whole: Plan) -> None:
    sick = broken(whole, "api-slow", "insecure-code", "service-degraded")
    assert Plan.from_json(sick.as_json()) == sick


def test_an_undeclared_dead_letter_queue_is_made_all_the_same(local_profile: Profile) -> None:
    queues = tuple(
        item for item in local_profile.resources["sqs.queues"] if item.id != "storefront-local-fifo-dlq.fifo"
    )
    changed = {**local_profile.resources, "sqs.queues": queues, "rds.instances": ()}
    from dataclasses import replace

    made = plan(replace(local_profile, resources=changed, name="alone"), {})
    assert made.queues[0].name == "storefront-local-fifo-dlq.fifo"
    assert made.environment == "alone"


def test_without_faults_nothing_changes(whole: Plan) -> None:
    assert broken(whole) == whole


def test_api_faults_are_variables_of_the_api(whole: Plan) -> None:
    sick = broken(whole, "api-errors", "api-slow")
    assert sick.variables == {"FAULT_API_DELAY": "2.5", "FAULT_API_ERROR_RATIO": "0.5"}


def test_one_queue_is_missing(whole: Plan) -> None:
    left = {queue.name for queue in broken(whole, "queue-missing").queues}
    assert {queue.name for queue in whole.queues} - left == {"storefront-local-github-workflow-queue.fifo"}


def test_half_deployed_leaves_some_of_it(whole: Plan) -> None:
    half = broken(whole, "half-deployed")
    assert 0 < len(half.services) < len(whole.services)
    assert 0 < len(half.queues) < len(whole.queues)
    assert half.instances == whole.instances


def test_nothing_deployed_leaves_the_images_that_were_pushed_for_it(whole: Plan) -> None:
    nothing = broken(whole, "nothing-deployed")
    assert not nothing.running
    assert not [*nothing.services, *nothing.queues, *nothing.instances]
    assert nothing.images == whole.images


def test_a_degraded_service_has_a_reason(whole: Plan) -> None:
    first = broken(whole, "service-degraded").services[0]
    assert first.stopped == 1
    assert "OutOfMemory" in first.reason
    assert broken(whole.empty(), "service-degraded") == whole.empty()


def test_a_database_that_is_down_is_still_described(whole: Plan) -> None:
    sick = broken(whole, "db-down")
    assert not sick.database_up
    assert sick.instances == whole.instances


@pytest.mark.parametrize("name", ["low-coverage", "vulnerable-dependency", "insecure-code"])
def test_faults_of_the_source_are_noted(whole: Plan, name: str) -> None:
    assert broken(whole, name).source_faults == (name,)


def test_every_row_says_what_it_breaks_and_breaks_something(whole: Plan) -> None:
    for name, fault in table.FAULTS.items():
        assert fault.name == name
        assert fault.description
        assert table.apply(whole, [fault]) != whole


def test_an_unknown_fault_has_a_near_miss_and_the_list() -> None:
    with pytest.raises(UsageError, match=r"unknown fault 'api-slo' \(did you mean 'api-slow'\?\)") as caught:
        table.known(["db-down", "api-slo"])
    assert all(name in caught.value.hint for name in table.FAULTS)
    with pytest.raises(UsageError, match=r"unknown fault 'xyz'\n"):
        table.known(["xyz"])


def test_an_account_of_its_own_is_kept(tmp_path: Path) -> None:
    other = load_profile(
        "local", tables(), folder=tmp_path, overrides=["aws.account='111122223333'"], environ={}
    )
    assert plan(other, {}).account == "111122223333"
