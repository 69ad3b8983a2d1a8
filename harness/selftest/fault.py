"""What a fault is, and what it came to."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from harness.frozen import dataclass
from harness.profile import Profile

if TYPE_CHECKING:
    from harness.selftest.copies import Copy
    from harness.selftest.lab import Lab

GO = "go"
"""What the verifier says of a verdict that it accepts; else it is the code of its refusal."""


@dataclass(frozen=True)
class Came:
    """What a fault came to.

    `answer` is what the verifier says of the verdict that is left: `GO`, or a code of `harness.verdict.refusal.Refusal`.
    `decision` is the gate's in that verdict, or its own; empty where there is none. `told` is all that was said about it.
    """

    answer: str
    decision: str = ""
    told: str = ""


def always(_: Profile) -> str:
    """Every profile has it."""
    return ""


@dataclass(frozen=True)
class Fault:
    """One thing that makes gates lie.

    Most are put into one gate of a copy (`arrange`); what concerns the run as a whole, or the verifier, does all of its
    work itself (`inject`). Either raises where the fault cannot be injected, and then runs the real thing.

    It is caught where the verifier refuses what is left, the gate's decision (or the verifier's refusal) is one of
    `expect`, and `said` is among what was told: who ends for another reason has not noticed the fault. `where` says
    what is broken. `needs` says why a profile is not concerned, or nothing.
    """

    name: str
    title: str
    where: str
    expect: Collection[str]
    said: str = ""
    gate: str = ""
    arrange: "Callable[[Copy], None] | None" = None
    inject: "Callable[[Lab], Came] | None" = None
    needs: Callable[[Profile], str] = always
    alone: bool = False
    """It would be seen by other gates as well, and shares its copy with no other fault."""

    @property
    def control(self) -> bool:
        """Whether nothing is broken: then the answer must be GO, or no fault proves anything."""
        return GO in self.expect

    def caught(self, came: Came) -> bool:
        """Whether it was noticed as what it is; of a control, whether it is GO."""
        if self.control:
            return came.answer == GO
        noticed = {came.answer, came.decision} & set(self.expect)
        return came.answer != GO and bool(noticed) and self.said in came.told


@dataclass(frozen=True)
class Row:
    """One fault, as it ended. `skipped` says why the profile is not concerned; `came` is in words."""

    fault: Fault
    came: str
    caught: bool
    seconds: float
    skipped: str = ""
