"""Endpoints that must answer from the machine of the gate: TCP (Redis, OpenSearch, …) and HTTP.

Where a TCP endpoint is can be declared, or be looked up: the primary endpoint of an ElastiCache replication group or
cluster, the endpoint of an OpenSearch domain.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from harness import network
from harness.aws.faults import Absent
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.health import HealthyAnswer, holds_credentials, shown
from harness.model import Phase
from harness.profile.schema import PLACE, Duration
from harness.shapes import Field, field_validator, model_validator

OPERATIONS = (
    Operation("elasticache", "DescribeReplicationGroups", emulated=False),
    Operation("elasticache", "DescribeCacheClusters", emulated=False),
    Operation("opensearch", "DescribeDomains", emulated=False),
)
_NAME = r"^[a-z0-9][a-z0-9-]*$"
_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}
_HTTPS = 443
_PLACES = ("address", "replication_group", "cache_cluster", "domain")


class TcpEndpoint(AwsResource):
    """``[[endpoints.tcp]]``: an address that must take TCP connections. Exactly one key says where it is."""

    fixture: ClassVar[str] = "tcp_endpoint"
    uses: ClassVar[tuple[str, ...]] = tuple(operation.key for operation in OPERATIONS)

    scope: Literal["shared"] = "shared"
    """An address does not tell whether the environment is deployed."""
    name: str = Field(pattern=_NAME)
    address: Annotated[str, PLACE] = ""
    """``host:port``, or a URL, of which the host and port count."""
    replication_group: str = ""
    """An ElastiCache replication group: its configuration endpoint, or else the primary endpoint of its shards."""
    cache_cluster: str = ""
    """An ElastiCache cluster: its configuration endpoint, or else the endpoints of its nodes."""
    domain: str = ""
    """An OpenSearch domain; the port is 443."""
    tls: bool = False
    """Whether a TLS handshake must succeed, with a certificate that is valid for the host."""
    timeout: Duration = Field(default=5.0, gt=0)
    """How long connecting may take."""

    @field_validator("address")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        if value and "${" not in value:
            parse_address(value)
        return value

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if sum(bool(getattr(self, key)) for key in _PLACES) != 1:
            msg = f"set exactly one of {', '.join(_PLACES)}"
            raise ValueError(msg)
        return self

    @property
    def id(self) -> str:
        """The endpoint's name."""
        return self.name

    @property
    def home(self) -> str:
        """The endpoint, and what it is looked up from."""
        kinds = {
            "replication_group": "replication group",
            "cache_cluster": "cache cluster",
            "domain": "OpenSearch domain",
        }
        of = [f"{kind} {getattr(self, key)}" for key, kind in kinds.items() if getattr(self, key)]
        return " of ".join([f"endpoint {self.name}", *of])

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """A connection."""
        return ("endpoints.takes_connections",)

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["TcpEndpoint"]) -> Read:
        """Where each is: those that are looked up are asked one by one."""
        found = zip(declared, aws.each(lambda item: locate(aws, item), declared), strict=True)
        return {item.id: state for item, state in found if not isinstance(state, Absent)}


class HttpEndpoint(HealthyAnswer, AwsResource):
    """``[[endpoints.http]]``: a URL that must answer as declared, in time."""

    fixture: ClassVar[str] = "http_endpoint"

    scope: Literal["shared"] = "shared"
    """A URL does not tell whether the environment is deployed."""
    name: str = Field(pattern=_NAME)
    max_time: Duration = Field(default=5.0, gt=0)
    """How long the whole answer may take."""

    @property
    def id(self) -> str:
        """The endpoint's name."""
        return self.name

    @property
    def home(self) -> str:
        """The endpoint and its URL, without a query."""
        return f"endpoint {self.name} ({shown(self.url)})"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """An answer."""
        return ("endpoints.answers",)

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["HttpEndpoint"]) -> Read:  # noqa: ARG003
        """Every URL that is declared can be asked."""
        return {item.id: HttpState(shown(item.url)) for item in declared}


@dataclass(frozen=True)
class Address:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class TcpState:
    """Where an endpoint is; `status` is what AWS says of what it belongs to. No address: it has none yet."""

    addresses: tuple[Address, ...]
    status: str = ""


@dataclass(frozen=True)
class HttpState:
    """What is known of a URL before it is asked: itself."""

    url: str


TcpEndpoint.state_type = TcpState
HttpEndpoint.state_type = HttpState


