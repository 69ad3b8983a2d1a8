"""Sends journeys: one arrival is one visitor, who takes the steps of one journey in order over the lean client."""

import secrets
from collections.abc import Mapping
from random import Random
from typing import Any

from harness.errors import ToolError
from harness.frozen import dataclass, replace
from harness.load.generator.client import IDEMPOTENT, Client, kind_of, now, say, written
from harness.load.generator.connection import SAMPLE, Connection, Connector
from harness.load.generator.deadline import Deadlines, Overdue
from harness.load.generator.recorder import Answer
from harness.load.generator.recorder import Step as Taken
from harness.load.plan import Plan, nanoseconds, register_secrets, target
from harness.load.result import Kind
from harness.load.steps import UNIQUE, Cookies, Extract, Journey, Page, Step, fill

KEPT = 1_048_576
"""Bytes of an answer's body that a step can look at; the rest is read and thrown away."""
_HIDDEN = 4
"""Letters from which a value that was taken along is not shown in messages."""


class Keeping(Connection):
    """A connection that keeps the answers' header fields and, up to `KEPT` bytes, their bodies."""

    _body = bytearray()

    def exchange(self, request: bytes) -> None:
        """See `Connection`."""
        self._head = request.startswith(b"HEAD ")
        self._body = bytearray()
        super().exchange(request)

    def fields(self) -> list[tuple[str, str]]:
        """The header fields of the last answer, names in lower case, as they came."""
        parts = self._begun.split(b"\r\n\r\n")
        final = next((part for part in parts if not part[8:11].strip().startswith(b"1")), b"")
        lines = (line.decode("latin-1").partition(":") for line in final.split(b"\r\n")[1:])
        return [(name.strip().lower(), value.strip()) for name, _, value in lines]

    def page(self) -> Page:
        """The last answer."""
        body = bytes(self._body)
        return Page(self.status, dict(reversed(self.fields())), body, whole=len(body) == self.size)

    def _on_body(self, part: bytearray) -> None:
        if not self.complete and (room := KEPT - len(self._body)) > 0:
            self._body += part[:room]
        super()._on_body(part)


@dataclass(frozen=True, slots=True)
class Read(Answer):
    """An answer with what its step looks at."""

    page: Page | None = None
    cookies: tuple[str, ...] = ()


class Pages(Client):
    """Sends any request to the plan's host."""

    def __init__(self, plan: Plan, timeout: float) -> None:
        super().__init__(replace(plan, method="GET", body=""))
        where = target(plan.url)
        self._connector = Connector(
            where.host, where.port, tls=where.scheme == "https", head=False, expected=0, kind=Keeping
        )
        self._look_after = 0
        self._deadlines = Deadlines(nanoseconds(timeout))
        self._late = Answer(Kind.TIMEOUT, detail=f"no whole answer within {timeout:g} s")

    def ask(self, request: bytes, method: str) -> Answer:
        """Send a request once; a `Read` where there is an answer. Never raises."""
        due = self._deadlines.enter()
        try:
            answer = self._send(request, repeatable=method in IDEMPOTENT)
        except Overdue:
            return self._late
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this request's failure and is counted
            return Answer(kind_of(error), detail=say(error))
        finally:
            self._deadlines.leave()
        return answer if now() <= due else self._late

    def _answer(self, connection: Connection, *, retried: bool) -> Answer:
        if not isinstance(connection, Keeping):
            msg = "a connection that keeps nothing"
            raise TypeError(msg)
        cookies = tuple(value for name, value in connection.fields() if name == "set-cookie")
        return Read(
            None,
            connection.status,
            size=connection.size,
            retried=retried,
            page=connection.page(),
            cookies=cookies,
        )


