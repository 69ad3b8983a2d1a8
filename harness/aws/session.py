"""The target session: reads the environment under judgement, and can do nothing else.

Every client carries a guard that refuses what `harness.aws.operations` does not declare, at three places: before
the request is built, before it is signed (so that no URL can be presigned either), and before each attempt leaves
the machine. Nothing is asked before the account is known to be the profile's.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from harness import codec, masking
from harness.aws.faults import Broken, Fault, Misconfigured, NoCredentials, NotEmulated, Unreachable
from harness.aws.operations import Operation, permit
from harness.aws.pace import Pace
from harness.aws.reading import genuine, reading
from harness.aws.secrecy import keep_secrets
from harness.frozen import dataclass
from harness.profile import Profile

if TYPE_CHECKING:
    from concurrent.futures import Future

    from botocore.client import BaseClient
    from botocore.session import Session

T = TypeVar("T")
R = TypeVar("R")
OPERATIONS = (Operation("sts", "GetCallerIdentity"),)
_WIDTH = 8
"""Calls under way at once."""
RATES = {"route53": 4.0}
"""Requests a second to services that take fewer of a whole account than a profile's `calls`: Route 53 takes five, of
everybody together. An emulator is not asked more gently."""
_GUARDED = ("before-call", "before-sign", "before-send")
_REAL_SECRET = 16
"""A secret key shorter than this is an emulator's (``test``); masking it would mask the word everywhere."""


@dataclass(frozen=True)
class Patience:
    """How long a client waits (seconds) and how often it tries."""

    connect: float = 3.0
    read: float = 10.0
    attempts: int = 8
    pool: int = 2 * _WIDTH
    """Connections that are kept."""
    rest: float = 20.0
    """Seconds for which a service that did not answer is not asked again."""
    mode: Literal["adaptive", "standard"] = "adaptive"
    """``adaptive`` slows later requests down as well."""


PATIENT = Patience()
QUICK = Patience(connect=1.0, read=1.0, attempts=2)
"""For the first question of all: whether anything answers. Where nothing does, it is over within three seconds."""


@dataclass(frozen=True)
class Identity:
    """Who this session is, as STS says."""

    account: str
    arn: str


