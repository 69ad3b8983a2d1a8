"""Tasks on ECS Fargate that work for a load run: started, waited for, and stopped again whatever happens.

A run that is killed cannot stop them: so what runs in a task must end by itself after a time limit, which its command
carries (``--at-most``), and the next run stops what it finds (`sweep`). Tasks of ours are told by ``startedBy``.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from harness.aws.faults import Broken, Fault
from harness.aws.operations import Operation
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Outcome
from harness.polling import poll

OPERATIONS = (
    Operation("ecs", "RunTask", mutating=True, beside=("ecs:TagResource", "iam:PassRole")),
    Operation("ecs", "StopTask", mutating=True),
    Operation("ecs", "DescribeTasks"),
    Operation("ecs", "ListTasks"),
)
USES = tuple(row.key for row in OPERATIONS)
"""What running workers asks."""
_RUN, _STOP, _DESCRIBE, _LIST = USES
PREFIX = "gonogo-load-"
"""How ``startedBy`` begins for tasks of load runs."""
_STARTED_BY = 36
"""Characters that ECS takes as ``startedBy``."""
_A_CALL = 10
"""Tasks that one RunTask starts at most."""
_SHOWN = 3
_TAG = "gonogo-load-run"


class WorkersNotStarted(Fault):
    """The workers of a load are not all there: the load cannot be run, and nothing is known of the service."""

    outcome = Outcome.ERROR


@dataclass(frozen=True)
class TaskSpec:
    """Tasks to run: `count` of the newest revision of `task_definition` (or the one it names) in `cluster`.

    `container` is the container whose command is replaced. `subnets` and `security_groups` by id; a subnet without a NAT
    gateway needs `assign_public_ip` for the image to be pulled.
    """

    cluster: str
    task_definition: str
    container: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...] = ()
    assign_public_ip: bool = False
    count: int = 1

    @property
    def home(self) -> str:
        """What it is, for messages."""
        return f"task definition {self.task_definition} in ECS cluster {self.cluster}"


@contextmanager
def tasks(
    aws: Aws,
    spec: TaskSpec,
    *,
    command: Sequence[str],
    environment: Mapping[str, str],
    started_by: str,
    wait: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[str, ...]]:
    """Run tasks for the length of a block, all of them running when it begins; gives their ARNs.

    Args:
        aws: the account; its access must be read-write.
        spec: what to run.
        command: the container's command; it must end by itself after a time limit.
        environment: variables that are added to the container's own. They can be read by whoever may describe the task.
        started_by: who starts them; `PREFIX` and at most 24 characters of the run.
        wait: how long they may take to run, in seconds.
        clock: tells the time, in seconds.
        sleep: waits.

    Raises:
        WorkersNotStarted: ECS could not place them, or one stopped, or not all ran in time; those that ran are stopped.
        Fault: ECS refused, or does not answer; or a task could not be stopped at the end.
    """
    if not started_by.startswith(PREFIX) or len(started_by) > _STARTED_BY:
        msg = f"started_by must begin with {PREFIX} and have at most {_STARTED_BY} characters: {started_by!r}"
        raise ValueError(msg)
    started: list[str] = []
    try:
        _run(aws, spec, command, environment, started_by, started)
        _wait(aws, spec, started, wait, clock, sleep)
        yield tuple(started)
    except BaseException as error:
        for fault in _stop_all(aws, spec, started, started_by):
            error.add_note(f"a worker may still run, until its time limit: {fault.message}")
        raise
    if faults := _stop_all(aws, spec, started, started_by):
        raise faults[0]


def sweep(aws: Aws, spec: TaskSpec, started_by_prefix: str = PREFIX, *, but: str = "") -> tuple[str, ...]:
    """Stop tasks that earlier runs left; returns their ARNs. Those that were started by `but` are left alone.

    ECS lists tasks by who started them only by the whole of it: so all of the family are listed, and described.

    Raises:
        Fault: ECS refused, or does not answer.
    """
    family = spec.task_definition.rpartition("/")[2].partition(":")[0]
    # Starting ones are desired to run as well.
    about = {"cluster": spec.cluster, "family": family, "desiredStatus": "RUNNING"}
    arns = aws.items(_LIST, spec.home, "taskArns", **about)
    found = [
        str(task["taskArn"])
        for task in _described(aws, spec, arns)
        if str(task.get("startedBy", "")).startswith(started_by_prefix) and task.get("startedBy") != but
    ]
    for arn in found:
        _stop(aws, spec, arn, "left by an earlier load run")
    return tuple(found)


def _run(
    aws: Aws,
    spec: TaskSpec,
    command: Sequence[str],
    environment: Mapping[str, str],
    started_by: str,
    started: list[str],
) -> None:
    """Start them, ten a call, and note in `started` what was started before anything is judged.

    Raises:
        WorkersNotStarted: ECS could not place all of them.
    """
    variables = [{"name": name, "value": value} for name, value in environment.items()]
    override = {"name": spec.container, "command": list(command), "environment": variables}
    network = {
        "subnets": list(spec.subnets),
        "securityGroups": list(spec.security_groups),
        "assignPublicIp": "ENABLED" if spec.assign_public_ip else "DISABLED",
    }
    while (missing := spec.count - len(started)) > 0:
        answer = aws.call(
            _RUN,
            spec.home,
            cluster=spec.cluster,
            taskDefinition=spec.task_definition,
            count=min(missing, _A_CALL),
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network},
            overrides={"containerOverrides": [override]},
            startedBy=started_by,
            clientToken=f"{started_by}-{len(started)}",  # sent again, it starts nothing twice
            tags=[{"key": _TAG, "value": started_by}],
        )
        new = [str(task["taskArn"]) for task in answer.get("tasks") or ()]
        started.extend(new)
        if failures := answer.get("failures") or ():
            raise WorkersNotStarted(
                f"{spec.home}: ECS could not start {len(failures)} of {spec.count} tasks: {_reasons(failures)}",
                hint="see the capacity and the quotas of Fargate, and the subnets of the workers",
            )
        if not new:
            raise Broken(f"{spec.home}: RunTask named no task and no failure", hint="what answers is not ECS")


def _wait(
    aws: Aws,
    spec: TaskSpec,
    started: Sequence[str],
    wait: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Until all run.

    Raises:
        WorkersNotStarted: one stopped, or not all run after `wait` seconds.
    """
    seen = poll(
        lambda: _described(aws, spec, started),
        lambda told: _stopped(told) or (len(told) == len(started) and all(_runs(task) for task in told)),
        timeout=wait,
        pause=1.0,
        clock=clock,
        sleep=sleep,
    )
    if stopped := _stopped(seen):
        raise WorkersNotStarted(
            f"{spec.home}: {len(stopped)} of {len(started)} tasks stopped instead of working: "
            + "; ".join(dict.fromkeys(_why(task) for task in stopped[:_SHOWN])),
            hint="see the task's log; `CannotPullContainerError` is a subnet without a way out, or a missing image",
        )
    if len(running := [task for task in seen if _runs(task)]) < len(started):
        states = sorted({str(task.get("lastStatus", "?")) for task in seen if not _runs(task)}) or [
            "not listed yet"
        ]
        raise WorkersNotStarted(
            f"{spec.home}: {len(running)} of {len(started)} tasks run after {wait:.0f} s, the others are "
            f"{', '.join(states)}",
            hint="give the workers more time, or see why the image takes so long to pull",
        )


