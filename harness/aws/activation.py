"""Takes a domain through its activation and back, step by step, and leaves nothing behind, however it ends."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import Any, TypeVar

from harness.aws.faults import Fault
from harness.aws.journey import DomainJourney, is_leftover, probe_domain
from harness.aws.session import Aws
from harness.aws.traces import Messages, Rows, Shown, Transcript, Web, Zones
from harness.frozen import dataclass, field
from harness.model import Outcome
from harness.polling import poll

T = TypeVar("T")
CLEANING = 10.0
"""Seconds that the application gets to deactivate a domain whose journey failed, before it is purged by force."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_RECEIVED, _DONE = ("received", "done"), ("done",)
_LOGS = "the queues' depth, their dead letters and the worker's logs"


class StepFailed(Fault):
    """A step did not come to what it must."""

    outcome = Outcome.FAILED


@dataclass(frozen=True)
class Step:
    """One step: `key` names its measurement, `hint` says where to look when it fails."""

    key: str
    title: str
    take: Callable[[], str]
    """Takes it; returns what was seen."""
    hint: str


@dataclass
class Journey:
    """How a journey went."""

    domain: str
    total: int
    taken: dict[str, tuple[str, float, str]] = field(default_factory=dict)
    """For each step that succeeded, by its key: title, seconds, and what was seen."""
    seconds: float = 0.0
    """From the first request to the end of the last step."""
    fault: Fault | None = None
    left: list[str] = field(default_factory=list)
    """What is left of this domain, or of earlier runs', though it should not be."""
    swept: list[str] = field(default_factory=list)
    """Domains of earlier runs that were removed."""
    notes: list[str] = field(default_factory=list)
    transcript: Transcript = field(default_factory=Transcript)

    def as_json(self) -> dict[str, Any]:
        """Plain values, as evidence."""
        steps = [
            {"step": title, "seconds": round(seconds, 3), "saw": saw}
            for title, seconds, saw in self.taken.values()
        ]
        return {
            "domain": self.domain,
            "steps": steps,
            "failed": self.fault.message if self.fault else "",
            "left": self.left,
            "swept": self.swept,
            "transcript": self.transcript.lines,
        }


