"""Faults on demand: one row each, said as what breaks. Some change what is provisioned, some the application's source."""

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.errors import UsageError
from harness.frozen import dataclass, replace
from harness.local.plan import Plan

API_DELAY = "2.5"
"""Seconds that `api-slow` adds to each answer; the guide allows a mean of 2."""
API_ERROR_RATIO = "0.5"
VULNERABLE = ("starlette", "0.36.3")
"""A version that the example's own advisories name."""
_INSECURE = '''"""Maintenance commands."""

import subprocess


def run(command: str) -> int:
    """Run a shell line that came from somewhere."""
    return subprocess.call(command, shell=True)  # noqa: S602
'''
_KEPT_TEST = "test_stacks.py"


def _same(plan: Plan) -> Plan:
    return plan


def _untouched(app: Path) -> None:
    """Leaves the application as it is."""


@dataclass(frozen=True)
class Fault:
    """One thing that can be broken: its name, what it means, and what it changes in the plan or in the source."""

    name: str
    description: str
    on_plan: Callable[[Plan], Plan] = _same
    on_source: Callable[[Path], None] = _untouched


def _variable(key: str, value: str) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, variables={**plan.variables, key: value})


def _database_down(plan: Plan) -> Plan:
    return replace(plan, database_up=False)


def _queue_missing(plan: Plan) -> Plan:
    """Without the last queue that is not another's dead-letter queue."""
    targets = {queue.dead_letters for queue in plan.queues}
    missing = next((queue for queue in reversed(plan.queues) if queue.name not in targets), None)
    return replace(plan, queues=tuple(queue for queue in plan.queues if queue is not missing))


def _service_degraded(plan: Plan) -> Plan:
    if not plan.services:
        return plan
    first, *rest = plan.services
    sick = replace(
        first, stopped=1, reason="Essential container in task exited: OutOfMemoryError: container killed"
    )
    return replace(plan, services=(sick, *rest))


def _half_deployed(plan: Plan) -> Plan:
    """Every second service, and no queue but the dead-letter queues; the databases are there."""
    targets = {queue.dead_letters for queue in plan.queues}
    return replace(
        plan,
        services=plan.services[::2],
        queues=tuple(queue for queue in plan.queues if queue.name in targets),
    )


def _low_coverage(app: Path) -> None:
    for test in (app / "tests" / "unit").glob("test_*.py"):
        if test.name != _KEPT_TEST:
            test.unlink()


def _vulnerable_dependency(app: Path) -> None:
    package, version = VULNERABLE
    file = app / "requirements.txt"
    lines = [
        f"{package}=={version}" if line.startswith(f"{package}==") else line
        for line in file.read_text().splitlines()
    ]
    file.write_text("\n".join(lines) + "\n")


def _insecure_code(app: Path) -> None:
    (app / "apps" / "maintenance.py").write_text(_INSECURE)


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            "api-slow",
            f"the API answers {API_DELAY} s late",
            on_plan=_variable("FAULT_API_DELAY", API_DELAY),
        ),
        Fault(
            "api-errors",
            "the API answers every second request with 500",
            on_plan=_variable("FAULT_API_ERROR_RATIO", API_ERROR_RATIO),
        ),
        Fault(
            "db-down", "PostgreSQL has stopped; RDS still describes it as available", on_plan=_database_down
        ),
        Fault("queue-missing", "one of the declared queues does not exist", on_plan=_queue_missing),
        Fault(
            "service-degraded",
            "one task of the first service has stopped and was not replaced",
            on_plan=_service_degraded,
        ),
        Fault(
            "nothing-deployed", "nothing of the environment exists; its images are pushed", on_plan=Plan.empty
        ),
        Fault(
            "half-deployed", "some of the declared services and queues do not exist", on_plan=_half_deployed
        ),
        Fault(
            "low-coverage", "most of the application's unit tests have been removed", on_source=_low_coverage
        ),
        Fault(
            "vulnerable-dependency",
            f"the application requires {'=='.join(VULNERABLE)}, which an advisory names",
            on_source=_vulnerable_dependency,
        ),
        Fault(
            "insecure-code", "the application runs a shell line from an argument", on_source=_insecure_code
        ),
    )
}
"""Every fault, by name."""


def known(names: Iterable[str]) -> tuple[Fault, ...]:
    """The faults of these names, in the table's order.

    Raises:
        UsageError: there is no such fault; the message has the near miss and the list.
    """
    wanted = set(names)
    for name in sorted(wanted - FAULTS.keys()):
        near = difflib.get_close_matches(name, FAULTS, n=1)
        guess = f" (did you mean {near[0]!r}?)" if near else ""
        raise UsageError(f"unknown fault {name!r}{guess}", hint=f"one of {', '.join(FAULTS)}")
    return tuple(fault for name, fault in FAULTS.items() if name in wanted)


def apply(plan: Plan, faults: Iterable[Fault]) -> Plan:
    """The plan with the faults in it; those of the source are noted for whoever copies it."""
    for fault in faults:
        plan = fault.on_plan(plan)
        if fault.on_source is not _untouched:
            plan = replace(plan, source_faults=(*plan.source_faults, fault.name))
    return plan
