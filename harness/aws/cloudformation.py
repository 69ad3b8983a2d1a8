"""CloudFormation: stacks, what is left of them, and why one failed; `harness.aws.drift` asks for their drift."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from harness.aws.faults import Absent
from harness.aws.operations import Operation
from harness.aws.paging import pages
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase
from harness.profile.schema import Duration
from harness.shapes import Field

OPERATIONS = (
    Operation("cloudformation", "DescribeStacks"),
    # Detecting drift compares and changes nothing: AWS lists the action among the reads, so production allows it.
    Operation("cloudformation", "DetectStackDrift", beside=("cloudformation:DetectStackResourceDrift",)),
    Operation("cloudformation", "DescribeStackDriftDetectionStatus"),
    Operation("cloudformation", "DescribeStackResourceDrifts"),
    Operation("cloudformation", "DescribeStackEvents", diagnosis=True),
)
DIAGNOSIS = ("cloudformation:DescribeStackEvents",)
"""What `failures` asks."""
STACK_TAG = "aws:cloudformation:stack-name"
"""The tag that CloudFormation puts on what it makes."""
COMPLETE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
"""The states of a stack that is what its template says."""
_KEY = "cloudformation:DescribeStacks"
_EVENTS = "cloudformation:DescribeStackEvents"
_EVENT_PAGES = 5
_STACK = "AWS::CloudFormation::Stack"
_BEGINS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS")


class CloudFormationStack(AwsResource):
    """``[[cloudformation.stacks]]``."""

    fixture: ClassVar[str] = "cloudformation_stack"
    uses: ClassVar[tuple[str, ...]] = (
        _KEY,
        "cloudformation:DetectStackDrift",
        "cloudformation:DescribeStackDriftDetectionStatus",
        "cloudformation:DescribeStackResourceDrifts",
        *DIAGNOSIS,
    )
    parity: ClassVar[Mapping[str, str]] = {"protected": "termination_protection"}

    stack: str
    termination_protection: bool | None = None
    """Whether it must be protected from deletion; judged where the profile sets it."""
    drift: bool = False
    """Detect whether what runs is still what the template says. CloudFormation asks with the gate's own permissions,
    so they must cover reading the stack's resources."""
    drift_timeout: Duration = 300.0
    """How long detecting drift may take: minutes, for a large stack."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """Parameters and the values they must have; empty for any value."""
    outputs: dict[str, str] = Field(default_factory=dict)
    """Outputs and the values they must have; empty for any value."""

    @property
    def id(self) -> str:
        """The stack's name."""
        return self.stack

    @property
    def home(self) -> str:
        """The stack."""
        return f"stack {self.stack}"

    @property
    def judges_protection(self) -> bool:
        """Whether the profile says if it must be protected."""
        return self.termination_protection is not None

    @property
    def judges_values(self) -> bool:
        """Whether the profile declares parameters or outputs."""
        return bool(self.parameters or self.outputs)

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """Its status, and what else the profile declares of it."""
        optional = (
            (self.judges_protection, "cloudformation.termination_protection_is_as_declared"),
            (self.judges_values, "cloudformation.values_are_as_declared"),
            (self.drift, "cloudformation.has_not_drifted"),
        )
        return ("cloudformation.is_complete", *(check for wanted, check in optional if wanted))

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["CloudFormationStack"]) -> Read:
        """All stacks of the region, by pages; a single one is asked for by its name."""
        found = _named(aws, declared[0]) if len(declared) == 1 else _all(aws)
        by_name = {str(need(data, "StackName", _KEY, "a stack")): data for data in found}
        return {item.id: _state(by_name[item.stack], item) for item in declared if item.stack in by_name}


@dataclass(frozen=True)
class StackState:
    """A stack as CloudFormation describes it; of parameters and outputs only those that the profile declares.

    `updated` is when it was last updated, or else created. `parent` is empty unless the stack is nested.
    """

    name: str
    status: str
    reason: str
    updated: str
    protected: bool
    parent: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()


CloudFormationStack.state_type = StackState


class StackLeftovers(AwsResource):
    """``[[cloudformation.leftovers]]``: stacks that nobody declared, found by their names."""

    fixture: ClassVar[str] = "stack_leftovers"
    uses: ClassVar[tuple[str, ...]] = (_KEY, *DIAGNOSIS)

    pattern: str
    """The names of an environment's stacks: ``*Stack-staging*``; ``*`` and ``?`` as in a shell."""
    scope: Literal["shared"] = "shared"
    """Whether stacks match says nothing of whether the environment is deployed."""

    @property
    def id(self) -> str:
        """The pattern."""
        return self.pattern

    @property
    def home(self) -> str:
        """The stacks."""
        return f"stacks named {self.pattern}"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """None may have failed."""
        return ("cloudformation.nothing_failed_is_left",)

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["StackLeftovers"]) -> Read:
        """All stacks of the region, by pages."""
        stacks = [_state(data) for data in _all(aws)]
        return {
            item.id: LeftoversState(tuple(seen for seen in stacks if fnmatchcase(seen.name, item.pattern)))
            for item in declared
        }


@dataclass(frozen=True)
class LeftoversState:
    """The stacks whose names match, declared ones included."""

    stacks: tuple[StackState, ...]

    def failed(self, declared: Iterable[str]) -> tuple[StackState, ...]:
        """Those that failed, without the declared ones, which have a check of their own, and without nested ones,
        which fail with the stack that they are part of."""
        known = set(declared)
        return tuple(
            seen
            for seen in self.stacks
            if seen.name not in known and not seen.parent and not under_way(seen) and status_problem(seen)
        )