class Activation:
    """One journey of one probe domain.

    Args:
        journey: what the profile declares.
        aws: the environment's account.
        run_id: becomes part of the domain's name.
    """

    def __init__(self, journey: DomainJourney, aws: Aws, run_id: str) -> None:
        self._journey, self._now = journey, datetime.now(UTC)
        self.domain = probe_domain(journey.suffix, run_id, self._now)
        transcript = Transcript()
        self._web = Web(journey, transcript)
        self._rows = Rows(journey, aws, transcript) if journey.secret else None
        self._zones = Zones(aws, transcript) if journey.hosted_zone else None
        self._messages = Messages(aws, journey.queues.values(), transcript)
        self._accepted = self._removed = False
        self._unswept: Fault | None = None
        self.steps = self._steps()
        self.seen = Journey(self.domain, len(self.steps), transcript=transcript)

    def run(self) -> Journey:
        """Clean up after others, take all steps, clean up. Told to end (SIGTERM, Ctrl-C), it cleans up quickly first."""
        with _interruptible():
            self._sweep()
            try:
                self._travel()
                self._remove(wait=min(self._journey.timeout, CLEANING))
            except BaseException:
                self._remove(wait=0.0)
                raise
        if self.seen.fault is None:
            self.seen.fault = self._unswept
        return self.seen

    def _steps(self) -> tuple[Step, ...]:
        queues = f"the {len(self._journey.queues)} queues"
        steps = (
            Step("request", "request through the web endpoint", self._request, "the logs of web and API"),
            Step("row", "row in PostgreSQL", self._row, "which database the API writes to, and the secret"),
            Step("messages", f"messages on {queues}", self._received, f"the topic's subscriptions, {_LOGS}"),
            Step("workers", f"workers of {queues}", self._done, _LOGS),
            Step("zone", "hosted zone", self._zone, "the logs of the worker of the hosted zones"),
            Step("active", "verified active", self._active, _LOGS),
            Step("deactivation", "deactivation", self._deactivation, _LOGS),
            Step("removal", "everything removed", self._removal, "the API's logs"),
        )
        left_out = {
            *(() if self._rows else ("row",)),
            *(() if self._journey.queues else ("messages", "workers")),
            *(() if self._zones else ("zone",)),
        }
        return tuple(step for step in steps if step.key not in left_out)

    def _travel(self) -> None:
        started = time.monotonic()
        for number, step in enumerate(self.steps, 1):
            before = time.monotonic()
            try:
                saw = step.take()
            except Fault as fault:
                said = f"step {number} of {len(self.steps)}, {step.title}: {fault.message}"
                hint = f"look at {step.hint}" + ("" if isinstance(fault, StepFailed) else f"; {fault.hint}")
                self.seen.fault = type(fault)(said, hint=hint)
                break
            now = time.monotonic()
            self.seen.taken[step.key] = (step.title, now - before, saw)
        self.seen.seconds = time.monotonic() - started

    # The steps

    def _request(self) -> str:
        shown = self._until(lambda: self._web.activate(self.domain), lambda seen: seen.good)
        if not shown.good:
            raise _failed(f"activating {self.domain} was answered: {shown.said}")
        self._accepted = True
        if shown.name != self.domain:
            raise _failed(f"the answer does not speak of {self.domain}: {shown.said}")
        return shown.said

    def _row(self) -> str:
        status = self._until(self._row_status, bool)
        if not status:
            raise _failed(
                f"table {self._journey.table} has no row of {self.domain} after {self._journey.timeout:g} s"
            )
        return f"a row, {status}"

    def _received(self) -> str:
        return self._all_steps(_RECEIVED, "did not receive the announcement")

    def _done(self) -> str:
        return self._all_steps(_DONE, "received the announcement and is not done with it")

    def _zone(self) -> str:
        zones = self._until(self._zone_ids, bool)
        if not zones:
            raise _failed(f"{self.domain} has no hosted zone after {self._journey.timeout:g} s")
        servers = (
            [server for zone in zones for server in self._zones.name_servers(zone)] if self._zones else []
        )
        if not servers:
            raise _failed(f"hosted zone {', '.join(zones)} of {self.domain} has no name servers")
        return f"{', '.join(zones)} with {len(servers)} name servers"

    def _active(self) -> str:
        return self._becomes("active")

    def _deactivation(self) -> str:
        shown = self._until(lambda: self._web.deactivate(self.domain), lambda seen: seen.good)
        if not shown.good:
            raise _failed(f"deactivating {self.domain} was answered: {shown.said}")
        said = self._becomes("inactive")
        if self._journey.queues:
            self._all_steps(_DONE, "is not done with the deactivation")
        if zones := self._until(self._zone_ids, lambda seen: not seen):
            raise _failed(f"{self.domain} is inactive and still has hosted zone {', '.join(zones)}")
        return said

    def _removal(self) -> str:
        shown = self._until(lambda: self._web.purge(self.domain, force=False), _gone)
        if not _gone(shown):
            raise _failed(f"purging {self.domain} was answered: {shown.said}")
        if left := self._until(lambda: self._still_there(sure=True), lambda seen: not seen):
            raise _failed(f"{self.domain} was purged, and there still is {', '.join(left)}")
        self._removed = True
        return "no row, no hosted zone, not known to the application"

    # What steps look at

    def _until(self, look: Callable[[], T], good: Callable[[T], object], within: float | None = None) -> T:
        """Look until what is seen is good or the time is over; returns the last that was seen."""
        timeout = self._journey.timeout if within is None else within
        return poll(look, good, timeout=timeout, pause=_FIRST_PAUSE, longest=_LONGEST_PAUSE)

    def _show(self) -> Shown:
        return self._web.show(self.domain)

    def _row_status(self) -> str | None:
        return self._rows.status(self.domain) if self._rows else None

    def _zone_ids(self) -> list[str]:
        return self._zones.find(self.domain) if self._zones else []

    def _all_steps(self, wanted: tuple[str, ...], complaint: str) -> str:
        """Every queue's step is shown as one of `wanted`."""

        def late(seen: Shown) -> list[str]:
            return [step for step in self._journey.queues if seen.steps.get(step) not in wanted]

        shown = self._until(self._show, lambda seen: seen.good and not late(seen))
        if not shown.good:
            raise _failed(f"the application does not show {self.domain}: {shown.said}")
        if missing := late(shown):
            for step in missing:
                self._tell_depth(self._journey.queues[step])
            states = ", ".join(f"{step} ({shown.steps.get(step, 'not shown')})" for step in missing)
            raise _failed(f"{states} {complaint} within {self._journey.timeout:g} s")
        return ", ".join(f"{step} {shown.steps[step]}" for step in self._journey.queues)

    def _tell_depth(self, queue: str) -> None:
        try:
            self.seen.notes.append(self._messages.depth(queue))
        except Fault as fault:
            self.seen.notes.append(fault.message)

    def _becomes(self, status: str) -> str:
        """The application shows this status, and the row has it."""
        shown = self._until(self._show, lambda seen: seen.status == status)
        if shown.status != status:
            raise _failed(f"{self.domain} is not {status} after {self._journey.timeout:g} s: {shown.said}")
        if self._rows and (row := self._until(self._row_status, lambda seen: seen == status)) != status:
            raise _failed(f"the application shows {self.domain} as {status}, its row is {row or 'not there'}")
        return f"{status} to the web endpoint{' and in its row' if self._rows else ''}"

    def _still_there(self, *, sure: bool) -> list[str]:
        """Where the domain can be seen; `sure` wants the web endpoint to say that it is not there.

        Raises:
            Fault: it cannot be looked up somewhere.
        """
        found = [f"hosted zone {zone} ({self.domain})" for zone in self._zone_ids()]
        row = self._row_status()
        if row is not None:
            found.append(f"row {self.domain} in table {self._journey.table} ({row})")
        shown = self._show()
        unknown = self._accepted and self._rows is None
        if shown.good or ((sure or unknown) and shown.code != 404):
            found.append(f"{self.domain} at the web endpoint ({shown.said})")
        return found

    # Leaving nothing behind

    def _remove(self, *, wait: float) -> None:
        """Remove whatever there is of the domain, unless the last step has shown that there is nothing.

        The application gets `wait` seconds to do it in order; then it is made to forget the domain, and workers that
        still hold a message of it find it purged.
        """
        if self._removed:
            return
        if wait and self._accepted and self._web.deactivate(self.domain).good:
            self._until(self._show, lambda seen: seen.status == "inactive" or seen.code == 404, wait)
        self._until(lambda: self._web.purge(self.domain, force=True), _gone, wait / 2)
        self._try(
            f"hosted zone of {self.domain}", lambda: self._zones.remove(self.domain) if self._zones else None
        )
        self._try(f"messages about {self.domain}", self._take_messages)
        self._try(
            f"whether {self.domain} is gone", lambda: self.seen.left.extend(self._still_there(sure=False))
        )

    def _try(self, what: str, act: Callable[[], object]) -> None:
        """Do a part of the cleaning up; what hinders it is told, and the next part is done all the same."""
        try:
            act()
        except Fault as fault:
            said = f"{what}: {fault.message}"
            (self.seen.left if self._accepted else self.seen.notes).append(said)

    def _take_messages(self) -> None:
        self._messages.take(self.domain)
        if held := self._messages.held():
            self.seen.notes.append(
                f"what consumers hold cannot be removed; what is about {self.domain} finds it purged: "
                + ", ".join(held)
            )

    def _sweep(self) -> None:
        """Remove the domains of earlier runs that were killed.

        It comes first: by then everything that cleaning up asks is known to answer, and is connected.
        """
        self._messages.connect()
        names: set[str] = set()
        places: tuple[Rows | Zones | None, ...] = (self._rows, self._zones)
        for place in places:
            if place is None:
                continue
            try:
                names.update(place.probes())
            except Fault as fault:
                self._unswept = fault
                self.seen.notes.append(f"leftovers of earlier runs: {fault.message}")
        for name in sorted(names):
            if is_leftover(name, self._journey.suffix, self._now):
                try:
                    self._sweep_one(name)
                except Fault as fault:
                    self.seen.left.append(f"{name} of an earlier run ({fault.message})")

    def _sweep_one(self, name: str) -> None:
        shown = self._web.purge(name, force=True)
        if self._zones:
            self._zones.remove(name)
        if _gone(shown):
            self.seen.swept.append(name)
        else:
            self.seen.left.append(f"{name} of an earlier run ({shown.said})")


def _gone(seen: Shown) -> bool:
    return seen.good or seen.code == 404


def _failed(message: str) -> StepFailed:
    return StepFailed(message, hint="")


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM interrupts like Ctrl-C, once: what ends a gate sends it first, and waits a moment."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