class Aws:
    """The AWS account of one profile, as the checks may see it."""

    def __init__(self, profile: Profile, *, patience: Patience = PATIENT) -> None:
        self.profile = profile
        self.region = profile.aws.region
        self.access = profile.aws.access
        self._patience = patience
        self._lock = RLock()
        self._paces = [Pace(profile.aws.calls)]
        self._shared: dict[tuple[str, bytes], Future[Any]] = {}
        self._down: dict[str, tuple[float, Unreachable]] = {}
        self.calls: Counter[str] = Counter()
        """How often each operation was asked; a page counts, a retry does not."""
        self._session: Session | NoCredentials | None = None
        self._clients: dict[tuple[str, Patience], BaseClient] = {}
        self._identity: Identity | Fault | None = None

    def client(self, service: str) -> "BaseClient":
        """A guarded botocore client. Prefer `call` and `items`, which also read errors.

        Raises:
            Misconfigured: the credentials belong to another account than the profile's.
            Fault: who the credentials belong to cannot be found out.
        """
        if self.profile.aws.account:
            self.identity()
        return self._client(service, self._patience)

    def identity(self) -> Identity:
        """Who this session is; asked once, with little patience, and remembered, the fault too.

        Raises:
            Misconfigured: another account than the profile's, or credentials that do not work.
            NoCredentials: none are configured; nothing was sent.
            Unreachable: nothing answers.
        """
        with self._lock:
            if self._identity is None:
                try:
                    self._identity = self._ask_identity()
                except Fault as fault:
                    self._identity = fault
        if isinstance(self._identity, Fault):
            raise self._identity
        return self._identity

    @property
    def held_back(self) -> float:
        """Seconds that requests waited for their turn so far, all together."""
        return sum(pace.waited for pace in self._paces)

    def call(self, key: str, about: str, /, **parameters: object) -> dict[str, Any]:
        """Ask AWS one thing: ``aws.call("ecs:DescribeServices", "api-service", cluster=…)``.

        Args:
            key: the operation, as `harness.aws.operations` declares it.
            about: the resource, for messages.
            parameters: the operation's own.

        Raises:
            Fault: what was met instead of an answer.
        """
        operation = self._permitted(key, about)
        client = self.client(operation.service)
        self._count(key)
        with self._noticing(operation), reading(operation.action, about):
            answer: dict[str, Any] = _method(client, operation)(**parameters)
        genuine(answer, action=operation.action, resource=about)
        keep_secrets(self.profile, answer)
        return answer

    def items(self, key: str, about: str, field: str, /, **parameters: object) -> list[Any]:
        """Everything under `field` of a paginated operation's answers.

        Raises:
            Fault: what was met instead of an answer.
        """
        operation = self._permitted(key, about)
        client = self.client(operation.service)
        found: list[Any] = []
        with self._noticing(operation), reading(operation.action, about):
            from botocore import xform_name

            pages = list(client.get_paginator(xform_name(operation.name)).paginate(**parameters))
        self._count(key, len(pages))
        for page in pages:
            genuine(page, action=operation.action, resource=about)
            keep_secrets(self.profile, page)
            found.extend(need(page, field, key, about))
        return found

    def shared_call(self, key: str, about: str, /, **parameters: object) -> dict[str, Any]:
        """As `call`, but the same question is asked once, whoever asks it; the fault is remembered as well."""
        answer: dict[str, Any] = self._once(key, parameters, lambda: self.call(key, about, **parameters))
        return answer

    def shared_items(self, key: str, about: str, field: str, /, **parameters: object) -> list[Any]:
        """As `items`, but the same question is asked once, whoever asks it."""
        found: list[Any] = self._once(
            f"{key} {field}", parameters, lambda: self.items(key, about, field, **parameters)
        )
        return found

    def anew(self) -> "Aws":
        """The same account and clients, with nothing that `shared_call` remembers: for whoever looks once more.

        Raises:
            Fault: who the credentials belong to cannot be found out.
        """
        if self.profile.aws.account:
            self.identity()  # remembered by both
        view = copy(self)
        view._shared = {}  # noqa: SLF001 - a copy of this very class
        return view

    def each(self, question: Callable[[T], R], about: Iterable[T]) -> "list[R | Fault]":
        """Ask the same of several things, side by side; in their order, with the fault where one has no answer."""

        def ask(thing: T) -> "R | Fault":
            try:
                return question(thing)
            except Fault as fault:
                return fault

        things = list(about)
        if len(things) < 2:
            return [ask(thing) for thing in things]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(_WIDTH, len(things)), thread_name_prefix="aws") as pool:
            return list(pool.map(ask, things))

    def _count(self, key: str, times: int = 1) -> None:
        with self._lock:  # several threads ask at once
            self.calls[key] += times

    def _once(self, key: str, parameters: Mapping[str, object], ask: Callable[[], Any]) -> Any:  # noqa: ANN401
        from concurrent.futures import Future

        with self._lock:
            question = (key, codec.canonical(parameters))
            future = self._shared.get(question)
            mine = future is None
            if future is None:
                future = self._shared[question] = Future()
        if mine:
            try:
                future.set_result(ask())
            except BaseException as error:  # noqa: BLE001 - whoever else waits for the answer gets it as well
                future.set_exception(error)
        return future.result()

    def _permitted(self, key: str, about: str) -> Operation:
        service, _, name = key.partition(":")
        operation = permit(service, name, self.access, self.profile.aws.operations)
        if self.profile.local.stand_in and not operation.emulated:
            raise NotEmulated(
                f"{key} on {about}: the stand-in cannot show it",
                hint="nothing is claimed about it here; a run against AWS proves it",
            )
        at, fault = self._down.get(service, (0.0, None))
        if fault is not None and time.monotonic() - at < self._patience.rest:
            raise fault
        return operation

    @contextmanager
    def _noticing(self, operation: Operation) -> Iterator[None]:
        """Remember a service that does not answer, so that not every question waits for it anew."""
        try:
            yield
        except Unreachable as fault:
            self._down[operation.service] = (time.monotonic(), fault)
            raise

    def _ask_identity(self) -> Identity:
        (row,) = OPERATIONS
        resource = f"account {self.profile.aws.account or '(any)'}"
        self._count(row.key)
        try:
            with reading(row.action, resource):
                answer: dict[str, Any] = _method(self._client(row.service, QUICK), row)()
        except Broken:  # something answers: it is worth the patience
            with reading(row.action, resource):
                answer = _method(self._client(row.service, self._patience), row)()
        genuine(answer, action=row.action, resource=resource)
        account = str(need(answer, "Account", row.key, resource))
        if self.profile.aws.account and account != self.profile.aws.account:
            raise Misconfigured(
                f"the credentials belong to account {account}, the profile "
                f"{self.profile.name!r} is about account {self.profile.aws.account}",
                hint="use credentials of the profile's account, or correct [aws] account",
            )
        return Identity(account, str(answer.get("Arn", "")))

    def _client(self, service: str, patience: Patience) -> "BaseClient":
        with self._lock:
            if (service, patience) not in self._clients:
                client = self._create(service, patience)
                guard = self._guard(service)
                for event in _GUARDED:
                    client.meta.events.register_first(event, guard)
                client.meta.events.register("before-send", lambda **_: self._paces[0].wait())
                if service in RATES and not self.profile.aws.endpoint_url:
                    self._paces.append(own := Pace(RATES[service]))
                    client.meta.events.register("before-send", lambda **_: own.wait())
                self._clients[service, patience] = client
            return self._clients[service, patience]

    def _guard(self, service: str) -> Callable[..., None]:
        def refuse(event_name: str, **_: object) -> None:
            permit(service, event_name.rpartition(".")[2], self.access, self.profile.aws.operations)

        return refuse

    def _create(self, service: str, patience: Patience) -> "BaseClient":
        with reading(f"{service}:*", f"region {self.region}"):
            from botocore.config import Config

            if self._session is None:
                self._session = own_session()
            if isinstance(self._session, NoCredentials):
                raise self._session
            client: BaseClient = self._session.create_client(
                service,
                region_name=self.region,
                endpoint_url=self.profile.aws.endpoint_url or None,
                config=Config(
                    connect_timeout=patience.connect,
                    read_timeout=patience.read,
                    retries={"mode": patience.mode, "total_max_attempts": patience.attempts},
                    max_pool_connections=patience.pool,
                    ignore_configured_endpoint_urls=True,  # type: ignore[call-arg] # AWS_ENDPOINT_URL must not lead a gate astray
                    user_agent_extra="gonogo",
                ),
            )
        return client


