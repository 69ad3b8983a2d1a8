"""What a conversation takes for true: nothing that was forged, altered, cut, sent back or played again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.generator.channel import Channel, ForgedError, nonce

TOKEN = "correct horse battery"
BODY: dict[str, Any] = {"snapshot": {"number": 3, "tally": {"sent": 17}}, "text": "ü"}


def pair(
    token: str = TOKEN, *, nonces: tuple[str, str] = ("w1", "m1"), worker: str = "a"
) -> tuple[Channel, Channel]:
    """The worker's and the master's side of one conversation."""
    mine, theirs = Channel(token, worker, "master"), Channel(TOKEN, "master", worker)
    mine.nonces = theirs.nonces = nonces
    return mine, theirs


def test_what_was_said_is_heard_in_order() -> None:
    worker, master = pair()
    for kind in ("ready", "snapshot", "snapshot"):
        message = master.open(worker.seal(kind, BODY))
        assert (message.kind, message.body) == (kind, BODY)
    assert worker.open(master.seal("go", {})).kind == "go"


def test_a_nonce_is_new_each_time() -> None:
    assert len({nonce() for _ in range(100)}) == 100


def test_another_token() -> None:
    worker, master = pair("a wrong token of the same length")
    with pytest.raises(ForgedError, match="not signed with the token"):
        master.open(worker.seal("ready", {}))


@pytest.mark.parametrize("nonces", [("w2", "m1"), ("w1", "m2"), ("", ""), ("m1", "w1"), ("w1m1", "")])
def test_another_run(nonces: tuple[str, str]) -> None:
    worker, _ = pair(nonces=nonces)
    _, master = pair()
    with pytest.raises(ForgedError, match="not signed"):
        master.open(worker.seal("snapshot", BODY))


def test_the_same_run_again() -> None:
    worker, master = pair()
    first, second = worker.seal("ready", {}), worker.seal("snapshot", BODY)
    master.open(first)
    master.open(second)
    for again in (first, second):
        with pytest.raises(ForgedError, match="heard before"):
            master.open(again)
    assert master.open(worker.seal("snapshot", BODY)).kind == "snapshot", "the worker itself is still heard"


def test_sent_back_to_who_said_it() -> None:
    worker, master = pair()
    with pytest.raises(ForgedError, match="not signed"):
        worker.open(worker.seal("snapshot", BODY))
    with pytest.raises(ForgedError, match="not signed"):
        master.open(master.seal("go", {}))


def test_in_the_name_of_another_worker() -> None:
    other, _ = pair(worker="b")
    _, master = pair()
    with pytest.raises(ForgedError, match="not signed"):
        master.open(other.seal("snapshot", BODY))


def test_the_token_is_in_no_message() -> None:
    assert TOKEN not in pair()[0].seal("ready", BODY)


ELSEWHERE = pair()[0].seal("snapshot", BODY)


def test_cut_short() -> None:
    for length in range(len(ELSEWHERE)):
        with pytest.raises(ForgedError):
            pair()[1].open(ELSEWHERE[:length])


def test_every_flipped_bit() -> None:
    """No flipped bit makes another message; one may leave it the same (an escape in capitals)."""
    raw, same = ELSEWHERE.encode(), 0
    for position in range(len(raw)):
        for bit in range(8):
            altered = bytearray(raw)
            altered[position] ^= 1 << bit
            try:
                message = pair()[1].open(altered.decode(errors="surrogateescape"))
            except ForgedError:
                continue
            same += 1
            assert (message.kind, message.body) == ("snapshot", BODY)
    assert same < 5


@given(
    st.sampled_from(["number", "kind", "body", "mac"]),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())),
)
def test_every_part_is_signed(part: str, value: object) -> None:
    data = json.loads(ELSEWHERE)
    unchanged = type(data[part]) is type(value) and data[part] == value
    try:
        pair()[1].open(json.dumps({**data, part: value}))
    except ForgedError:
        assert not unchanged
    else:
        assert unchanged


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"{}",
        17,
        "",
        "null",
        "[]",
        '"text"',
        "{}",
        '{"number": 1, "kind": "go", "body": "{}"}',
        '{"number": 1, "kind": "go", "body": {}, "mac": "0"}',
        '{"number": true, "kind": "go", "body": "{}", "mac": "0"}',
        '{"number": 1, "kind": "go", "body": "{}", "mac": "\\ud800"}',
        '{"number": ' + "9" * 5000 + ', "kind": "go", "body": "{}", "mac": ""}',
        "[" * 200_000,
    ],
    ids=lambda raw: str(raw)[:40],
)
def test_what_strangers_may_send(raw: object) -> None:
    with pytest.raises(ForgedError):
        pair()[1].open(raw)
