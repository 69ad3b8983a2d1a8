import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from harness import network
from harness.aws import endpoints
from harness.aws.endpoints import Address, HttpEndpoint, TcpEndpoint, TcpState, parse_address
from harness.aws.faults import Absent, Broken, Denied, NotEmulated
from harness.aws.session import Aws
from harness.http import get
from harness.model import Phase
from harness.shapes import ValidationError

Stub = Callable[..., Any]
GROUP = TcpEndpoint(name="redis", replication_group="cache")
CLUSTER = TcpEndpoint(name="memcached", cache_cluster="cache")
DOMAIN = TcpEndpoint(name="search", domain="logs")


def certificate(folder: Path, *, host: str = "127.0.0.1", days: int = 1) -> Path:
    """A self-signed certificate and its key in one file; of the past where `days` is negative."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    alternative = x509.IPAddress(IPv4Address(host)) if host[0].isdigit() else x509.DNSName(host)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Serve TLS with a certificate: ``tls_server(host=…, days=…)`` gives the port."""
    import ssl

    listeners: list[socket.socket] = []

    def serve(**options: Any) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(tmp_path, **options))
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.settimeout(5)
                        context.wrap_socket(connection, server_side=True).close()
                    except OSError:
                        continue

        threading.Thread(target=run, daemon=True).start()
        return int(listener.getsockname()[1])

    yield serve
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# Connecting


def test_a_connection(port: int) -> None:
    seen = network.connect("127.0.0.1", port, timeout=2)
    assert (seen.address, seen.error, seen.tls) == (f"127.0.0.1:{port}", "", "")
    assert 0 < seen.seconds < 2


def test_no_connection() -> None:
    assert network.connect("127.0.0.1", free_port(), timeout=2).error == "connection refused"
    assert network.connect("nosuch.invalid", 1, timeout=2).error.startswith(
        "DNS: the name cannot be resolved ("
    )
    assert network.connect("x" * 70 + ".invalid", 1, timeout=2).error, "a name that is none"
    assert network.connect("127.0.0.1", 70000, timeout=2).error, "a port that is none"
    assert network.connect("::1", free_port(), timeout=2).address.startswith("[::1]:")


def test_a_handshake_with_a_certificate_that_is_trusted(
    tls_server: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = tls_server()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    seen = network.connect("127.0.0.1", port, timeout=5, tls=True)
    assert (seen.error, seen.tls) == ("", "TLSv1.3")


@pytest.mark.parametrize(
    ("options", "trusted", "said"),
    [
        ({}, False, "TLS: the certificate is not accepted: self-signed certificate"),
        ({"days": -1}, True, "TLS: the certificate is not accepted: certificate has expired"),
        ({"host": "other.example.com"}, True, "TLS: the certificate is not accepted: IP address mismatch"),
    ],
)
def test_a_certificate_that_is_wrong(
    tls_server: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    trusted: bool,
    said: str,
) -> None:
    port = tls_server(**options)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    assert network.connect("127.0.0.1", port, timeout=5, tls=True).error.startswith(said)
    assert get(f"https://127.0.0.1:{port}", timeout=5).error.startswith(f"no answer: {said}")


def test_what_speaks_no_tls(stub: Stub) -> None:
    plain = stub(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n")
    address = parse_address(plain.url)
    assert network.connect(address.host, address.port, timeout=5, tls=True).error.startswith("TLS: ")
    silent = parse_address(stub(lambda _: None).url)
    assert (
        network.connect(silent.host, silent.port, timeout=0.2, tls=True).error
        == "TLS: the handshake timed out"
    )


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (TimeoutError("timed out"), "timed out"),
        (TimeoutError(110, "Connection timed out"), "timed out"),
        (TimeoutError(), "timed out"),
        (OSError(101, "Network is unreachable"), "no route to the host (Network is unreachable)"),
        (ConnectionResetError(104, "reset"), "the connection was reset"),
        (BrokenPipeError(), "the connection was reset"),
        (OSError("strange"), "strange"),
        (OSError(), "OSError"),
    ],
)
def test_why_there_is_no_answer(problem: BaseException, said: str) -> None:
    assert network.explain(problem) == said


def test_http_says_it_the_same_way(stub: Stub) -> None:
    assert get(f"http://127.0.0.1:{free_port()}", timeout=2).error == "no answer: connection refused"
    assert get("http://nosuch.invalid", timeout=2).error.startswith("no answer: DNS: ")
    closes, silent = stub(lambda _: b""), stub(lambda _: None)
    assert get(silent.url, timeout=0.2).error == "no answer: timed out"
    assert get(closes.url, timeout=2).error in {
        "no answer: the connection was closed without an answer",
        "no answer: the connection was reset",
    }


