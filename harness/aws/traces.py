"""Where a probe domain can be seen, and how it is removed there: web endpoint, row, hosted zone, messages."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from harness.aws import postgres, secrets, sqs
from harness.aws.faults import Absent
from harness.aws.journey import DomainJourney
from harness.aws.session import Aws, need
from harness.frozen import dataclass, field
from harness.http import Answer, send

REQUEST_SECONDS = 10.0
"""How long one answer of the web endpoint may take."""
_SHOWN = 300
_OWN_RECORDS = frozenset({"NS", "SOA"})
_MAX_OTHERS = 50
"""Messages of a queue that are looked at, at most, while one's own are looked for."""
_HIDE = 5


@dataclass
class Transcript:
    """Everything that was asked, and what came of it; an answer that stays the same is written once."""

    started: float = field(default_factory=time.monotonic)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def add(self, did: str, saw: str) -> None:
        """One question and its answer."""
        last = self.lines[-1] if self.lines else {}
        if (last.get("did"), last.get("saw")) == (did, saw):
            last["times"] = last.get("times", 1) + 1
            return
        self.lines.append({"at": round(time.monotonic() - self.started, 3), "did": did, "saw": saw})


@dataclass(frozen=True)
class Shown:
    """What the application says of a domain. `said` is the answer in words; `status` is empty without one."""

    code: int
    said: str
    name: str = ""
    status: str = ""
    steps: Mapping[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether the request succeeded."""
        return 200 <= self.code < 300


class Web:
    """Domains as an outsider asks for them."""

    def __init__(self, journey: DomainJourney, transcript: Transcript) -> None:
        self._base = journey.url.rstrip("/") + journey.path.rstrip("/")
        self._path = journey.path.rstrip("/")
        self._timeout = min(journey.timeout, REQUEST_SECONDS)
        self._transcript = transcript

    def activate(self, name: str) -> Shown:
        """Ask for the domain to become active."""
        return self._ask("POST", "", {"name": name})

    def show(self, name: str) -> Shown:
        """What the application says of it."""
        return self._ask("GET", f"/{quote(name)}")

    def deactivate(self, name: str) -> Shown:
        """Ask for it to become inactive."""
        return self._ask("DELETE", f"/{quote(name)}")

    def purge(self, name: str, *, force: bool) -> Shown:
        """Have it forgotten: when it is inactive, or in any state."""
        return self._ask("DELETE", f"/{quote(name)}?purge={'force' if force else 'true'}")

    def _ask(self, method: str, below: str, body: object = None) -> Shown:
        answer = send(method, self._base + below, timeout=self._timeout, json_body=body)
        shown = _shown(answer)
        self._transcript.add(f"{method} {self._path}{below}", shown.said)
        return shown


def _shown(answer: Answer) -> Shown:
    if answer.error:
        return Shown(0, answer.error)
    said = f"{answer.status} {answer.body[:_SHOWN]}".strip()
    try:
        data = json.loads(answer.body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        return Shown(answer.status, said)
    steps = data.get("steps")
    return Shown(
        answer.status,
        said,
        str(data.get("name", "")),
        str(data.get("status", "")),
        {str(key): str(value) for key, value in steps.items()} if isinstance(steps, dict) else {},
    )


class Rows:
    """The domain's row, by a login of our own."""

    def __init__(self, journey: DomainJourney, aws: Aws, transcript: Transcript) -> None:
        self._journey, self._aws, self._transcript = journey, aws, transcript
        self._known: secrets.Credentials | None = None

    def status(self, name: str) -> str | None:
        """The status in the domain's row; ``None`` where there is no row.

        Raises:
            Fault: the database does not let us look.
        """
        found = self._select(f"WHERE {_quoted(self._journey.name_column)} = %s", name)
        status = found[0][1] if found else None
        self._transcript.add(
            f"SELECT from {self._journey.table}", "no row" if status is None else f"a row, {status}"
        )
        return status

    def probes(self) -> list[str]:
        """The names of all rows that look like probe domains."""
        pattern = f"gonogo-%.{self._journey.suffix}"
        return [
            row[0] for row in self._select(f"WHERE {_quoted(self._journey.name_column)} LIKE %s", pattern)
        ]

    def _select(self, where: str, value: str) -> list[tuple[str, str]]:
        if self._known is None:
            self._known = secrets.credentials(self._aws, self._journey.secret)
        columns = ", ".join(map(_quoted, (self._journey.name_column, self._journey.status_column)))
        query = f"SELECT {columns} FROM {_quoted(self._journey.table)} {where}"  # noqa: S608 - identifiers of the profile, quoted
        return [(str(name), str(status)) for name, status in postgres.select(self._known, query, value)]


def _quoted(identifier: str) -> str:
    return ".".join(f'"{part}"' for part in identifier.split("."))


class Zones:
    """The domain's hosted zone in Route 53."""

    def __init__(self, aws: Aws, transcript: Transcript) -> None:
        self._aws, self._transcript = aws, transcript

    def find(self, name: str) -> list[str]:
        """The ids of the zones of exactly this name.

        Raises:
            Fault: Route 53 cannot be asked.
        """
        key, about = "route53:ListHostedZonesByName", f"hosted zone {name}"
        zones = need(self._aws.call(key, about, DNSName=name), "HostedZones", key, about)
        found = [str(zone["Id"]) for zone in zones if zone["Name"].rstrip(".") == name]
        self._transcript.add(about, ", ".join(found) or "none")
        return found

    def name_servers(self, zone: str) -> list[str]:
        """The name servers that answer for a zone; empty for a zone that has gone meanwhile."""
        key = "route53:GetHostedZone"
        try:
            answer = self._aws.call(key, zone, Id=zone)
        except Absent:
            return []
        return [str(server) for server in need(answer, "DelegationSet", key, zone)["NameServers"]]

    def probes(self) -> list[str]:
        """The names of all zones of the account that look like probe domains."""
        zones = self._aws.items("route53:ListHostedZones", "hosted zones", "HostedZones")
        return [name for zone in zones if (name := zone["Name"].rstrip(".")).startswith("gonogo-")]

    def remove(self, name: str) -> None:
        """Remove the zones of this name with all their records; the name must be a probe domain's.

        Raises:
            Fault: Route 53 refuses.
        """
        for zone in self.find(name):
            try:
                self._empty(zone)
                self._aws.call("route53:DeleteHostedZone", f"hosted zone {name}", Id=zone)
            except Absent:
                continue  # somebody was faster
            self._transcript.add(f"delete {zone}", "deleted")

    def _empty(self, zone: str) -> None:
        records = self._aws.items(
            "route53:ListResourceRecordSets", zone, "ResourceRecordSets", HostedZoneId=zone
        )
        changes = [
            {"Action": "DELETE", "ResourceRecordSet": record}
            for record in records
            if record["Type"] not in _OWN_RECORDS
        ]
        if changes:
            self._aws.call(
                "route53:ChangeResourceRecordSets", zone, HostedZoneId=zone, ChangeBatch={"Changes": changes}
            )


class Messages:
    """Messages about a domain, in the queues behind the topic and in those for their dead letters."""

    def __init__(self, aws: Aws, queues: Iterable[str], transcript: Transcript) -> None:
        self._aws, self._queues, self._transcript = aws, tuple(queues), transcript

    def connect(self) -> None:
        """Make the client: that takes longer than asking it, and there may be little time later.

        Raises:
            Fault: there are no credentials, or those of another account.
        """
        self._aws.client("sqs")

    def depth(self, queue: str) -> str:
        """How much lies in a queue and in its dead-letter queue, in words.

        Raises:
            Fault: it cannot be asked.
        """
        state = sqs.describe(self._aws, queue)
        said = f"SQS queue {queue}: {state.visible} messages wait, {state.in_flight} are with consumers"
        if state.dead_letter_queue:
            dead = sqs.describe(self._aws, state.dead_letter_queue)
            said += f"; {dead.messages} dead letters in {state.dead_letter_queue}"
        return said

    def take(self, name: str) -> int:
        """Remove the messages about a domain that wait anywhere, and give others' back; returns how many were removed.

        A message that a consumer holds cannot be removed; it finds its domain purged.

        Raises:
            Fault: a queue cannot be asked.
        """
        states = self._states(self._queues)
        dead = dict.fromkeys(state.dead_letter_queue for state in states if state.dead_letter_queue)
        states += self._states(dead)
        return sum(self._take(state, name) for state in states if state.visible)

    def held(self) -> list[str]:
        """The queues some of whose messages are with consumers, in words.

        Raises:
            Fault: a queue cannot be asked.
        """
        states = self._states(self._queues)
        return [f"SQS queue {one.name}: {one.in_flight} with consumers" for one in states if one.in_flight]

    def _states(self, queues: Iterable[str]) -> list[sqs.QueueState]:
        """Those queues that exist: one that does not holds nothing."""
        found: list[sqs.QueueState] = []
        for queue in queues:
            with suppress(Absent):
                found.append(sqs.describe(self._aws, queue))
        return found

    def _take(self, state: sqs.QueueState, name: str) -> int:
        ask = self._asking(state)
        others: list[str] = []
        removed = 0
        try:
            for _ in range(min(state.visible, _MAX_OTHERS)):
                received = ask(
                    "ReceiveMessage", MaxNumberOfMessages=1, VisibilityTimeout=_HIDE, WaitTimeSeconds=1
                )
                if not (messages := received.get("Messages")):
                    break
                if name in messages[0]["Body"]:
                    ask("DeleteMessage", ReceiptHandle=messages[0]["ReceiptHandle"])
                    removed += 1
                else:
                    others.append(messages[0]["ReceiptHandle"])
        finally:
            for receipt in others:
                ask("ChangeMessageVisibility", ReceiptHandle=receipt, VisibilityTimeout=0)
        if removed:
            self._transcript.add(f"messages in {state.name}", f"{removed} about {name} removed")
        return removed

    def _asking(self, state: sqs.QueueState) -> Callable[..., dict[str, Any]]:
        def ask(operation: str, **parameters: object) -> dict[str, Any]:
            about = f"SQS queue {state.name}"
            return self._aws.call(f"sqs:{operation}", about, QueueUrl=state.url, **parameters)

        return ask
