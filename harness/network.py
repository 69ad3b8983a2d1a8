"""Whether something answers on the network, and why not: refused, timed out, DNS, TLS, told apart."""

import errno
import time

from harness.frozen import dataclass

_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})


@dataclass(frozen=True)
class Connected:
    """What a TCP connection came to. `error` says why there is none; `tls` is the protocol that was agreed on."""

    address: str
    seconds: float
    tls: str = ""
    error: str = ""


def explain(problem: BaseException) -> str:
    """Why there is no answer, in the words one would use."""
    import socket
    import ssl
    from http.client import RemoteDisconnected

    said = " ".join(str(problem).split())
    match problem:
        case ssl.SSLCertVerificationError():
            return f"TLS: the certificate is not accepted: {problem.verify_message}"
        case ssl.SSLError():
            return f"TLS: {(problem.reason or said).replace('_', ' ').lower()}"
        case socket.gaierror():
            return f"DNS: the name cannot be resolved ({problem.strerror})"
        case TimeoutError():
            if "handshake" in said:
                return "TLS: the handshake timed out"
            return said if problem.errno is None and said else "timed out"
        case ConnectionRefusedError():
            return "connection refused"
        case RemoteDisconnected():
            return "the connection was closed without an answer"
        case ConnectionResetError() | BrokenPipeError():
            return "the connection was reset"
        case OSError() if problem.errno in _NO_ROUTE:
            return f"no route to the host ({problem.strerror})"
    return said or type(problem).__name__


def connect(host: str, port: int, *, timeout: float, tls: bool = False) -> Connected:
    """Open a TCP connection, with a TLS handshake that verifies the certificate where `tls` says so, and close it.

    Each address of the name has `timeout` seconds, and so has the handshake. Resolving the name takes as long as the
    machine's resolver is configured to wait.
    """
    import socket
    import ssl

    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    started = time.monotonic()
    agreed = error = ""
    try:
        with socket.create_connection((host, port), timeout) as plain:
            if tls:
                context = ssl.create_default_context()
                with context.wrap_socket(plain, server_hostname=host) as secured:
                    agreed = secured.version() or ""
    except (OSError, UnicodeError, OverflowError) as problem:
        error = explain(problem)
    return Connected(address, time.monotonic() - started, agreed, error)


def free_port() -> int:
    """A port that nobody has right now. Somebody may take it before the server does: then try another."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