def need(answer: Mapping[str, Any], field: str, key: str, about: str) -> Any:  # noqa: ANN401 - JSON is what it is
    """A field that an answer must have.

    Raises:
        Broken: it has not, so nothing is known.
    """
    value = answer.get(field)
    if value is None:
        raise Broken(
            f"{key} on {about}: the answer has no {field}",
            hint="what answers is not the service, or not the version that the gate knows",
        )
    return value


def own_session() -> "Session | NoCredentials":
    """A botocore session with the environment's own credentials, whose secrets are masked from here on.

    Where nothing is configured, botocore asks the instance metadata service, whose address may swallow packets
    outside AWS: twice, for one second each, unless ``AWS_METADATA_SERVICE_TIMEOUT`` says otherwise. So "none" is
    remembered: botocore would look again for every client.
    """
    import botocore.session

    session = botocore.session.Session()
    credentials = session.get_credentials()
    if credentials is None:
        return NoCredentials(
            "no AWS credentials are configured", hint="configure AWS credentials for this environment"
        )
    frozen = credentials.get_frozen_credentials()
    for secret in (frozen.secret_key, frozen.token):
        if secret and len(secret) >= _REAL_SECRET:
            masking.register(secret)
    return session


def _method(client: "BaseClient", operation: Operation) -> Callable[..., Any]:
    from botocore import xform_name

    method: Callable[..., Any] = getattr(client, xform_name(operation.name))
    return method
