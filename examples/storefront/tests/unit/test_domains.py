"""The rules of activating and deactivating."""

from typing import Any

import pytest

from apps.domains import Change, Domain, Domains, InvalidName, Status, Unavailable, carry_out, check_name
from apps.memory import MemoryBus, MemoryStore


def test_activating_writes_the_wish_and_announces_it(
    domains: Domains, store: MemoryStore, bus: MemoryBus
) -> None:
    assert domains.activate("Example.COM.") == Domain("example.com", Status.ACTIVATING)
    assert store.rows["example.com"].status is Status.ACTIVATING
    assert bus.announced == [Change("example.com", Status.ACTIVE, 1)]


def test_the_worker_side_makes_it_active(domains: Domains, store: MemoryStore, bus: MemoryBus) -> None:
    domains.activate("example.com")
    assert carry_out(bus.announced[0], store)
    assert store.rows["example.com"].status is Status.ACTIVE


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
    assert first.deduplication_id == second.deduplication_id == "example.com-1"


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
