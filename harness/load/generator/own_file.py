"""A user's own locustfile: loaded before any load, kept to the allowed hosts, and quoted by file and line."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol

import gevent
from locust import User, events
from locust.util.load_locustfile import load_locustfile

from harness.errors import ToolError
from harness.load.generator.channel import BROKEN
from harness.load.generator.reach import Reach
from harness.load.generator.watchdog import Watchdog
from harness.load.plan import Plan, target
from harness.masking import mask

KIND = "locustfile"
"""The kind of traffic of plans that run one."""
_IMPORT = 30.0
"""Seconds that importing the file may take."""
_STUCK = 4.0
"""Seconds that a task may compute without letting others run."""
_AFTER_RAISE = 0.1
"""Seconds that a task which raised waits: it may do nothing else, and nobody needs it a thousand times a second."""
_LOGGED = {"locust.user.task": 20, "locust.user.users": 20, "": 200}
"""How many messages of each logger are written: each task that raises and each broken listener makes one."""


class Ears(Protocol):
    """Who is told what the users do."""

    def heard(self, **values: Any) -> None:  # noqa: ANN401 - whatever the event carries
        """A request is over."""
        ...

    def raised(self, exception: BaseException, *, starting: bool) -> None:
        """A task, or a user on its start, has raised."""
        ...


class OwnFile:
    """The locustfile of a plan: loaded once, before any load, and kept to the allowed hosts."""

    def __init__(self, plan: Plan) -> None:
        where = target(plan.url)
        self._plan = plan
        self.name = str(plan.traffic["file"])
        self._folder = Path(plan.traffic["folder"])
        own_host = f"{where.host}:{where.port}"
        self.reach = Reach([*plan.traffic["allowed_hosts"], own_host], self.name)
        self.watchdog = Watchdog(_IMPORT, self._frame, code=BROKEN)
        self.ears: Ears | None = None
        self.early = 0
        """Requests that were over before anyone could hear of them."""

    def load(self) -> Mapping[str, type[User]]:
        """Its `User` classes.

        Raises:
            ToolError: it is missing, cannot be imported, defines none, or a load shape.
        """
        path = self._folder / self.name
        if not path.is_file():
            raise ToolError(f"there is no file {self.name} in {self._folder}", hint="correct locustfile")
        events.request.add_listener(self._request)
        events.user_error.add_listener(self._raised)
        for name, most in _LOGGED.items():
            logging.getLogger(name).addFilter(_First(most))
        self.watchdog.start()
        self.reach.install()
        sys.path.insert(0, str(self._folder))
        try:
            with self.at_home():
                classes, shapes = load_locustfile(str(path))
        except (Exception, SystemExit) as error:
            why = self.reach.refused or self.told(error)
            raise ToolError(f"{self.name} cannot be loaded: {why}", hint="correct the locustfile") from error
        if not classes:
            raise ToolError(f"{self.name} defines no User class", hint="see Locust's documentation")
        if shapes:
            shape = type(shapes[0]).__name__
            raise ToolError(
                f"{self.name} defines the load shape {shape}: here the scenario's users and duration are the shape; "
                "remove the class, or move it to a file of its own",
                hint="correct the locustfile",
            )
        self.watchdog.beat()
        found: Mapping[str, type[User]] = classes
        return found

    def settle(self) -> None:
        """Before the users are made: now nothing reads settings from this process's folder any more."""
        os.chdir(self._folder)
        self.watchdog.beat()
        self.watchdog.limit = _STUCK

    @contextmanager
    def at_home(self) -> Iterator[None]:
        """In the folder that the file's own paths are relative to, for a while: Locust looks for settings in this one."""
        before = Path.cwd()
        os.chdir(self._folder)
        try:
            yield
        finally:
            os.chdir(before)

    def place(self, trace: TracebackType | None) -> str:
        """``file:line`` of the innermost frame that is in the user's own code, or of the innermost of all."""
        frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(trace)]
        return self._place(list(reversed(frames)))

    def told(self, error: BaseException) -> str:
        """An error of the user's code in a line, with its place."""
        text = " ".join(mask(str(error)).split())[:300]
        if isinstance(error, SyntaxError) and error.filename:
            return f"{self._short(error.filename)}:{error.lineno}: {type(error).__name__}: {error.msg}"
        return f"{self.place(error.__traceback__)}: {type(error).__name__}{': ' if text else ''}{text}"

    def _frame(self, frame: FrameType | None) -> str:
        frames = []
        while frame is not None:
            frames.append((frame.f_code.co_filename, frame.f_lineno))
            frame = frame.f_back
        return self._place(frames)

    def _place(self, frames: list[tuple[str, int | None]]) -> str:
        """Of frames, innermost first."""
        own = [
            row
            for row in frames
            if Path(row[0]).is_relative_to(self._folder) and "site-packages" not in row[0]
        ]
        file, line = next(iter(own or frames), (self.name, 0))
        return f"{self._short(file)}:{line}"

    def _short(self, file: str) -> str:
        path = Path(file)
        return str(path.relative_to(self._folder) if path.is_relative_to(self._folder) else path)

    def _request(self, **values: Any) -> None:  # noqa: ANN401 - whatever the event carries
        if self.ears is None:
            self.early += 1
        else:
            self.ears.heard(**values)

    def _raised(self, user_instance: object, exception: BaseException, **_: object) -> None:
        if self.ears is not None:
            self.ears.raised(exception, starting=isinstance(user_instance, User))
            gevent.sleep(_AFTER_RAISE)


class _First(logging.Filter):
    """Lets the first messages through: a task that raises for an hour fills no disk."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._left = most

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002
        """Whether this one is among them."""
        self._left -= 1
        return self._left >= 0


def own_file(plan: Plan | None) -> OwnFile | None:
    """The locustfile that the plan is to run; ``None`` where it is no such plan."""
    if plan is None or plan.kind != KIND:
        return None
    if plan.open or plan.nodes > 1:
        raise ToolError(
            f"scenario {plan.scenario!r}: a locustfile runs with users, in one process", hint="see locustfile"
        )
    return OwnFile(plan)
