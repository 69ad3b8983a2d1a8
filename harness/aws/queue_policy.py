"""What a queue's policy lets others do, as far as it can be told without evaluating IAM in full.

Sources: "Policy evaluation logic" and "Condition operators" of the IAM user guide; "Fanout to Amazon SQS queues" of the
SNS developer guide.
"""

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

from harness.aws.faults import Broken
from harness.frozen import dataclass

Answer = Literal["yes", "no", "unknown"]
_SNS = "sns.amazonaws.com"
_SEND = "sqs:sendmessage"
_LISTING = ("stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress")
"""Operators that let only the listed values through. ``…IfExists`` also lets those through who send none."""
_NARROWING = (
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
)
"""Condition keys that say who asks or from where."""
_ANYTHING = ("*", "0.0.0.0/0", "::/0", "arn:aws:*", "arn:*")


@dataclass(frozen=True)
class Condition:
    """One condition of a statement; operator and key in lower case."""

    operator: str
    key: str
    values: tuple[str, ...]

    @property
    def narrows(self) -> bool:
        """Whether it limits who is meant."""
        return (
            self.operator.rpartition(":")[2] in _LISTING
            and (self.key in _NARROWING or self.key.startswith("aws:principaltag/"))
            and not any(value in _ANYTHING for value in self.values)
        )

    def met_by(self, topic: str) -> Answer:
        """Whether SNS meets it when it delivers for a topic, which it does over TLS."""
        operator = self.operator.rpartition(":")[2].removesuffix("ifexists")
        if (operator, self.key) == ("bool", "aws:securetransport"):
            return "yes" if "true" in self.values else "no"
        sent = {"aws:sourcearn": topic, "aws:sourceaccount": topic.split(":")[4]}.get(self.key)
        if sent is None or operator not in _LISTING:
            return "unknown"
        return "yes" if any(fnmatchcase(sent, value) for value in self.values) else "no"


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, with its parts as lists of texts. `excluded` are those of ``NotPrincipal``."""

    name: str
    allows: bool
    principals: tuple[str, ...]
    excluded: tuple[str, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...]

    @property
    def open(self) -> bool:
        """Whether it allows something to anyone at all."""
        everybody = "*" in self.principals or bool(self.excluded)
        return self.allows and everybody and not any(item.narrows for item in self.conditions)

    def concerns(self, queue: str) -> bool:
        """Whether it speaks of SNS sending to a queue, conditions aside."""
        sns = "*" in self.principals or _SNS in self.principals or bool(self.excluded)
        return (
            sns
            and _SNS not in self.excluded
            and any(fnmatchcase(_SEND, action) for action in self.actions)
            and any(fnmatchcase(queue, resource) for resource in self.resources)
        )

    def met_by(self, topic: str) -> Answer:
        """Whether SNS meets its conditions when it delivers for a topic."""
        answers = {item.met_by(topic) for item in self.conditions}
        return "no" if "no" in answers else "unknown" if "unknown" in answers else "yes"


def statements(policy: str, about: str) -> tuple[Statement, ...]:
    """The statements of a policy; none where there is no policy.

    Raises:
        Broken: it is no policy.
    """
    if not policy:
        return ()
    try:
        found = json.loads(policy)["Statement"]
        items = found if isinstance(found, list) else [found]
        return tuple(_statement(number, item) for number, item in enumerate(items, 1))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Broken(f"{about}: its policy cannot be read", hint="set the queue's policy again") from None


def open_to_everybody(policy: str, about: str) -> tuple[str, ...]:
    """The statements that let anyone do something, each in words.

    Raises:
        Broken: it is no policy.
    """
    return tuple(
        f"{item.name} allows {', '.join(item.actions)} to everybody"
        for item in statements(policy, about)
        if item.open
    )


def admits(policy: str, queue: str, topic: str, about: str) -> Answer:
    """Whether it lets SNS put a topic's messages into the queue; both are ARNs.

    ``unknown`` where that hangs on a condition that is not about the topic or its account: nothing is claimed then.

    Raises:
        Broken: it is no policy.
    """
    concerned = [item for item in statements(policy, about) if item.concerns(queue)]
    denied = {item.met_by(topic) for item in concerned if not item.allows}
    allowed = {item.met_by(topic) for item in concerned if item.allows}
    if "yes" in denied or not allowed & {"yes", "unknown"}:
        return "no"
    return "unknown" if "unknown" in denied or "yes" not in allowed else "yes"


def _statement(number: int, item: Mapping[str, Any]) -> Statement:
    conditions = tuple(
        Condition(operator.lower(), key.lower(), tuple(_texts(values)))
        for operator, keys in item.get("Condition", {}).items()
        for key, values in keys.items()
    )
    if "NotAction" in item or "NotResource" in item:  # what it leaves is not worked out: nothing is claimed
        conditions += (Condition("not", "", ()),)
    return Statement(
        name=f"statement {item.get('Sid') or number}",
        allows=item["Effect"] == "Allow",
        principals=tuple(_principals(item.get("Principal"))),
        excluded=tuple(_principals(item.get("NotPrincipal"))),
        actions=tuple(text.lower() for text in _texts(item.get("Action", "*"))),
        resources=tuple(_texts(item.get("Resource", "*"))),
        conditions=conditions,
    )


def _principals(value: object) -> Iterable[str]:
    """``"*"``, or lists by kind: ``{"AWS": [...], "Service": ...}``."""
    if isinstance(value, Mapping):
        return [text for names in value.values() for text in _texts(names)]
    return [] if value is None else _texts(value)


def _texts(value: object) -> list[str]:
    """One text or several; booleans as JSON writes them."""
    items = value if isinstance(value, list) else [value]
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in items]