StackLeftovers.state_type = LeftoversState


def _named(aws: Aws, item: CloudFormationStack) -> Sequence[Mapping[str, Any]]:
    try:
        found: list[Mapping[str, Any]] = need(
            aws.call(_KEY, item.home, StackName=item.stack), "Stacks", _KEY, item.home
        )
    except Absent:
        return ()
    return found


def _all(aws: Aws) -> Sequence[Mapping[str, Any]]:
    return aws.shared_items(_KEY, "the stacks of the region", "Stacks")


def _state(data: Mapping[str, Any], item: CloudFormationStack | None = None) -> StackState:
    name = str(need(data, "StackName", _KEY, "a stack"))

    def values(field: str, key: str, value: str, wanted: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        return tuple(
            (str(row.get(key, "")), str(row.get(value, "")))
            for row in data.get(field) or ()
            if row.get(key) in wanted
        )

    created = need(data, "CreationTime", _KEY, f"stack {name}")
    return StackState(
        name=name,
        status=str(need(data, "StackStatus", _KEY, f"stack {name}")),
        reason=str(data.get("StackStatusReason") or ""),
        updated=_iso(data.get("LastUpdatedTime") or created),
        protected=bool(data.get("EnableTerminationProtection")),
        parent=str(data.get("ParentId") or ""),
        parameters=values("Parameters", "ParameterKey", "ParameterValue", item.parameters) if item else (),
        outputs=values("Outputs", "OutputKey", "OutputValue", item.outputs) if item else (),
    )


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def under_way(state: StackState) -> bool:
    """Whether an operation is under way that may end well, so that waiting is worth it."""
    return state.status.endswith("_IN_PROGRESS") and not any(
        word in state.status for word in ("ROLLBACK", "DELETE", "REVIEW")
    )


def status_problem(state: StackState) -> str:
    """What is wrong with the stack's status; empty where it is complete."""
    match state.status:
        case status if status in COMPLETE:
            return ""
        case "REVIEW_IN_PROGRESS":
            said = "its change set was never executed, so it holds nothing"
        case "UPDATE_ROLLBACK_COMPLETE":
            said = "its last update failed and was rolled back: what runs is the version before"
        case "ROLLBACK_COMPLETE":
            said = "its creation failed and was rolled back: it holds nothing and can only be deleted"
        case "IMPORT_ROLLBACK_COMPLETE":
            said = "its last import failed and was rolled back"
        case "DELETE_IN_PROGRESS":
            said = "it is being deleted"
        case status if status.endswith("_IN_PROGRESS"):
            said = "an operation on it has not ended"
        case status if status.endswith("_FAILED"):
            said = "an operation on it failed half-way, and it stays so until somebody repairs it"
        case _:
            said = "that is not complete"
    return f"is {state.status}: {said}" + (f" ({state.reason})" if state.reason else "")


def value_problems(stack: CloudFormationStack, state: StackState) -> tuple[str, ...]:
    """Which parameters and outputs are not as declared."""
    problems = []
    for kind, declared, found in (
        ("parameter", stack.parameters, dict(state.parameters)),
        ("output", stack.outputs, dict(state.outputs)),
    ):
        for name, wanted in declared.items():
            if name not in found:
                problems.append(f"it has no {kind} {name}")
            elif wanted and found[name] != wanted:
                problems.append(f"{kind} {name} is {found[name]!r}, declared {wanted!r}")
    return tuple(problems)


def stack_of(tags: Iterable[Mapping[str, str]]) -> str:
    """The stack that made a tagged resource, from the tags as ECS (``key``) or RDS (``Key``) gives them; or empty."""
    for tag in tags:
        if tag.get("key", tag.get("Key")) == STACK_TAG:
            return tag.get("value", tag.get("Value", ""))
    return ""


def failures(aws: Aws, stack: str, *, limit: int = 5, depth: int = 2) -> tuple[str, ...]:
    """What the newest events report of the last operation that failed: failures first, then what was rolled back.

    A resource that was only cancelled because another one failed is left out. Where a nested stack failed, its own
    failures come before (`depth` levels of stacks in all).

    Raises:
        Fault: they cannot be read.
    """
    failed: list[str] = []
    rolled_back: list[str] = []
    nested: dict[str, None] = {}
    for event in _events(aws, stack):
        status, reason = str(event.get("ResourceStatus", "")), event.get("ResourceStatusReason")
        inner, own = event.get("PhysicalResourceId"), event.get("StackId")
        if failed and inner == own and status in _BEGINS:
            break
        line = f"stack {stack}: {event.get('LogicalResourceId', '')} {status}: {reason or 'no reason given'}"
        if status.endswith("_FAILED") and "cancelled" not in str(reason).lower():
            failed.append(line)
            if event.get("ResourceType") == _STACK and inner and inner != own:
                nested[str(inner)] = None
        elif "ROLLBACK" in status:
            rolled_back.append(line)
    if depth < 2:
        nested = {}
    inside = [line for name in nested for line in failures(aws, name, limit=limit, depth=depth - 1)]
    return (*inside, *failed, *rolled_back)[:limit]


def _events(aws: Aws, stack: str) -> Iterable[Mapping[str, Any]]:
    """The stack's newest events, newest first; not all: a stack that lives long has thousands."""
    for number, answer in enumerate(pages(aws, _EVENTS, stack, StackName=stack), 1):
        yield from need(answer, "StackEvents", _EVENTS, stack)
        if number == _EVENT_PAGES:
            return
