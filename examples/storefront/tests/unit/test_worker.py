"""What the worker does with messages."""

from collections.abc import Iterator

import pytest

from apps.domains import Domains, Status
from apps.memory import MemoryBus, MemoryStore
from apps.messaging import Message
from apps.worker.worker import Worker


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


@pytest.fixture
def announced(domains: Domains, bus: MemoryBus) -> Message:
    domains.activate("example.com")
    return Message(bus.announced[0].dumps(), "r1")


def test_a_change_is_carried_out_and_deleted(store: MemoryStore, announced: Message) -> None:
    inbox = FakeInbox(announced)
    assert Worker(inbox, store).step() == 1
    assert store.rows["example.com"].status is Status.ACTIVE
    assert inbox.deleted == [announced]


def test_a_message_that_arrives_twice_does_no_harm(store: MemoryStore, announced: Message) -> None:
    Worker(FakeInbox(announced, announced), store).step()
    assert store.rows["example.com"].status is Status.ACTIVE


def test_an_unreadable_message_is_left_for_the_dead_letter_queue(
    store: MemoryStore, announced: Message
) -> None:
    inbox = FakeInbox(Message("nonsense", "r0"), announced)
    assert Worker(inbox, store).step() == 1
    assert inbox.deleted == [announced]


def test_a_message_waits_while_the_database_is_gone(store: MemoryStore, announced: Message) -> None:
    store.down = True
    inbox = FakeInbox(announced)
    assert Worker(inbox, store).step() == 0
    assert not inbox.deleted


def test_a_probe_is_given_back_to_its_sender(store: MemoryStore) -> None:
    pauses: list[int] = []
    probe = Message("anything", "r9", probe=True)
    inbox = FakeInbox(probe)
    assert Worker(inbox, store, pause=lambda: pauses.append(1)).step() == 0
    assert (inbox.returned, inbox.deleted, pauses) == ([probe], [], [1])


def test_nothing_to_do(store: MemoryStore) -> None:
    assert Worker(FakeInbox(), store).step() == 0
