"""How a request failed that a user's own code sent, told from what Locust says of it."""

import socket
from collections.abc import Iterator
from typing import Any

import gevent

from harness.load.generator.client import kind_of
from harness.load.result import Kind

_LINKS = ("__cause__", "__context__", "reason")
_DEEP = 12
_ERROR = 400


def status_of(response: object) -> int:
    """The status of an answer of any client; 0 where there is none."""
    status = getattr(response, "status_code", 0)
    return status if isinstance(status, int) else 0


def failure(exception: object, response: object = None, *, said: type[Exception] = AssertionError) -> Kind:
    """How a request failed, from the exception that its event carries; `said` are those that the user's code meant."""
    if status_of(response) >= _ERROR:
        return Kind.STATUS
    if isinstance(exception, said | AssertionError | str):
        return Kind.CONTENT
    found = [_kind(each) for each in _chain(exception)]
    return next((kind for kind in found if kind is not Kind.OTHER), Kind.OTHER)


def _kind(error: BaseException) -> Kind:
    if isinstance(error, gevent.Timeout | socket.timeout):
        return Kind.TIMEOUT
    return kind_of(error) if isinstance(error, Exception) else Kind.OTHER


def _chain(exception: object) -> Iterator[BaseException]:
    """An exception and those that led to it: clients wrap the one that tells."""
    waiting: list[Any] = [exception]
    seen: set[int] = set()
    while waiting and len(seen) < _DEEP:
        error = waiting.pop(0)
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        waiting += [getattr(error, link, None) for link in _LINKS] + list(error.args)
