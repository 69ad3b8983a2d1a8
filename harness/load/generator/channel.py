"""Signed messages between the master and its workers, over Locust's own connection.

Whoever reaches the port may speak Locust's protocol; only who knows the token may take part in the run. Each message
carries an HMAC-SHA256 under the token over its kind, its sender, both sides' nonces and its body, so that none can be forged,
altered, or played again in another run. Nothing is encrypted: what may not be seen is not sent.
"""

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    return secrets.token_hex(16)


class Channel:
    """One side of one conversation: signs what it says, and checks what it hears from `peer`."""

    def __init__(self, token: str, me: str, peer: str) -> None:
        self._token, self._me, self._peer = token.encode(), me, peer
        self.nonces = ("", "")
        """The worker's and the master's, once each is known."""

    def seal(self, kind: str, body: Mapping[str, Any]) -> str:
        """A message, signed, as text."""
        text = json.dumps(body, separators=(",", ":"))
        return json.dumps({"kind": kind, "body": text, "mac": self._mac(self._me, kind, text)})

    def open(self, raw: object) -> Message:
        """Read a message that the other side sealed.

        Raises:
            ForgedError: it is not from there, or not whole.
        """
        try:
            data = json.loads(str(raw))
            kind, text, mac = str(data["kind"]), str(data["body"]), str(data["mac"])
            body = json.loads(text)
        except (ValueError, TypeError, KeyError) as error:
            raise ForgedError("a message that is not whole") from error
        if not hmac.compare_digest(mac.encode(), self._mac(self._peer, kind, text).encode()):
            raise ForgedError("a message that is not signed with the token")
        return Message(kind, body)

    def _mac(self, sender: str, kind: str, text: str) -> str:
        signed = json.dumps([sender, kind, *self.nonces, text])
        return hmac.new(self._token, signed.encode(), "sha256").hexdigest()