# Where it is


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("cache.internal:6379", Address("cache.internal", 6379)),
        ("[::1]:6379", Address("::1", 6379)),
        ("http://127.0.0.1:8080/path?x=1", Address("127.0.0.1", 8080)),
        ("https://search.internal", Address("search.internal", 443)),
        ("redis://cache.internal", Address("cache.internal", 6379)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["cache.internal", "cache:port", ":6379", "a b:1", "cache:70000", "tcp://[broken"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="write it as host:port"):
        parse_address(text)


@pytest.mark.parametrize("text", ["redis://:canary-password@cache:6379", "user:canary-password@cache:6379"])
def test_credentials_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="holds a user name or password") as caught:
        parse_address(text)
    assert "canary" not in str(caught.value)
    with pytest.raises(ValidationError, match="holds a user name or password"):
        HttpEndpoint(name="x", url=text if "://" in text else f"http://{text}")


def test_a_url_is_shown_without_its_query() -> None:
    endpoint = HttpEndpoint(name="web", url="https://example.com/health?key=canary#part")
    assert endpoint.home == "endpoint web (https://example.com/health?…)"
    assert (
        HttpEndpoint(name="web", url="https://example.com/a@b").home
        == "endpoint web (https://example.com/a@b)"
    )
    assert HttpEndpoint(name="web", url="http://[broken?key=canary").home == "endpoint web (http://[broken)"


@pytest.mark.parametrize(
    "keys", [{}, {"address": "a:1", "domain": "d"}, {"replication_group": "g", "cache_cluster": "c"}]
)
def test_exactly_one_key_says_where_it_is(keys: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="set exactly one of address, replication_group"):
        TcpEndpoint.model_validate({"name": "x", **keys})


def test_a_variable_is_looked_at_when_it_is_put_in() -> None:
    assert TcpEndpoint(name="x", address="${REDIS}").address == "${REDIS}"
    with pytest.raises(ValidationError, match="write it as host:port"):
        TcpEndpoint(name="x", address="nonsense")


# Looking it up: recorded shapes of AWS's answers; the stand-in cannot show these


class Answers:
    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, list[Any]()

    def call(self, key: str, about: str, /, **parameters: Any) -> Any:
        self.asked.append((key, parameters))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def each(self, question: Callable[[Any], Any], about: Any) -> list[Any]:
        found: list[Any] = []
        for thing in about:
            try:
                found.append(question(thing))
            except (Absent, Broken, Denied) as fault:
                found.append(fault)
        return found


def located(endpoint: TcpEndpoint, answer: Any) -> Any:
    stub: Any = Answers(answer)
    return TcpEndpoint.read(stub, [endpoint]).get(endpoint.id)


PRIMARY = {"Address": "cache.abc.ng.0001.use1.cache.amazonaws.com", "Port": 6379}
NODE = {"NodeGroupId": "0001", "Status": "available", "PrimaryEndpoint": PRIMARY, "ReaderEndpoint": PRIMARY}


@pytest.mark.parametrize(
    ("endpoint", "answer", "state"),
    [
        (
            GROUP,
            {
                "ReplicationGroups": [
                    {"ReplicationGroupId": "cache", "Status": "available", "NodeGroups": [NODE]}
                ]
            },
            TcpState((Address(PRIMARY["Address"], 6379),), "available"),  # type: ignore[arg-type]
        ),
        (
            GROUP,
            {
                "ReplicationGroups": [
                    {
                        "Status": "modifying",
                        "ClusterEnabled": True,
                        "ConfigurationEndpoint": {"Address": "clustercfg.cache", "Port": 6380},
                        "NodeGroups": [{"NodeGroupId": "0001"}, {"NodeGroupId": "0002"}],
                    }
                ]
            },
            TcpState((Address("clustercfg.cache", 6380),), "modifying"),
        ),
        (GROUP, {"ReplicationGroups": [{"Status": "creating"}]}, TcpState((), "creating")),
        (GROUP, {"ReplicationGroups": []}, None),
        (GROUP, Absent("gone", hint=""), None),
        (
            CLUSTER,
            {
                "CacheClusters": [
                    {
                        "CacheClusterStatus": "available",
                        "CacheNodes": [
                            {"CacheNodeId": "0001", "Endpoint": {"Address": "one", "Port": 11211}},
                            {"CacheNodeId": "0002", "Endpoint": {"Address": "two", "Port": 11211}},
                        ],
                    }
                ]
            },
            TcpState((Address("one", 11211), Address("two", 11211)), "available"),
        ),
        (
            CLUSTER,
            {
                "CacheClusters": [
                    {
                        "CacheClusterStatus": "available",
                        "ConfigurationEndpoint": {"Address": "cfg", "Port": 11211},
                    }
                ]
            },
            TcpState((Address("cfg", 11211),), "available"),
        ),
        (
            DOMAIN,
            {
                "DomainStatusList": [
                    {"Endpoint": "search-logs.us-east-1.es.amazonaws.com", "Processing": False}
                ]
            },
            TcpState((Address("search-logs.us-east-1.es.amazonaws.com", 443),), "active"),
        ),
        (
            DOMAIN,
            {"DomainStatusList": [{"Endpoints": {"vpc": "vpc-logs.es.amazonaws.com"}, "Processing": True}]},
            TcpState((Address("vpc-logs.es.amazonaws.com", 443),), "processing"),
        ),
        (DOMAIN, {"DomainStatusList": [{"Deleted": True}]}, TcpState((), "being deleted")),
        (DOMAIN, {"DomainStatusList": []}, None),
    ],
)
def test_where_aws_says_it_is(endpoint: TcpEndpoint, answer: Any, state: TcpState | None) -> None:
    assert located(endpoint, answer) == state


