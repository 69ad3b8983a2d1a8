"""Load balancers and their listeners; `harness.aws.target_groups` knows what stands behind them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from harness.aws.faults import Absent, Fault
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase
from harness.profile.schema import Section
from harness.shapes import Field

OPERATIONS = (
    Operation("elbv2", "DescribeLoadBalancers"),
    Operation("elbv2", "DescribeListeners"),
    Operation("elbv2", "DescribeLoadBalancerAttributes"),
)
Protocol = Literal["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE"]
_ENCRYPTED = frozenset({"HTTPS", "TLS"})
_NAMES_A_CALL = 20
_POLICY = re.compile(r"^ELBSecurityPolicy-(?:(?:TLS13|TLS|FS)-1-(?P<minor>[0-3])-.+|(?:FS-)?\d{4}-\d{2}$)")
"""Names of AWS's security policies: most say the oldest TLS version that they allow; those that say none allow 1.0."""


class Listener(Section):
    """``[[alb.load_balancers.listeners]]``."""

    port: int = Field(ge=1, le=65535)
    protocol: Protocol = "HTTPS"
    min_tls: Literal["1.0", "1.1", "1.2", "1.3"] = "1.2"
    """The oldest TLS version that an HTTPS or TLS listener may take."""
    tls_policy: str = ""
    """The very security policy that it must have (``ELBSecurityPolicy-TLS13-1-2-2021-06``); empty: any with `min_tls`."""
    redirect_to: int = Field(default=0, ge=0, le=65535)
    """The port that everything is redirected to, by HTTPS; 0: it does not redirect."""


class LoadBalancer(AwsResource):
    """``[[alb.load_balancers]]``."""

    fixture: ClassVar[str] = "load_balancer"
    uses: ClassVar[tuple[str, ...]] = tuple(operation.key for operation in OPERATIONS)

    name: str = Field(min_length=1)
    type: Literal["application", "network", "gateway"] = "application"
    scheme: Literal["internet-facing", "internal"] = "internet-facing"
    listeners: list[Listener] = Field(default_factory=list)
    deletion_protection: bool = False
    """Whether it must be protected from deletion; judged where it must."""
    access_logs: str = ""
    """The S3 bucket that its access logs go to; judged where it is named."""

    @property
    def id(self) -> str:
        """The load balancer's name."""
        return self.name

    @property
    def home(self) -> str:
        """The load balancer."""
        return f"load balancer {self.name}"

    @property
    def encrypted(self) -> bool:
        """Whether one of its listeners speaks TLS."""
        return any(listener.protocol in _ENCRYPTED for listener in self.listeners)

    @property
    def redirects(self) -> bool:
        """Whether one of its listeners redirects."""
        return any(listener.redirect_to for listener in self.listeners)

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """State and kind; and what is declared of its listeners, protection and logs."""
        declared = {
            "alb.has_its_listeners": bool(self.listeners),
            "alb.encrypts_with_a_certificate": self.encrypted,
            "alb.redirects_to_https": self.redirects,
            "alb.is_protected_from_deletion": self.deletion_protection,
            "alb.writes_access_logs": bool(self.access_logs),
        }
        return ("alb.is_active", "alb.is_of_its_kind", *(name for name, judged in declared.items() if judged))

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["LoadBalancer"]) -> Read:
        """By name, twenty a call; then each one's listeners and attributes."""
        found = load_balancers(aws, [item.name for item in declared])
        described = {name: data for name, data in found.items() if not isinstance(data, Fault)}
        states = aws.each(lambda data: _state(aws, data), described.values())
        return existing({**found, **dict(zip(described, states, strict=True))})


@dataclass(frozen=True)
class ListenerState:
    """A listener as ELB describes it; `redirects` has its redirects as ``HTTPS:443``."""

    port: int
    protocol: str
    tls_policy: str = ""
    certificates: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    redirects: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadBalancerState:
    """A load balancer as ELB describes it; `access_logs` is the bucket they go to, empty where they go nowhere."""

    name: str
    arn: str
    type: str
    scheme: str
    status: str
    reason: str
    dns_name: str
    listeners: tuple[ListenerState, ...]
    deletion_protection: bool
    access_logs: str = ""

    def listener(self, port: int) -> ListenerState | None:
        """The listener on a port."""
        return next((item for item in self.listeners if item.port == port), None)


