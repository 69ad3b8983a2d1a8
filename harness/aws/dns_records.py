"""DNS records as a profile declares them and as Route 53 gives them back; pure.

Route 53 writes names in lower case with a trailing dot and unusual characters as ``\\ooo`` (a wildcard is ``\\052``), and
the text of TXT records in quotes. Both sides are brought to one form before they are compared; the order of values does
not count.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from harness.frozen import dataclass
from harness.profile.schema import Duration, Section
from harness.shapes import Field, model_validator

_OCTAL = re.compile(r"\\([0-7]{3})")
_ESCAPED = re.compile(r"\\([0-7]{3}|.)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_NAMES = {"CNAME": 0, "NS": 0, "PTR": 0, "MX": 1, "SRV": 3}
"""Types whose value ends in a name -> how many numbers come before it."""


class DnsRecord(Section):
    """One record set: its values, or what it is an alias of."""

    name: str = Field(min_length=1)
    """Its whole name, with or without the trailing dot; ``*.example.com`` is a wildcard."""
    type: Literal["A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NS", "PTR", "SRV", "SVCB", "TXT"]
    values: list[str] = Field(default_factory=list)
    """All its values; their order does not count. A text's quotes may be left out."""
    alias: str = ""
    """The DNS name that it is an alias of."""
    load_balancer: str = ""
    """The name of the load balancer that it is an alias of."""
    ttl: Duration = 300.0
    """Its time to live; judged where the profile sets it."""
    set_identifier: str = ""
    """Which one, where a routing policy has several record sets answer for the name."""

    @model_validator(mode="after")
    def _one_target(self) -> "DnsRecord":
        if sum(map(bool, (self.values, self.alias, self.load_balancer))) != 1:
            msg = "give a record either `values`, `alias` or `load_balancer`"
            raise ValueError(msg)
        if "ttl" in self.model_fields_set and not self.values:
            msg = "an alias has no time to live of its own"
            raise ValueError(msg)
        return self

    @property
    def id(self) -> str:
        """What tells it from the zone's other record sets."""
        return " ".join((*self.key, self.set_identifier))

    @property
    def title(self) -> str:
        """For messages: ``A staging.example.com``."""
        which = f" ({self.set_identifier})" if self.set_identifier else ""
        return f"{self.type} {self.name}{which}"

    @property
    def key(self) -> tuple[str, str]:
        """Name and type, in one form."""
        return plain_name(self.name), self.type


@dataclass(frozen=True)
class RecordState:
    """A record set as Route 53 has it; `alias` is empty where it has values, `ttl` (seconds) is 0 for an alias."""

    name: str
    type: str
    ttl: int = 0
    values: tuple[str, ...] = ()
    alias: str = ""
    set_identifier: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Name and type, in one form."""
        return plain_name(self.name), self.type


def record_state(answer: Mapping[str, Any]) -> RecordState:
    """A ``ResourceRecordSet`` of an answer."""
    return RecordState(
        name=plain_name(str(answer.get("Name", ""))),
        type=str(answer.get("Type", "")),
        ttl=int(answer.get("TTL", 0)),
        values=tuple(str(item.get("Value", "")) for item in answer.get("ResourceRecords", ())),
        alias=str(answer.get("AliasTarget", {}).get("DNSName", "")),
        set_identifier=str(answer.get("SetIdentifier", "")),
    )


def plain_name(name: str) -> str:
    """A name in one form: lower case, no trailing dot, no escapes."""
    return _OCTAL.sub(lambda code: chr(int(code[1], 8)), name.strip().removesuffix(".")).lower()


def plain_target(name: str) -> str:
    """What an alias points at, in one form: a load balancer's name may be written with ``dualstack.`` before it."""
    return plain_name(name).removeprefix("dualstack.")


def plain_value(kind: str, value: str) -> str:
    """A value of a record of this type, in one form. What cannot be read stays as it is, and so compares unequal."""
    text = value.strip()
    if kind == "TXT":
        return plain_text(text)
    if kind == "AAAA":
        try:
            return ipaddress.ip_address(text).compressed
        except ValueError:
            return text
    parts = text.split()
    if len(parts) == _NAMES.get(kind, -2) + 1:
        return " ".join((*parts[:-1], plain_name(parts[-1])))
    return " ".join(parts)


def plain_text(text: str) -> str:
    """The text of a TXT value: quoted parts are put together, as resolvers do."""
    if not text.startswith('"'):
        return text
    return _ESCAPED.sub(
        lambda found: chr(int(found[1], 8)) if len(found[1]) == 3 else found[1],
        "".join(_QUOTED.findall(text)),
    )


def record_problems(declared: Iterable[DnsRecord], found: Sequence[RecordState]) -> tuple[str, ...]:
    """How the records of a zone differ from the declared ones, each by its name; targets of load balancers excepted."""
    problems: list[str] = []
    for record in declared:
        state = find(record, found)
        if isinstance(state, str):
            problems.append(f"{record.title} {state}")
        else:
            problems.extend(f"{record.title} {problem}" for problem in _differences(record, state))
    return tuple(problems)


def find(record: DnsRecord, found: Iterable[RecordState]) -> RecordState | str:
    """The record set that is declared, or why there is none."""
    same = [state for state in found if state.key == record.key]
    if record.set_identifier:
        same = [state for state in same if state.set_identifier == record.set_identifier]
    match same:
        case []:
            return "does not exist"
        case [state]:
            return state
        case several:
            names = ", ".join(state.set_identifier for state in several)
            return f"has {len(several)} record sets ({names}): say which is meant with `set_identifier`"


def _differences(record: DnsRecord, state: RecordState) -> Iterable[str]:
    if record.load_balancer:
        if not state.alias:
            yield f"is no alias; it has the values {', '.join(state.values)}"
        return
    if record.alias:
        if plain_target(state.alias) != plain_target(record.alias):
            what = f"points at {state.alias}" if state.alias else f"has the values {', '.join(state.values)}"
            yield f"{what}, declared is the alias {record.alias}"
        return
    if state.alias:
        yield f"is an alias of {state.alias}, declared are the values {', '.join(record.values)}"
        return
    wanted = sorted(plain_value(record.type, value) for value in record.values)
    if sorted(plain_value(record.type, value) for value in state.values) != wanted:
        yield f"is {', '.join(state.values)}, declared is {', '.join(record.values)}"
    if "ttl" in record.model_fields_set and state.ttl != record.ttl:
        yield f"lives {state.ttl} s, declared are {record.ttl:g} s"
