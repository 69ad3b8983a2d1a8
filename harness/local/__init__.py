"""The embedded stand-in: an AWS emulator, PostgreSQL and the example application, provisioned from a profile.

Its parts are processes of their own below one supervisor; nothing of it survives whoever started it. Names are
imported when they are asked for: the parts import this package too, and must start fast and stay small.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.local.area import sweep
    from harness.local.faults import FAULTS, Fault
    from harness.local.stand_in import StandIn, StandInInfo, attach, running, start

__all__ = ["FAULTS", "Fault", "StandIn", "StandInInfo", "attach", "running", "start", "sweep"]

_MODULES = {"FAULTS": "faults", "Fault": "faults", "sweep": "area"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'stand_in')}"), name)
