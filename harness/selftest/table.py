"""The table of faults. Adding one is a row in the file of its part."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches

from harness.errors import UsageError
from harness.selftest import (
    approval_faults,
    aws_faults,
    code_faults,
    load_faults,
    promotion_faults,
    run_faults,
    store_faults,
    verdict_faults,
)
from harness.selftest.copies import CARRIER, Copy
from harness.selftest.fault import GO, Came, Fault
from harness.selftest.lab import Lab

HEALTHY: Mapping[str, Callable[[Copy], None]] = {
    "unit": lambda _: None,
    "lint": code_faults.linters,
    "security": code_faults.security(),
    "promotion": promotion_faults.proven(),
    "integration": aws_faults.account(),
    "load": load_faults.locust(),
    CARRIER: run_faults.checks(),
}
"""What each gate is given in every copy; a fault is put over it."""


def _control(lab: Lab) -> Came:
    """Every gate that the profile runs, with nothing broken."""
    run = {gate for layers in lab.profile.phases.values() for layer in layers for gate in layer}
    copy = lab.copy(*(gate for gate in HEALTHY if gate in run or gate == CARRIER))
    try:
        for gate in copy.gates:
            HEALTHY[gate](copy)
        return copy.came(copy.gate())
    finally:
        copy.close()


CONTROL = Fault("control", "nothing is broken: every gate must be GO", "nowhere", (GO,), inject=_control)
FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        CONTROL,
        *load_faults.FAULTS,
        *run_faults.FAULTS,
        *code_faults.FAULTS,
        *aws_faults.FAULTS,
        *promotion_faults.FAULTS,
        *verdict_faults.FAULTS,
        *approval_faults.FAULTS,
        *store_faults.FAULTS,
    )
}


def select(names: Iterable[str]) -> list[Fault]:
    """The faults of these names, and the control; with no name, all.

    Raises:
        UsageError: there is no such fault; the message names what is near.
    """
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in FAULTS:
            near = get_close_matches(name, FAULTS, 1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"there is no fault {name!r}", hint=f"{meant}`gonogo selftest --list` shows all")
    return (
        list(FAULTS.values())
        if not wanted
        else [CONTROL, *(FAULTS[name] for name in wanted if name != CONTROL.name)]
    )