def parse_address(text: str) -> Address:
    """``host:port`` or a URL as host and port.

    Raises:
        ValueError: it is neither, or holds credentials; the message does not repeat it.
    """
    url = text if "://" in text else f"tcp://{text}"
    if holds_credentials(url):
        msg = "holds a user name or password; write host:port alone"
        raise ValueError(msg)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        host, port = None, None
    if not host or not port or re.search(r"\s", host):
        msg = "write it as host:port, or as a URL with a port"
        raise ValueError(msg)
    return Address(host, port)


def locate(aws: Aws, endpoint: TcpEndpoint) -> TcpState:
    """Where an endpoint is.

    Raises:
        Absent: what it is looked up from does not exist.
        Fault: it cannot be found out.
    """
    if endpoint.address:
        return TcpState((parse_address(endpoint.address),))
    lookups: Mapping[str, Callable[[Aws, TcpEndpoint], TcpState]] = {
        "replication_group": _replication_group,
        "cache_cluster": _cache_cluster,
        "domain": _domain,
    }
    (lookup,) = (ask for key, ask in lookups.items() if getattr(endpoint, key))
    return lookup(aws, endpoint)


def _replication_group(aws: Aws, endpoint: TcpEndpoint) -> TcpState:
    key = "elasticache:DescribeReplicationGroups"
    answer = aws.call(key, endpoint.home, ReplicationGroupId=endpoint.replication_group)
    data = _only(answer, "ReplicationGroups", key, endpoint)
    nodes = [node.get("PrimaryEndpoint") for node in data.get("NodeGroups") or ()]
    found = [data["ConfigurationEndpoint"]] if data.get("ConfigurationEndpoint") else nodes
    return TcpState(_addresses(found, key, endpoint), str(need(data, "Status", key, endpoint.home)))


def _cache_cluster(aws: Aws, endpoint: TcpEndpoint) -> TcpState:
    key = "elasticache:DescribeCacheClusters"
    answer = aws.call(key, endpoint.home, CacheClusterId=endpoint.cache_cluster, ShowCacheNodeInfo=True)
    data = _only(answer, "CacheClusters", key, endpoint)
    nodes = [node.get("Endpoint") for node in data.get("CacheNodes") or ()]
    found = [data["ConfigurationEndpoint"]] if data.get("ConfigurationEndpoint") else nodes
    return TcpState(
        _addresses(found, key, endpoint), str(need(data, "CacheClusterStatus", key, endpoint.home))
    )


def _domain(aws: Aws, endpoint: TcpEndpoint) -> TcpState:
    key = "opensearch:DescribeDomains"
    answer = aws.call(key, endpoint.home, DomainNames=[endpoint.domain])
    data = _only(answer, "DomainStatusList", key, endpoint)
    hosts = [data["Endpoint"]] if data.get("Endpoint") else list((data.get("Endpoints") or {}).values())
    status = "being deleted" if data.get("Deleted") else "processing" if data.get("Processing") else "active"
    return TcpState(tuple(Address(str(host), _HTTPS) for host in hosts), status)


def _only(answer: Mapping[str, Any], field: str, key: str, endpoint: TcpEndpoint) -> Mapping[str, Any]:
    found = need(answer, field, key, endpoint.home)
    if not found:
        raise Absent(f"{endpoint.home} does not exist", hint="deploy it, or correct its name in the profile")
    data: Mapping[str, Any] = found[0]
    return data


def _addresses(
    found: Sequence[Mapping[str, Any] | None], key: str, endpoint: TcpEndpoint
) -> tuple[Address, ...]:
    return tuple(
        Address(str(need(item, "Address", key, endpoint.home)), int(need(item, "Port", key, endpoint.home)))
        for item in found
        if item
    )


def connect(endpoint: TcpEndpoint, state: TcpState) -> tuple[network.Connected, ...]:
    """A connection to each of its addresses, one after the other."""
    return tuple(
        network.connect(item.host, item.port, timeout=endpoint.timeout, tls=endpoint.tls)
        for item in state.addresses
    )


def connection_problems(state: TcpState, seen: Sequence[network.Connected]) -> tuple[str, ...]:
    """What is wrong with where it is and with what came of connecting; nothing that was tried is a problem as well."""
    if not state.addresses:
        return (f"it has no address yet ({state.status or 'no status'})",)
    return tuple(f"{item.address}: {item.error}" for item in seen if item.error)
