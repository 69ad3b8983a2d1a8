"""The rules of activating and deactivating."""

from typing import Any

import pytest

from apps.domains import (
    NEEDED,
    STEPS,
    Change,
    Domain,
    Domains,
    InvalidName,
    Progress,
    Status,
    Unavailable,
    Unfinished,
    check_name,
)
from apps.memory import MemoryBus, MemoryStore


def carry_out(change: Change, store: MemoryStore) -> bool:
    """What all workers do together."""
    return all([store.received(change, step) and store.done(change, step) for step in STEPS])


def test_activating_writes_the_wish_and_announces_it(
    domains: Domains, store: MemoryStore, bus: MemoryBus
) -> None:
    assert domains.activate("Example.COM.") == Domain("example.com", Status.ACTIVATING)
    assert store.rows["example.com"].status is Status.ACTIVATING
    assert bus.announced == [Change("example.com", Status.ACTIVE, 1)]


def test_it_is_active_once_the_steps_that_matter_are_done(
    domains: Domains, store: MemoryStore, bus: MemoryBus
) -> None:
    domain = domains.activate("example.com")
    (change,) = bus.announced
    assert set(domains.progress(domain).values()) == {Progress.WAITING}
    for step in sorted(NEEDED):
        assert store.rows["example.com"].status is Status.ACTIVATING
        assert store.received(change, step)
        assert domains.progress(domain)[step] is Progress.RECEIVED
        assert store.done(change, step)
    assert store.rows["example.com"].status is Status.ACTIVE
    assert domains.progress(domain) == {step: Progress.DONE for step in sorted(NEEDED)} | {
        "github-workflow": Progress.WAITING
    }


def test_what_nobody_waits_for_does_not_make_it_active(
    domains: Domains, store: MemoryStore, bus: MemoryBus
) -> None:
    domains.activate("example.com")
    (unneeded,) = set(STEPS) - NEEDED
    assert store.done(bus.announced[0], unneeded)
    assert store.rows["example.com"].status is Status.ACTIVATING


def test_only_an_inactive_domain_can_be_purged(domains: Domains, store: MemoryStore, bus: MemoryBus) -> None:
    domains.activate("example.com")
    with pytest.raises(Unfinished, match="is activating"):
        domains.purge("example.com")
    domains.deactivate("example.com")
    carry_out(bus.announced[-1], store)
    assert domains.purge("Example.com")
    assert not store.rows
    assert not store.progress
    assert not domains.purge("example.com")


def test_a_domain_in_any_state_can_be_purged_by_force(domains: Domains, store: MemoryStore) -> None:
    domains.activate("example.com")
    domains.activate("example.org")
    assert domains.purge("example.com", anyway=True)
    assert list(store.rows) == ["example.org"]


def test_a_late_message_of_a_purged_domain_changes_nothing(
    domains: Domains, store: MemoryStore, bus: MemoryBus
) -> None:
    domains.activate("example.com")
    domains.purge("example.com", anyway=True)
    assert not carry_out(bus.announced[0], store)
    assert not store.progress


def test_asking_for_what_is_so_already_announces_nothing(
    domains: Domains, store: MemoryStore, bus: MemoryBus
) -> None:
    domains.activate("example.com")
    carry_out(bus.announced[0], store)
    assert domains.activate("example.com").status is Status.ACTIVE
    assert len(bus.announced) == 1


def test_asking_again_on_the_way_announces_the_same_wish(domains: Domains, bus: MemoryBus) -> None:
    domains.activate("example.com")
    domains.activate("example.com")
    first, second = bus.announced
    assert first == second


def test_a_full_circle_raises_the_revision(domains: Domains, store: MemoryStore, bus: MemoryBus) -> None:
    domains.activate("example.com")
    carry_out(bus.announced[-1], store)
    assert domains.deactivate("example.com") == Domain("example.com", Status.DEACTIVATING, 2)
    carry_out(bus.announced[-1], store)
    assert store.rows["example.com"] == Domain("example.com", Status.INACTIVE, 2)
    assert domains.activate("example.com").revision == 3


def test_a_stale_message_changes_nothing(domains: Domains, store: MemoryStore, bus: MemoryBus) -> None:
    domains.activate("example.com")
    domains.deactivate("example.com")
    late, _ = bus.announced
    assert not carry_out(late, store)
    assert store.rows["example.com"].status is Status.DEACTIVATING


def test_an_unknown_domain_cannot_be_deactivated(domains: Domains, bus: MemoryBus) -> None:
    assert domains.deactivate("example.com") is None
    assert not bus.announced


def test_a_wish_that_could_not_be_announced_can_be_asked_for_again(
    domains: Domains, store: MemoryStore, bus: MemoryBus
) -> None:
    bus.down = True
    with pytest.raises(Unavailable):
        domains.activate("example.com")
    assert store.rows["example.com"].status is Status.ACTIVATING
    bus.down = False
    domains.activate("example.com")
    assert len(bus.announced) == 1


@pytest.mark.parametrize("name", ["example.com", "a.b.example.co.uk", "xn--bcher-kva.example", "7.example"])
def test_good_names(name: str) -> None:
    assert check_name(f" {name.upper()} ") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "localhost",
        "-a.com",
        "a-.com",
        "a..com",
        "1.2.3.4",
        "a b.com",
        f"{'a' * 64}.com",
        "a." * 127 + "com",
    ],
)
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidName, match="is not a domain name"):
        check_name(name)


def test_a_change_survives_its_message() -> None:
    change = Change("example.com", Status.INACTIVE, 4)
    assert Change.loads(change.dumps()) == change


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"name": "a.b", "wanted": "gone", "revision": 1}', "null"])
def test_anything_else_is_no_change(body: Any) -> None:
    with pytest.raises(ValueError, match="not a domain change"):
        Change.loads(body)
