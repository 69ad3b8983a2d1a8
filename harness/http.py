"""One HTTP request and what came of it; nothing is followed, retried or judged here."""

import json
import time
from typing import TYPE_CHECKING, Protocol

from harness.frozen import dataclass
from harness.network import explain

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

_MAX_BODY = 1_000_000
_CHUNK = 64_000


@dataclass(frozen=True)
class Answer:
    """What one request came to. `status` is 0 where there was no answer, and `error` says why."""

    status: int
    body: str
    seconds: float
    error: str = ""


class _Readable(Protocol):
    def read1(self, amount: int, /) -> bytes: ...


def get(url: str, *, timeout: float) -> Answer:
    """GET `url` once. See `send`."""
    return send("GET", url, timeout=timeout)


def send(method: str, url: str, *, timeout: float, json_body: object = None) -> Answer:
    """Send one request, with a JSON body unless that is ``None``.

    The answer must be whole within `timeout` seconds; its body is cut at a megabyte. Proxies of the environment are
    used. Certificates are verified.
    """
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    data = None if json_body is None else json.dumps(json_body).encode()
    headers = {"User-Agent": "gonogo"} | ({"Content-Type": "application/json"} if data is not None else {})
    started = time.monotonic()
    opener = _opener()
    status, body, error = 0, b"", ""
    try:
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - checked below
        if request.type not in {"http", "https"}:
            return Answer(0, "", 0.0, f"{url} is not an http or https address")
        try:
            with opener.open(request, timeout=timeout) as response:
                body, status = _body(response, started + timeout), response.status
        except urllib.error.HTTPError as answer:
            with answer:
                body, status = _body(answer, started + timeout), answer.code
    except (OSError, HTTPException, ValueError) as problem:
        error = _say(problem)
    return Answer(status, body.decode(errors="replace"), time.monotonic() - started, error)


def _opener() -> "OpenerDirector":
    """Follows nothing: a redirect is an answer like any other, and following it would judge another place."""
    from urllib.request import HTTPRedirectHandler, build_opener

    class NoRedirects(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            pass

    return build_opener(NoRedirects)


def _body(response: _Readable, deadline: float) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while size < _MAX_BODY and (chunk := response.read1(min(_CHUNK, _MAX_BODY - size))):
        chunks.append(chunk)
        size += len(chunk)
        if time.monotonic() > deadline:
            raise TimeoutError("the answer was not whole in time")
    return b"".join(chunks)


def _say(problem: Exception) -> str:
    import urllib.error

    reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
    return f"no answer: {explain(reason if isinstance(reason, BaseException) else problem)}"
