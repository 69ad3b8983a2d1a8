"""What workers do with messages."""

from collections.abc import Callable, Iterator
from threading import Event

import pytest
from botocore.exceptions import EndpointConnectionError

from apps.domains import STEPS, Domains, Progress, Status, Unavailable
from apps.memory import MemoryBus, MemoryStore, MemoryZones
from apps.messaging import Message
from apps.worker.__main__ import main, work
from apps.worker.worker import DATABASE, GITHUB, ROUTE53, Act, HostedZone, Worker


class FakeInbox:
    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)
        self.deleted: list[Message] = []
        self.returned: list[Message] = []

    def receive(self) -> Iterator[Message]:
        yield from self.messages

    def delete(self, message: Message) -> None:
        self.deleted.append(message)

    def give_back(self, message: Message) -> None:
        self.returned.append(message)


def status(store: MemoryStore) -> Status:
    return store.rows["example.com"].status


@pytest.fixture
def zones() -> MemoryZones:
    return MemoryZones()


@pytest.fixture
def announced(domains: Domains, bus: MemoryBus) -> Message:
    domains.activate("example.com")
    return Message(bus.announced[0].dumps(), "r1")


Handle = Callable[..., int]


@pytest.fixture
def handle(store: MemoryStore, zones: MemoryZones) -> Handle:
    """Hands a message to the workers of the named steps, or of all."""

    def run(message: Message, *steps: str) -> int:
        acts: dict[str, Act] = {ROUTE53: HostedZone(zones)}
        return sum(Worker(FakeInbox(message), store, step, acts.get(step)).step() for step in steps or STEPS)

    return run


def test_a_domain_is_active_when_database_and_zone_are_done(
    store: MemoryStore, zones: MemoryZones, announced: Message, handle: Handle
) -> None:
    assert handle(announced, DATABASE, GITHUB) == 2
    assert status(store) is Status.ACTIVATING
    assert handle(announced, ROUTE53) == 1
    assert status(store) is Status.ACTIVE
    assert zones.names == {"example.com"}


def test_a_deactivated_domain_has_no_zone(
    domains: Domains,
    bus: MemoryBus,
    store: MemoryStore,
    zones: MemoryZones,
    announced: Message,
    handle: Handle,
) -> None:
    handle(announced)
    domains.deactivate("example.com")
    handle(Message(bus.announced[-1].dumps(), "r2"))
    assert status(store) is Status.INACTIVE
    assert not zones.names


def test_a_zone_that_cannot_be_made_leaves_the_step_received(
    domains: Domains, store: MemoryStore, zones: MemoryZones, announced: Message, handle: Handle
) -> None:
    zones.down = True
    assert handle(announced) == 2
    assert domains.progress(store.rows["example.com"])[ROUTE53] is Progress.RECEIVED
    assert status(store) is Status.ACTIVATING
    zones.down = False
    assert handle(announced, ROUTE53) == 1
    assert status(store) is Status.ACTIVE


def test_a_stale_message_is_deleted_and_nothing_is_done(
    domains: Domains, zones: MemoryZones, announced: Message, handle: Handle
) -> None:
    domains.deactivate("example.com")
    assert handle(announced) == 3
    assert not zones.names


class PurgedMeanwhile(HostedZone):
    """Somebody purges the domain, or asks for something else, while the zone is being made."""

    def __init__(self, zones: MemoryZones, meanwhile: Callable[[], object]) -> None:
        super().__init__(zones)
        self._meanwhile = meanwhile

    def carry_out(self, change: object) -> None:
        super().carry_out(change)  # type: ignore[arg-type]
        self._meanwhile()


def test_a_zone_that_was_made_for_a_purged_domain_is_removed(
    domains: Domains, store: MemoryStore, zones: MemoryZones, announced: Message
) -> None:
    act = PurgedMeanwhile(zones, lambda: domains.purge("example.com", anyway=True))
    assert Worker(FakeInbox(announced), store, ROUTE53, act).step() == 1
    assert not zones.names


def test_a_zone_of_a_domain_that_is_to_go_is_left_to_the_next_message(
    domains: Domains, store: MemoryStore, zones: MemoryZones, announced: Message
) -> None:
    act = PurgedMeanwhile(zones, lambda: domains.deactivate("example.com"))
    assert Worker(FakeInbox(announced), store, ROUTE53, act).step() == 1
    assert zones.names == {"example.com"}


def test_a_change_is_carried_out_and_deleted(store: MemoryStore, announced: Message) -> None:
    inbox = FakeInbox(announced)
    assert Worker(inbox, store, DATABASE).step() == 1
    assert inbox.deleted == [announced]


def test_a_message_that_arrives_twice_does_no_harm(
    store: MemoryStore, announced: Message, handle: Handle
) -> None:
    assert handle(announced) == handle(announced) == 3
    assert status(store) is Status.ACTIVE


def test_an_unreadable_message_is_left_for_the_dead_letter_queue(
    store: MemoryStore, announced: Message
) -> None:
    inbox = FakeInbox(Message("nonsense", "r0"), announced)
    assert Worker(inbox, store, DATABASE).step() == 1
    assert inbox.deleted == [announced]


def test_a_message_waits_while_the_database_is_gone(store: MemoryStore, announced: Message) -> None:
    store.down = True
    inbox = FakeInbox(announced)
    assert Worker(inbox, store, DATABASE).step() == 0
    assert not inbox.deleted


@pytest.mark.parametrize("step", STEPS)
def test_a_probe_is_given_back_to_its_sender(store: MemoryStore, step: str) -> None:
    pauses: list[int] = []
    probe = Message("anything", "r9", probe=True)
    inbox = FakeInbox(probe)
    assert Worker(inbox, store, step, pause=lambda: pauses.append(1)).step() == 0
    assert (inbox.returned, inbox.deleted, pauses) == ([probe], [], [1])


def test_nothing_to_do(store: MemoryStore) -> None:
    assert Worker(FakeInbox(), store, DATABASE).step() == 0


def test_an_unknown_queue_is_refused() -> None:
    assert main(["no-such-queue"]) == 2


def test_a_queue_that_does_not_answer_is_asked_again(
    store: MemoryStore, announced: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.worker.__main__._AGAIN", 0.0)
    stop, tries = Event(), [1, 2]

    class StoppingInbox(FakeInbox):
        def receive(self) -> Iterator[Message]:
            stop.set()
            yield from self.messages

    def begin() -> Worker:
        if tries.pop() and tries:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
        return Worker(StoppingInbox(announced), store, DATABASE)

    work(DATABASE, begin, stop)
    assert store.steps(store.rows["example.com"]) == {DATABASE: Progress.DONE}


def test_memory_zones_fail_on_demand(zones: MemoryZones) -> None:
    zones.down = True
    with pytest.raises(Unavailable):
        zones.remove("example.com")