def _described(aws: Aws, spec: TaskSpec, arns: Sequence[str]) -> list[dict[str, Any]]:
    """The tasks as ECS describes them, a hundred a call; those that it does not know yet are left out."""
    found: list[dict[str, Any]] = []
    for at in range(0, len(arns), 100):
        answer = aws.call(_DESCRIBE, spec.home, cluster=spec.cluster, tasks=list(arns[at : at + 100]))
        found.extend(need(answer, "tasks", _DESCRIBE, spec.home))
    return found


def _runs(task: Mapping[str, Any]) -> bool:
    return task.get("lastStatus") == "RUNNING"


def _stopped(seen: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that have ended, or are about to."""
    return [
        task for task in seen if task.get("desiredStatus") == "STOPPED" or task.get("lastStatus") == "STOPPED"
    ]


def _why(task: Mapping[str, Any]) -> str:
    """Why a task stopped: as ECS says, and its containers."""
    told = [str(task.get("stoppedReason", ""))]
    for container in task.get("containers") or ():
        code = container.get("exitCode")
        exited = f"{container.get('name')} ended with exit code {code}" if code is not None else ""
        told += [str(container.get("reason", "")), exited]
    return ", ".join(text for text in told if text) or "ECS gives no reason"


def _reasons(failures: Sequence[Mapping[str, Any]]) -> str:
    told = (f"{item.get('reason', '?')} {item.get('detail', '')}".strip() for item in failures)
    return ", ".join(list(dict.fromkeys(told))[:_SHOWN])


def _stop_all(aws: Aws, spec: TaskSpec, started: Sequence[str], started_by: str) -> list[Fault]:
    """Stop all that this run started: those whose answer got lost as well, which ECS lists by who started them.

    Returns why some could not be stopped; the others are.
    """
    arns, faults = list(started), list[Fault]()
    try:
        for arn in aws.items(_LIST, spec.home, "taskArns", cluster=spec.cluster, startedBy=started_by):
            if arn not in arns:
                arns.append(arn)
    except Fault as fault:
        faults.append(fault)
    for arn in arns:
        try:
            _stop(aws, spec, arn, "the load run is over")
        except Fault as fault:
            faults.append(fault)
    return faults


def _stop(aws: Aws, spec: TaskSpec, arn: str, reason: str) -> None:
    aws.call(_STOP, spec.home, cluster=spec.cluster, task=arn, reason=f"gonogo: {reason}")
