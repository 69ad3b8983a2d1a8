"""CloudFormation: whether what runs is still what a stack's template says.

CloudFormation compares on request and takes its time, minutes for a large stack: a detection is started, polled, and
then read resource by resource.
"""

import re
import time
from collections.abc import Mapping
from typing import Any

from harness.aws.cloudformation import CloudFormationStack
from harness.aws.faults import Broken
from harness.aws.paging import pages
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.polling import poll

_DETECT = "cloudformation:DetectStackDrift"
_STATUS = "cloudformation:DescribeStackDriftDetectionStatus"
_RESOURCES = "cloudformation:DescribeStackResourceDrifts"
_DRIFTED = ("MODIFIED", "DELETED")
_COMPARED = (*_DRIFTED, "IN_SYNC")
_BUSY = ("IN_PROGRESS", "in progress")
"""How CloudFormation refuses while the stack is being updated, or while another detection runs."""
_FIRST_PAUSE = 0.1
"""Seconds between two looks; the last one again and again."""
_SENSITIVE = re.compile(r"(?i)passw|secret|token|credential|private|environment|/key\b|apikey")
"""Properties that may hold what nobody must read in a report: their values are left out."""


@dataclass(frozen=True)
class Difference:
    """A property that is not as the template says. Values are JSON, as CloudFormation gives them."""

    path: str
    kind: str
    expected: str
    actual: str


@dataclass(frozen=True)
class DriftedResource:
    """A resource that is not as the template says. `status` is MODIFIED or DELETED."""

    name: str
    type: str
    physical: str
    status: str
    differences: tuple[Difference, ...] = ()

    @property
    def line(self) -> str:
        """It in one line: ``Queue (AWS::SQS::Queue …): VisibilityTimeout is 30, the template says 120``."""
        said = "; ".join(
            f"{row.path} is {row.actual or 'not set'}, the template says {row.expected or 'nothing'}"
            for row in self.differences
        )
        return f"{self.name} ({self.type} {self.physical}): {said or self.status.lower()}"


@dataclass(frozen=True)
class Drift:
    """What a detection came to. `status` is CloudFormation's; `compared` counts the resources that it compared.

    `finished` is false where the time was over first.
    """

    status: str
    compared: int = 0
    finished: bool = True
    reason: str = ""
    drifted: tuple[DriftedResource, ...] = ()
    unknown: tuple[str, ...] = ()
    """Resources that could not be compared, though their type can be, and why."""


def detect(aws: Aws, stack: CloudFormationStack) -> Drift:
    """Start a detection, wait for it as long as the profile says, and read what it found.

    Raises:
        Fault: it cannot be started or read.
    """
    deadline = time.monotonic() + stack.drift_timeout
    started = ""

    def look() -> Mapping[str, Any] | None:
        """The detection's answer once it is over."""
        nonlocal started
        started = started or str(_start(aws, stack, deadline))
        if not started:
            return None
        answer = aws.call(_STATUS, stack.home, StackDriftDetectionId=started)
        under_way = need(answer, "DetectionStatus", _STATUS, stack.home) == "DETECTION_IN_PROGRESS"
        return None if under_way else answer

    answer = poll(look, lambda seen: seen is not None, timeout=stack.drift_timeout, pause=_FIRST_PAUSE)
    return Drift("NOT_CHECKED", finished=False) if answer is None else _read(aws, stack, answer)


def _start(aws: Aws, stack: CloudFormationStack, deadline: float) -> str:
    """The detection's id; empty while the stack is busy and there is time left.

    Raises:
        Fault: it cannot be started.
    """
    try:
        answer = aws.call(_DETECT, stack.home, StackName=stack.stack)
    except Broken as fault:
        if time.monotonic() < deadline and any(word in fault.message for word in _BUSY):
            return ""
        raise
    return str(need(answer, "StackDriftDetectionId", _DETECT, stack.home))


def _read(aws: Aws, stack: CloudFormationStack, ended: Mapping[str, Any]) -> Drift:
    rows = [
        row
        for answer in pages(aws, _RESOURCES, stack.home, StackName=stack.stack, MaxResults=100)
        for row in need(answer, "StackResourceDrifts", _RESOURCES, stack.home)
    ]
    by_status: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_status.setdefault(str(need(row, "StackResourceDriftStatus", _RESOURCES, stack.home)), []).append(
            row
        )
    return Drift(
        status=str(need(ended, "StackDriftStatus", _STATUS, stack.home)),
        compared=sum(len(by_status.get(status, ())) for status in _COMPARED),
        reason=str(ended.get("DetectionStatusReason") or ""),
        drifted=tuple(_resource(row) for status in _DRIFTED for row in by_status.get(status, ())),
        unknown=tuple(
            f"{row.get('LogicalResourceId', '')}: {row.get('DriftStatusReason', 'no reason given')}"
            for row in by_status.get("UNKNOWN", ())
        ),
    )


def _resource(row: Mapping[str, Any]) -> DriftedResource:
    return DriftedResource(
        name=str(row.get("LogicalResourceId", "")),
        type=str(row.get("ResourceType", "")),
        physical=str(row.get("PhysicalResourceId", "")),
        status=str(row["StackResourceDriftStatus"]),
        differences=tuple(
            _difference(item, str(row.get("ResourceType", "")))
            for item in row.get("PropertyDifferences") or ()
        ),
    )


def _difference(item: Mapping[str, Any], resource_type: str) -> Difference:
    path, kind = str(item.get("PropertyPath", "")), str(item.get("DifferenceType", ""))
    parameter = resource_type == "AWS::SSM::Parameter" and path == "/Value"
    if parameter or _SENSITIVE.search(path):
        return Difference(path, kind, "(not shown)", "(something else, not shown)")
    return Difference(path, kind, str(item.get("ExpectedValue", "")), str(item.get("ActualValue", "")))
