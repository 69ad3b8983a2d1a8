"""Signed messages between the master and its workers, over Locust's own connection.

Whoever reaches the port may speak Locust's protocol; only who knows the token may take part in the run. Each message
carries an HMAC-SHA256 under the token over its number, its kind, its sender, both sides' nonces and its body, so that none can
be forged, altered, sent back, or played again, be it in this run or another. Nothing is encrypted: what may not be seen is not
sent.
"""

import hmac
import json
import os
from collections.abc import Mapping
from typing import Any

from harness.frozen import dataclass

TOKEN = "GONOGO_LOAD_TOKEN"  # noqa: S105 - the variable's name
"""The environment variable that holds what the master and its workers share."""
BROKEN = 3
"""The exit code of a process whose part of the run came to no result."""
FORKED = "GONOGO_LOAD_FORKED"
"""The environment variable that says that all workers are forks of one process, and know its plan."""
MESSAGE = "gonogo"
"""The kind of Locust's custom message that ours travel in."""


class ForgedError(Exception):
    """A message is not from someone who knows the token."""


@dataclass(frozen=True)
class Message:
    """One message: `kind`, and a `body` of JSON values."""

    kind: str
    body: Mapping[str, Any]


def nonce() -> str:
    """A number used once."""
    return os.urandom(16).hex()


class Channel:
    """One side of one conversation: signs what it says, and checks what it hears from `peer`."""

    def __init__(self, token: str, me: str, peer: str) -> None:
        self._token, self._me, self._peer = token.encode(), me, peer
        self.nonces = ("", "")
        """The worker's and the master's, once each is known."""
        self._said = self._heard = 0

    def seal(self, kind: str, body: Mapping[str, Any]) -> str:
        """A message, signed, as text."""
        text = json.dumps(body, separators=(",", ":"))
        self._said += 1
        mac = self._mac(self._me, self._said, kind, text)
        return json.dumps({"number": self._said, "kind": kind, "body": text, "mac": mac})

    def open(self, raw: object) -> Message:
        """Read a message that the other side sealed.

        Raises:
            ForgedError: it is not from there, not whole, or was heard before.
        """
        if not isinstance(raw, str):
            raise ForgedError("a message that is not whole")
        try:
            data = json.loads(raw)
            number, kind, text, mac = (data[name] for name in ("number", "kind", "body", "mac"))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ForgedError("a message that is not whole") from error
        if type(number) is not int or not all(isinstance(part, str) for part in (kind, text, mac)):
            raise ForgedError("a message that is not whole")
        expected = self._mac(self._peer, number, kind, text)
        if not hmac.compare_digest(mac.encode(errors="replace"), expected.encode()):
            raise ForgedError("a message that is not signed with the token")
        if number <= self._heard:
            raise ForgedError("a message that was heard before")
        self._heard = number
        return Message(kind, json.loads(text))

    def _mac(self, sender: str, number: int, kind: str, text: str) -> str:
        signed = json.dumps([sender, number, kind, *self.nonces, text])
        return hmac.new(self._token, signed.encode(), "sha256").hexdigest()
