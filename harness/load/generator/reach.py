"""Keeps foreign code in this process to the hosts that load may be sent to.

Names are checked where gevent resolves them, addresses where the interpreter itself connects (its audit events, PEP 578), so
that no library and no thread gets around it.
"""

import errno
import sys
from collections.abc import Iterable
from typing import Any

import gevent

_CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_RESOLVES = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})


class Reach:
    """What may be reached: `allowed` are hosts, as ``host`` or ``host:port``; `who` is what messages call the code."""

    def __init__(self, allowed: Iterable[str], who: str) -> None:
        self._allowed = tuple(dict.fromkeys(host.lower().rstrip(".") for host in allowed))
        self._who = who
        self._names: dict[str, set[str]] = {}
        self.refused = ""
        """What was said of the first that was not allowed."""

    def install(self) -> None:
        """From now on, for as long as the process lives."""
        hub = gevent.get_hub()
        hub.resolver = _Resolver(hub.resolver, self)
        sys.addaudithook(self.audit)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Refuse what is not allowed, whoever does it.

        Raises:
            PermissionError: this is refused.
        """
        if event in _CONNECTS:
            address = arguments[1]
            if isinstance(address, tuple):  # others, as those of Unix sockets, lead to no host
                self._connect(str(address[0]), int(address[1]))
        elif event in _RESOLVES and arguments[0]:
            self.resolve(arguments[0])

    def resolve(self, host: str | bytes) -> str:
        """The name, where it may be looked up.

        Raises:
            PermissionError: it may not.
        """
        name = (host.decode("ascii", "replace") if isinstance(host, bytes) else host).lower().rstrip(".")
        known = name in self._names  # an address that was found for an allowed name
        if not known and not any(each == name or each.startswith(f"{name}:") for each in self._allowed):
            self._refuse(name)
        return name

    def found(self, name: str, addresses: Iterable[str]) -> None:
        """An allowed name leads to these."""
        for address in addresses:
            self._names.setdefault(_bare(address), set()).add(name)

    def _connect(self, host: str, port: int) -> None:
        address = _bare(host)
        names = {address, *self._names.get(address, ())}
        if not any(name in self._allowed or f"{name}:{port}" in self._allowed for name in names):
            self._refuse(f"{' or '.join(sorted(names))}, port {port}")

    def _refuse(self, what: str) -> None:
        known = ", ".join(self._allowed) or "empty"
        message = (
            f"{self._who} reaches for {what}, which load may not be sent to; gates.load.allowed_hosts is {known}: "
            "add the host if this environment may be loaded, or correct the file"
        )
        self.refused = self.refused or message
        raise PermissionError(errno.EACCES, message)


class _Resolver:
    """gevent's resolver, for allowed names only."""

    def __init__(self, inner: Any, reach: Reach) -> None:  # noqa: ANN401 - gevent has no types
        self._inner, self._reach = inner, reach

    def getaddrinfo(self, host: str | bytes | None, port: Any, *rest: Any, **more: Any) -> Any:  # noqa: ANN401
        """See `socket.getaddrinfo`."""
        if not host:
            return self._inner.getaddrinfo(host, port, *rest, **more)
        name = self._reach.resolve(host)
        found = self._inner.getaddrinfo(host, port, *rest, **more)
        self._reach.found(name, (str(row[4][0]) for row in found))
        return found

    def gethostbyname_ex(self, host: str) -> Any:  # noqa: ANN401
        """See `socket.gethostbyname_ex`."""
        name = self._reach.resolve(host)
        found = self._inner.gethostbyname_ex(host)
        self._reach.found(name, found[2])
        return found

    def gethostbyname(self, host: str) -> Any:  # noqa: ANN401
        """See `socket.gethostbyname`."""
        return self.gethostbyname_ex(host)[2][0]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """What looks up no name."""
        return getattr(self._inner, name)


def _bare(address: str) -> str:
    """An address without the zone of IPv6."""
    return address.partition("%")[0].lower()