LoadBalancer.state_type = LoadBalancerState


def load_balancers(aws: Aws, names: Iterable[str]) -> dict[str, Any]:
    """The load balancers of these names that exist, as ELB describes them, or the fault; asked once, whoever asks."""
    key = "elbv2:DescribeLoadBalancers"

    def ask(names: Sequence[str]) -> dict[str, Any]:
        found = aws.shared_items(key, _about(names), "LoadBalancers", Names=list(names))
        return {str(need(data, "LoadBalancerName", key, ", ".join(names))): data for data in found}

    return by_name(aws, names, ask)


def listeners_of(aws: Aws, arn: str, about: str) -> list[Mapping[str, Any]]:
    """A load balancer's listeners as ELB describes them; asked once, whoever asks.

    Raises:
        Fault: they cannot be described.
    """
    return aws.shared_items("elbv2:DescribeListeners", about, "Listeners", LoadBalancerArn=arn)


def by_name(
    aws: Aws, names: Iterable[str], ask: Callable[[Sequence[str]], Mapping[str, Any]]
) -> dict[str, Any]:
    """What `ask` finds, by name, or the fault; twenty names a call, and one by one where one of the twenty is missing.

    AWS answers with an error for all names of a call when one of them does not exist.
    """
    wanted = sorted(set(names))
    chunks = [wanted[start : start + _NAMES_A_CALL] for start in range(0, len(wanted), _NAMES_A_CALL)]
    found: dict[str, Any] = {}
    alone: list[str] = []
    for chunk, answer in zip(chunks, aws.each(ask, chunks), strict=True):
        if not isinstance(answer, Fault):
            found |= answer
        elif isinstance(answer, Absent):
            alone += chunk if len(chunk) > 1 else []
        else:
            found |= dict.fromkeys(chunk, answer)
    for name, answer in zip(alone, aws.each(lambda name: ask([name]), alone), strict=True):
        if not isinstance(answer, Fault):
            found |= answer
        elif not isinstance(answer, Absent):
            found[name] = answer
    return found


def existing(found: Mapping[str, Any]) -> dict[str, Any]:
    """Without what went away while it was being read."""
    return {name: state for name, state in found.items() if not isinstance(state, Absent)}


def _about(names: Sequence[str]) -> str:
    return f"load balancer{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _state(aws: Aws, data: Mapping[str, Any]) -> LoadBalancerState:
    key, about = "elbv2:DescribeLoadBalancers", f"load balancer {data['LoadBalancerName']}"

    def get(field: str) -> Any:  # noqa: ANN401 - JSON is what it is
        return need(data, field, key, about)

    arn, state = str(get("LoadBalancerArn")), get("State")
    listeners = listeners_of(aws, arn, about)
    attributes = _attributes(aws, arn, about)
    logs = attributes.get("access_logs.s3.enabled") == "true"
    return LoadBalancerState(
        name=get("LoadBalancerName"),
        arn=arn,
        type=get("Type"),
        scheme=str(data.get("Scheme", "")),  # a gateway load balancer has none
        status=str(need(state, "Code", key, about)),
        reason=str(state.get("Reason", "")),
        dns_name=str(data.get("DNSName", "")),
        listeners=tuple(sorted((_listener(item, about) for item in listeners), key=lambda item: item.port)),
        deletion_protection=need(
            attributes, "deletion_protection.enabled", "elbv2:DescribeLoadBalancerAttributes", about
        )
        == "true",
        access_logs=attributes.get("access_logs.s3.bucket", "") if logs else "",
    )


def _attributes(aws: Aws, arn: str, about: str) -> dict[str, str]:
    key = "elbv2:DescribeLoadBalancerAttributes"
    answer = aws.call(key, about, LoadBalancerArn=arn)
    return {
        str(item.get("Key")): str(item.get("Value", "")) for item in need(answer, "Attributes", key, about)
    }


