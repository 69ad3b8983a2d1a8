"""An envelope has one form, and its signatures are of what it holds."""

import base64
import json
from typing import Any

import pytest

from harness.codec import canonical
from harness.errors import VerdictError
from harness.verdict.envelope import PAYLOAD_TYPE, is_envelope, pae, payload_of, seal, unseal
from harness.verdict.statement import parse
from harness.verdict.trust import key_ring
from signing_parts import Signer

PAYLOAD = b'{"a":1}\n'
ED, EC = Signer.make("ci"), Signer.make("release", "ecdsa")
RING = key_ring((ED.config, EC.config))
RAW = seal(PAYLOAD, PAYLOAD_TYPE, [ED, EC])


def changed(**values: Any) -> bytes:
    return canonical({**json.loads(RAW), **values}) + b"\n"


def code_of(raw: bytes) -> str:
    with pytest.raises(VerdictError) as caught:
        unseal(raw).signed_by(RING)
    assert caught.value.hint
    return caught.value.code


def test_what_is_sealed_is_unsealed() -> None:
    envelope = unseal(RAW)
    assert (envelope.payload, envelope.payload_type, envelope.raw) == (PAYLOAD, PAYLOAD_TYPE, RAW)
    assert envelope.signed_by(RING) == ("ci", "release")
    assert RAW.endswith(b"}\n")
    assert payload_of(RAW) == payload_of(PAYLOAD) == PAYLOAD


def test_pae_is_the_specifications_example() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_verdict_is_read_in_and_out_of_its_envelope(stored: bytes) -> None:
    sealed = parse(seal(stored, PAYLOAD_TYPE, [ED]))
    bare = parse(stored)
    assert bare.envelope is None
    assert sealed.envelope is not None
    assert (sealed.info, sealed.record, sealed.sha256) == (bare.info, bare.record, bare.sha256)
    assert sealed.envelope.sha256 == bare.sha256
    assert is_envelope(sealed.envelope.raw)
    assert not is_envelope(stored)


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(json.loads(RAW), indent=1).encode(),
        b" " + RAW,
        RAW + b"\n",
        RAW[:-1],
        RAW.replace(b'"payload":', b'"payload" :'),
        RAW.replace(b"vnd.", b"\\u0076nd."),
    ],
)
def test_other_bytes_of_the_same_content_are_not_canonical(raw: bytes) -> None:
    assert code_of(raw) == "not_canonical"


def test_a_key_twice_is_malformed() -> None:
    text = base64.b64encode(b"other").decode()
    assert code_of(RAW.replace(b'{"payload":', f'{{"payload":"{text}","payload":'.encode(), 1)) == "malformed"


@pytest.mark.parametrize(
    "values",
    [
        {"more": 1},
        {"payload": ""},
        {"payload": 1},
        {"payloadType": "text/plain"},
        {"payloadType": None},
        {"signatures": []},
        {"signatures": {}},
        {"signatures": None},
        {"signatures": [{}]},
        {"signatures": ["x"]},
        {"signatures": [{"keyid": "", "sig": "eA=="}]},
        {"signatures": [{"keyid": 1, "sig": "eA=="}]},
        {"signatures": [{"keyid": "x", "sig": ""}]},
        {"signatures": [{"keyid": "x", "sig": None}]},
        {"signatures": [{"keyid": "x", "sig": "eA==", "cert": ""}]},
    ],
)
def test_another_shape_is_malformed(values: dict[str, Any]) -> None:
    assert code_of(changed(**values)) == "malformed"


@pytest.mark.parametrize("missing", ["payload", "payloadType", "signatures"])
def test_a_missing_part_is_malformed(missing: str) -> None:
    data = {key: value for key, value in json.loads(RAW).items() if key != missing}
    assert code_of(canonical(data) + b"\n") == "malformed"


@pytest.mark.parametrize(
    "text",
    ["eyJh", "eB==", "eA=", "eA", "e A==", "eA==\n", "eA==eA==", "-_-_", "ä"],
    ids=ascii,
)
def test_other_base64_of_the_same_bytes_is_not_canonical(text: str) -> None:
    """``eB==`` and ``eA==`` are both ``x`` to a reader that does not look at the unused bits."""
    if text == "eyJh":
        assert unseal(changed(payload=text)).payload == b'{"a'
        return
    assert code_of(changed(payload=text)) == "not_canonical"
    assert code_of(changed(signatures=[{"keyid": "x", "sig": text}])) == "not_canonical"


def test_signatures_stand_in_one_order_once_each() -> None:
    both = json.loads(RAW)["signatures"]
    assert code_of(changed(signatures=both[::-1])) == "not_canonical"
    assert code_of(changed(signatures=[both[0], both[0]])) == "not_canonical"


def test_a_truncated_envelope_is_told_so() -> None:
    assert code_of(RAW[:40]) == "truncated"
    assert code_of(b'{"payl') == "truncated"
    assert code_of(b"[" * 100_000) in ("malformed", "truncated")


def test_another_type_is_another_message() -> None:
    other = seal(PAYLOAD, "text/plain", [ED])
    assert code_of(other) == "malformed"
    assert unseal(other, payload_type="text/plain").signed_by(RING) == ("ci",)
    moved = other.replace(b"text/plain", PAYLOAD_TYPE.encode())
    assert code_of(moved) == "signature_invalid"


def test_nobody_signs_nothing() -> None:
    for payload, signers in ((PAYLOAD, []), (b"", [ED]), (PAYLOAD, [ED, ED])):
        with pytest.raises(ValueError, match=r"."):
            seal(payload, PAYLOAD_TYPE, signers)
