import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.aws import drift as module
from harness.aws.cloudformation import CloudFormationStack
from harness.aws.drift import Drift, detect
from harness.aws.faults import Broken
from harness.aws.session import Aws

Owner = Callable[[str], Any]
STACK = CloudFormationStack(stack="s", drift=True)
QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q", "VisibilityTimeout": 30}}
PARAMETER = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/p", "Type": "String", "Value": "hush"}}


class Canned:
    """Answers by operation, in turn; the last one again and again. An exception is raised."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
        name = key.partition(":")[2]
        self.asked.append(name)
        row = self.answers[name]
        answer = row.pop(0) if len(row) > 1 else row[0]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, dict)
        return answer


STARTED = {"StackDriftDetectionId": "id"}
RUNNING = {"DetectionStatus": "DETECTION_IN_PROGRESS"}
ENDED = {"DetectionStatus": "DETECTION_COMPLETE", "StackDriftStatus": "IN_SYNC"}
ROW = {"LogicalResourceId": "Q", "StackResourceDriftStatus": "IN_SYNC"}


def canned(
    start: Any = STARTED, status: Any = (ENDED,), drifts: Any = ({"StackResourceDrifts": [ROW]},)
) -> Any:
    return Canned(
        DetectStackDrift=list(start) if isinstance(start, tuple) else [start],
        DescribeStackDriftDetectionStatus=list(status),
        DescribeStackResourceDrifts=list(drifts),
    )


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)


def make(owner: Owner, **resources: Any) -> None:
    owner("cloudformation").create_stack(StackName="s", TemplateBody=json.dumps({"Resources": resources}))


def test_a_real_stack_that_is_what_its_template_says(aws: Aws, owner: Owner) -> None:
    make(owner, Q=QUEUE, P=PARAMETER)
    assert detect(aws, STACK) == Drift("IN_SYNC", compared=2)


def test_real_drift_names_resource_and_property(aws: Aws, owner: Owner) -> None:
    make(owner, Q=QUEUE, P=PARAMETER)
    sqs = owner("sqs")
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "60"})
    owner("ssm").delete_parameter(Name="/p")
    found = detect(aws, STACK)
    assert (found.status, found.compared, found.finished) == ("DRIFTED", 2, True)
    changed, deleted = found.drifted
    assert "VisibilityTimeout is 60, the template says 30" in changed.line
    assert changed.line.startswith("Q (AWS::SQS::Queue ")
    assert deleted.status == "DELETED"
    assert deleted.line.endswith(": deleted")


def test_a_value_that_may_be_secret_is_not_kept(aws: Aws, owner: Owner) -> None:
    make(owner, P=PARAMETER)
    owner("ssm").put_parameter(Name="/p", Value="shush", Type="String", Overwrite=True)
    (found,) = detect(aws, STACK).drifted
    assert "/Value" in found.line
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/MasterUserPassword", False),
        ("/Environment/Variables/A", False),
        ("/ContainerDefinitions/0/Environment/1/Value", False),
        ("/Auth/ClientSecret", False),
        ("/VisibilityTimeout", True),
        ("/KeySchema/0/AttributeName", True),
    ],
)
def test_which_values_are_kept(path: str, kept: bool) -> None:
    difference = {
        "PropertyPath": path,
        "DifferenceType": "NOT_EQUAL",
        "ExpectedValue": "old",
        "ActualValue": "new",
    }
    row = ROW | {"StackResourceDriftStatus": "MODIFIED", "PropertyDifferences": [difference]}
    found = detect(canned(drifts=({"StackResourceDrifts": [row]},)), STACK)
    assert ("old" in repr(found)) is kept
    assert ("new" in repr(found)) is kept


def test_a_detection_is_waited_for_and_every_page_is_read() -> None:
    aws = canned(
        status=(RUNNING, RUNNING, ENDED),
        drifts=({"StackResourceDrifts": [ROW] * 100, "NextToken": "2"}, {"StackResourceDrifts": [ROW]}),
    )
    assert detect(aws, STACK) == Drift("IN_SYNC", compared=101)
    assert aws.asked.count("DescribeStackDriftDetectionStatus") == 3


def test_a_stack_that_is_busy_is_asked_again() -> None:
    busy = Broken("cloudformation:DetectStackDrift on stack s: in UPDATE_IN_PROGRESS state", hint="again")
    assert detect(canned(start=(busy, busy, STARTED)), STACK).status == "IN_SYNC"


def test_whatever_else_refuses_is_told_at_once() -> None:
    with pytest.raises(Broken, match="ROLLBACK_COMPLETE"):
        detect(canned(start=Broken("in ROLLBACK_COMPLETE state", hint="mend it")), STACK)


def test_time_that_is_over_is_not_in_sync() -> None:
    short = STACK.model_copy(update={"drift_timeout": 0.01})
    assert detect(canned(status=(RUNNING,)), short) == Drift("NOT_CHECKED", finished=False)
    with pytest.raises(Broken, match="in progress"):
        detect(canned(start=Broken("already in progress", hint="wait")), short)


def test_what_could_not_be_compared_is_told() -> None:
    ended = {
        "DetectionStatus": "DETECTION_FAILED",
        "StackDriftStatus": "UNKNOWN",
        "DetectionStatusReason": "Failed to detect drift on resource [R]",
    }
    rows = [
        ROW,
        {"LogicalResourceId": "R", "StackResourceDriftStatus": "UNKNOWN", "DriftStatusReason": "denied"},
        {"LogicalResourceId": "U", "StackResourceDriftStatus": "UNSUPPORTED"},
    ]
    found = detect(canned(status=(ended,), drifts=({"StackResourceDrifts": rows},)), STACK)
    assert found.unknown == ("R: denied",)
    assert (found.status, found.compared) == ("UNKNOWN", 1)
    assert found.reason == "Failed to detect drift on resource [R]"


@pytest.mark.parametrize(
    ("aws", "lacks"),
    [
        (canned(start={}), "StackDriftDetectionId"),
        (canned(status=({},)), "DetectionStatus"),
        (canned(status=({"DetectionStatus": "DETECTION_COMPLETE"},)), "StackDriftStatus"),
        (canned(drifts=({},)), "StackResourceDrifts"),
        (canned(drifts=({"StackResourceDrifts": [{}]},)), "StackResourceDriftStatus"),
    ],
)
def test_a_broken_answer_is_an_error(aws: Any, lacks: str) -> None:
    with pytest.raises(Broken, match=lacks):
        detect(aws, STACK)