@pytest.mark.parametrize(
    ("endpoint", "answer", "reason"),
    [
        (GROUP, {}, "has no ReplicationGroups"),
        (GROUP, {"ReplicationGroups": [{"NodeGroups": []}]}, "has no Status"),
        (
            GROUP,
            {"ReplicationGroups": [{"Status": "x", "NodeGroups": [{"PrimaryEndpoint": {"Port": 1}}]}]},
            "has no Address",
        ),
        (CLUSTER, {"CacheClusters": [{}]}, "has no CacheClusterStatus"),
        (DOMAIN, {}, "has no DomainStatusList"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(endpoint: TcpEndpoint, answer: Any, reason: str) -> None:
    fault = located(endpoint, answer)
    assert isinstance(fault, Broken)
    assert reason in fault.message
    assert endpoint.home in fault.message


def test_who_is_denied_is_told_so_and_what_is_declared_needs_no_question() -> None:
    denied = Denied("no", hint="")
    assert located(GROUP, denied) is denied
    stub: Any = Answers(denied)
    found = TcpEndpoint.read(stub, [TcpEndpoint(name="x", address="a:1")])
    assert found == {"x": TcpState((Address("a", 1),))}
    assert stub.asked == []


@pytest.mark.parametrize(
    ("endpoint", "code", "kind"),
    [
        (GROUP, "ReplicationGroupNotFoundFault", Absent),
        (CLUSTER, "CacheClusterNotFound", Absent),
        (GROUP, "AccessDenied", Denied),
    ],
)
def test_errors_as_botocore_reads_them(
    endpoint: TcpEndpoint,
    code: str,
    kind: type[Exception],
    stub: Stub,
    http: Any,
    credentials: str,
    make_profile: Callable[..., Any],
) -> None:
    body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    server = stub(lambda _: http("404 Not Found", body, "text/xml"))
    with pytest.raises(kind):
        endpoints.locate(Aws(make_profile(server.url)), endpoint)


def test_an_opensearch_domain_as_botocore_reads_it(
    stub: Stub, http: Any, credentials: str, make_profile: Callable[..., Any]
) -> None:
    answer = {
        "DomainStatusList": [
            {
                "DomainId": "111122223333/logs",
                "DomainName": "logs",
                "ARN": "arn:aws:es:us-east-1:111122223333:domain/logs",
                "Created": True,
                "Deleted": False,
                "Processing": False,
                "Endpoints": {"vpc": "vpc-logs-abc.us-east-1.es.amazonaws.com"},
                "ClusterConfig": {},
            }
        ]
    }
    server = stub(lambda _: http("200 OK", json.dumps(answer)))
    state = endpoints.locate(Aws(make_profile(server.url)), DOMAIN)
    assert state == TcpState((Address("vpc-logs-abc.us-east-1.es.amazonaws.com", 443),), "active")


@pytest.mark.parametrize("endpoint", [GROUP, CLUSTER, DOMAIN], ids=lambda item: item.name)
def test_the_stand_in_cannot_show_it(endpoint: TcpEndpoint, make_profile: Callable[..., Any]) -> None:
    from dataclasses import replace

    from harness.profile.schema import LocalConfig

    profile = replace(make_profile("http://127.0.0.1:9"), local=LocalConfig(stand_in=True))
    with pytest.raises(NotEmulated):
        endpoints.locate(Aws(profile), endpoint)


# Judging


def test_problems_of_connections(port: int) -> None:
    closed = free_port()
    endpoint = TcpEndpoint(name="x", address=f"127.0.0.1:{port}")
    both = TcpState((Address("127.0.0.1", port), Address("127.0.0.1", closed)))
    assert endpoints.connection_problems(both, endpoints.connect(endpoint, both)) == (
        f"127.0.0.1:{closed}: connection refused",
    )
    good = TcpState(both.addresses[:1])
    assert endpoints.connection_problems(good, endpoints.connect(endpoint, good)) == ()
    assert endpoints.connection_problems(TcpState((), "creating"), ()) == (
        "it has no address yet (creating)",
    )


def test_what_must_report() -> None:
    assert GROUP.mandatory(None, Phase.PRE_DEPLOY) == ("endpoints.takes_connections",)
    web = HttpEndpoint(name="web", url="https://example.com")
    assert web.mandatory(None, Phase.PRE_DEPLOY) == ("endpoints.answers",)
    assert (GROUP.id, web.id) == ("redis", "web")
    assert GROUP.home == "endpoint redis of replication group cache"
    assert CLUSTER.home == "endpoint memcached of cache cluster cache"
    assert DOMAIN.home == "endpoint search of OpenSearch domain logs"
    assert TcpEndpoint(name="x", address="a:1").home == "endpoint x"
    nothing: Any = None
    assert list(HttpEndpoint.read(nothing, [web])) == ["web"]