class Journeys:
    """Sends the plan's journeys, each chosen by its weight.

    The choice is drawn from a generator seeded with the run's id: the same id makes the same sequence of journeys again.
    """

    def __init__(self, plan: Plan) -> None:
        try:
            self._journeys = [Journey.of(data) for data in plan.traffic["journeys"]]
            timeout = float(plan.traffic["timeout"])
        except (KeyError, TypeError, ValueError) as error:
            raise ToolError(
                f"scenario {plan.scenario!r}: its journeys cannot be read: {error}",
                hint="correct the profile",
            ) from error
        self._weights = [journey.weight for journey in self._journeys]
        self._random = Random(plan.run)  # noqa: S311 - which journey comes next is no secret
        self._pages = Pages(plan, timeout)
        self._where = target(plan.url)
        self._base = self._where.path.rstrip("/")
        self._headers = plan.headers
        self._extracts = {
            text: Extract.read(text)
            for journey in self._journeys
            for step in journey.steps
            for text in step.extract.values()
        }
        for journey in self._journeys:
            for step in journey.steps:
                register_secrets("", {name: text for name, text in step.headers.items() if "{" not in text})

    def prime(self) -> None:
        """See `harness.load.generator.traffic.Sender`."""
        self._pages.prime()

    def close(self) -> None:
        """See `harness.load.generator.traffic.Sender`."""
        self._pages.close()

    def send(self) -> Answer:
        """One visitor's journey, up to its end or to the first step that fails."""
        journey = self._random.choices(self._journeys, self._weights)[0]
        visitor = _Visitor()
        taken: list[Taken] = []
        size, status, retried = 0, 0, False
        for step in journey.steps:
            name = f"{journey.name}/{step.name}"
            began = now()
            answer = self._take(step, visitor)
            taken.append(Taken(name, answer.kind, now() - began))
            size, status, retried = size + answer.size, answer.status, retried or answer.retried
            if answer.kind is not None:
                detail = f"{name}: {visitor.hide(answer.detail)}"
                return Answer(answer.kind, status, detail, size, retried, tuple(taken))
        return Answer(None, status, "", size, retried, tuple(taken))

    def _take(self, step: Step, visitor: "_Visitor") -> Answer:
        """One step."""
        began = now()
        path = self._base + step.target(visitor.values)
        try:
            request = self._request(step, path, visitor)
        except ValueError as error:
            return Answer(Kind.CONTENT, detail=f"cannot be sent: {error}")
        answer = self._pages.ask(request, step.method)
        if not isinstance(answer, Read) or answer.page is None:
            return answer
        for cookie in answer.cookies:
            visitor.cookies.take(cookie, path)
        kind, told = self._judge(step, answer.page, visitor)
        took = (now() - began) / 1e9
        if kind is None and step.max_time is not None and took > step.max_time:
            kind, told = Kind.SLOW, f"took {took:.3f} s, max_time is {step.max_time:g} s"
        return Answer(kind, answer.status, told, answer.size, answer.retried)

    def _request(self, step: Step, path: str, visitor: "_Visitor") -> bytes:
        headers = dict(self._headers)
        own = {name: fill(text, visitor.values) for name, text in step.headers.items()}
        if step.json and "content-type" not in {name.lower() for name in own}:
            own["Content-Type"] = "application/json"
        if cookie := visitor.cookies.header(path):
            own.setdefault("Cookie", cookie)
        named = {name.lower() for name in own}
        kept = {name: value for name, value in headers.items() if name.lower() not in named}
        return written(
            step.method, replace(self._where, path=path), {**kept, **own}, step.content(visitor.values)
        )

    def _judge(self, step: Step, page: Page, visitor: "_Visitor") -> tuple[Kind | None, str]:
        """Whether the answer is as expected; takes along what the steps after it need."""
        if page.status not in step.expect_status:
            wanted = " or ".join(str(status) for status in step.expect_status)
            moved = f" to {page.headers['location']}" if "location" in page.headers else ""
            sample = " ".join(page.body[:SAMPLE].decode(errors="replace").split())
            return (
                Kind.STATUS,
                f"status {page.status}{moved}, expected {wanted}{': ' if sample else ''}{sample}",
            )
        if told := step.shortcomings(page):
            return Kind.CONTENT, told
        for name, text in step.extract.items():
            try:
                visitor.values[name] = self._extracts[text].value(page)
            except ValueError as error:
                return Kind.CONTENT, f"nothing to extract as {name!r}: {error}"
        return None, ""


class _Visitor:
    """What one visitor has learnt on the way."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {UNIQUE: secrets.token_hex(8)}
        self.cookies = Cookies()

    def hide(self, text: str) -> str:
        """A message without the values that were taken along: a token must not be shown."""
        known: Mapping[str, Any] = {**self.values, **self.cookies.values()}
        for name, value in sorted(known.items(), key=lambda item: -len(str(item[1]))):
            if isinstance(value, str) and len(value) >= _HIDDEN:
                text = text.replace(value, f"{{{name}}}")
        return text