def _listener(data: Mapping[str, Any], about: str) -> ListenerState:
    actions = data.get("DefaultActions", ())
    redirects = [item["RedirectConfig"] for item in actions if item.get("RedirectConfig")]
    return ListenerState(
        port=int(data.get("Port", 0)),  # a gateway load balancer's has none
        protocol=str(data.get("Protocol", "")) or "GENEVE",
        tls_policy=str(data.get("SslPolicy", "")),
        certificates=tuple(
            str(need(item, "CertificateArn", "elbv2:DescribeListeners", about))
            for item in data.get("Certificates", ())
        ),
        actions=tuple(str(item.get("Type", "")) for item in actions),
        redirects=tuple(
            f"{item.get('Protocol', '#{protocol}')}:{item.get('Port', '#{port}')}" for item in redirects
        ),
    )


def kind_problems(declared: LoadBalancer, state: LoadBalancerState) -> tuple[str, ...]:
    """What is wrong with its type and scheme."""
    rows = (("type", state.type, declared.type), ("scheme", state.scheme, declared.scheme))
    return tuple(
        f"its {name} is {found or 'not told'}, declared {wanted}"
        for name, found, wanted in rows
        if found != wanted and not (name == "scheme" and declared.type == "gateway")
    )


def listener_problems(declared: LoadBalancer, state: LoadBalancerState) -> tuple[str, ...]:
    """Every declared listener that is missing or speaks another protocol."""
    found: list[str] = []
    for wanted in declared.listeners:
        listener = state.listener(wanted.port)
        if listener is None:
            found.append(f"nothing listens on {wanted.protocol}:{wanted.port}")
        elif listener.protocol != wanted.protocol:
            found.append(f"port {wanted.port} speaks {listener.protocol}, declared {wanted.protocol}")
    return tuple(found)


def tls_problems(declared: LoadBalancer, state: LoadBalancerState) -> tuple[str, ...]:
    """What is wrong with the certificates and security policies of its HTTPS and TLS listeners.

    A listener that nobody declared is held to TLS 1.2.
    """
    wanted = {listener.port: listener for listener in declared.listeners}
    found: list[str] = []
    for listener in state.listeners:
        if listener.protocol not in _ENCRYPTED:
            continue
        where = f"{listener.protocol}:{listener.port}"
        if not listener.certificates:
            found.append(f"{where} has no certificate")
        rule = wanted.get(listener.port) or Listener(port=listener.port)
        if problem := _policy_problem(rule, listener.tls_policy):
            found.append(f"{where} {problem}")
    return tuple(found)


def _policy_problem(wanted: Listener, policy: str) -> str:
    if wanted.tls_policy:
        return "" if policy == wanted.tls_policy else f"has policy {policy}, declared {wanted.tls_policy}"
    match = _POLICY.match(policy)
    if match is None:
        return f"has policy {policy or 'none'}, whose TLS versions are not known: name it as `tls_policy`"
    oldest = int(match["minor"] or 0)
    if oldest < int(wanted.min_tls.rpartition(".")[2]):
        return f"takes TLS 1.{oldest} ({policy}), the oldest allowed is {wanted.min_tls}"
    return ""


def redirect_problems(declared: LoadBalancer, state: LoadBalancerState) -> tuple[str, ...]:
    """Every listener that does not redirect as declared; one that is missing is told by `listener_problems`."""
    found: list[str] = []
    for wanted in declared.listeners:
        listener = state.listener(wanted.port)
        target = f"HTTPS:{wanted.redirect_to}"
        if not wanted.redirect_to or (listener is not None and listener.redirects == (target,)):
            continue
        did = "is missing" if listener is None else _does(listener)
        found.append(f"port {wanted.port} {did}, declared is a redirect to {target}")
    return tuple(found)


def _does(listener: ListenerState) -> str:
    if listener.redirects:
        return f"redirects to {', '.join(listener.redirects)}"
    return f"does {', '.join(listener.actions) or 'nothing'}"
