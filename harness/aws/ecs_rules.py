"""What must be true of an ECS service, judged of its state alone: each rule says what is wrong, or nothing."""

import re
from collections.abc import Iterable

from harness.aws.ecr import is_digest, parse_reference
from harness.aws.ecs import EcsService, revision
from harness.aws.ecs_state import Deployment, HealthCheck, ServiceState, Task
from harness.aws.faults import NotEmulated
from harness.frozen import dataclass
from harness.profile.units import write_duration

_SHOWN = 5
"""How many tasks a reason names."""
_SHELL = re.compile(r"(/bin/)?(ba|da|a)?sh\s+-c\s+")
_NOTHING = r"(exit\s+0|true|:|/(usr/)?bin/true|echo\b[^|&;]*)"
_ALWAYS = re.compile(rf"(exit|{_NOTHING})?\s*;?")
_SWALLOWED = re.compile(rf"(\|\||;)\s*{_NOTHING}\s*;?$")


def count_problem(service: EcsService, state: ServiceState) -> str:
    """What is wrong with the number of tasks; empty where nothing is."""
    if state.desired < service.min_tasks:
        return f"{state.desired} tasks are desired, the profile wants at least {service.min_tasks}"
    if service.desired_tasks not in (None, state.desired):
        return f"{state.desired} tasks are desired, the profile wants {service.desired_tasks}"
    if state.running != state.desired:
        return f"{state.running} of {state.desired} desired tasks run ({state.pending} pending)"
    return ""


def rollout_problem(service: EcsService, state: ServiceState) -> str:
    """Why the rollout is not complete; empty where it is.

    Counts are compared too: a rollout stays COMPLETED when a task dies afterwards. A service whose circuit breaker
    rolled back is complete again with the old tasks: only the digest, and the list of its deployments, tell.
    """
    main = state.primary
    if main is None:
        return f"there are {sum(item.status == 'PRIMARY' for item in state.deployments)} PRIMARY deployments"
    if main.rollout != "COMPLETED":
        stuck = (
            ""
            if not _too_old(service, state, main)
            else (
                f" for {_age(state, main)}, longer than the {write_duration(service.rollout_limit)} that it may take: "
                "it is stuck"
            )
        )
        said = f": {main.reason}" if main.reason else ""
        return f"the rollout is {main.rollout or 'in no state that ECS tells'}{stuck}{said} ({main.failed} tasks failed)"
    others = [item for item in state.deployments if item is not main]
    if others:
        return "another deployment is still there: " + ", ".join(
            f"{item.status} with {item.running} running tasks"
            + (f", {item.rollout}: {item.reason}" if item.rollout == "FAILED" else "")
            for item in others
        )
    if main.running != main.desired:
        return f"the rollout is COMPLETED, but {main.running} of its {main.desired} tasks run"
    return ""


def rollout_is_over(service: EcsService, state: ServiceState) -> bool:
    """Whether waiting for it is of no use: it is complete, has failed, or is stuck."""
    main = state.primary
    lost = main is not None and (main.rollout == "FAILED" or _too_old(service, state, main))
    return lost or not rollout_problem(service, state)


def _too_old(service: EcsService, state: ServiceState, deployment: Deployment) -> bool:
    return deployment.rollout == "IN_PROGRESS" and state.at - deployment.created > service.rollout_limit


def _age(state: ServiceState, deployment: Deployment) -> str:
    return write_duration(float(round(state.at - deployment.created)))


def task_problems(state: ServiceState) -> tuple[str, ...]:
    """The tasks that do not run, or not what the service's deployment says."""
    if not state.tasks and state.desired:
        return (f"none of its {state.desired} desired tasks is there",)
    wanted = state.task_definition
    problems = [problem for task in state.tasks if (problem := _task_problem(task, wanted))]
    return _shortened(problems)


def _task_problem(task: Task, wanted: str) -> str:
    if task.status != "RUNNING":
        return f"task {task.id} is {task.status}, not RUNNING"
    if task.task_definition != wanted:
        return f"task {task.id} runs {revision(task.task_definition)}, not {revision(wanted)}"
    if task.health == "UNHEALTHY":
        return f"task {task.id} is UNHEALTHY by its container health check"
    return ""


def old_tasks(state: ServiceState) -> tuple[str, ...]:
    """The tasks that are older than the service's deployment.

    A task that says that this deployment started it is not. Otherwise times tell, in whole seconds: that is how
    exactly they are compared, since a task may be made in the second in which its deployment begins.
    """
    main = state.primary
    if main is None:
        return ("it has no one PRIMARY deployment",)
    old = [
        task for task in state.tasks if task.started_by != main.id and int(task.created) < int(main.created)
    ]
    return _shortened(
        [f"task {task.id} is {int(main.created) - int(task.created)} s older than it" for task in old]
    )


def _shortened(problems: list[str]) -> tuple[str, ...]:
    more = len(problems) - _SHOWN
    return (*problems[:_SHOWN], *((f"{more} more",) if more > 0 else ()))


def breaker_problem(state: ServiceState) -> str:
    """Why a deployment that fails is not given up and put back; empty where it is."""
    if not state.circuit_breaker:
        return (
            "its deployment circuit breaker is off: a deployment whose tasks do not start goes on for hours"
        )
    if not state.rolls_back:
        return "its deployment circuit breaker does not roll back: a deployment that fails leaves nothing that runs"
    return ""


def size_problems(service: EcsService, state: ServiceState) -> tuple[str, ...]:
    """How the task definition's CPU and memory differ from what is declared."""
    seen = state.definition
    found = []
    if service.cpu is not None and seen.cpu != service.cpu:
        found.append(f"{seen.cpu} CPU units, declared {service.cpu}")
    if service.memory is not None and seen.memory != service.memory:
        found.append(f"{seen.memory} MiB of memory, declared {service.memory}")
    return tuple(found)


def idle_health_checks(checks: Iterable[HealthCheck]) -> tuple[str, ...]:
    """The container health checks that no container can fail."""
    return tuple(
        f"container {check.container}: {' '.join(check.command)}"
        for check in checks
        if always_succeeds(check.command)
    )


def always_succeeds(command: Iterable[str]) -> bool:
    """Whether a health check's command ends well whatever it finds: ``exit 0``, ``true``, ``curl … || true``."""
    first, *rest = [part.strip() for part in command] or [""]
    form, _, more = first.partition(",")  # a console may leave "CMD-SHELL, exit 0" in one piece
    words = [more, *rest] if form.strip() in {"CMD", "CMD-SHELL"} else [first, *rest]
    text = " ".join(" ".join(words).split())
    text = _SHELL.sub("", text, count=1).strip("\"'") if _SHELL.match(text) else text
    return bool(_ALWAYS.fullmatch(text) or _SWALLOWED.search(text))


@dataclass(frozen=True)
class RunningDigest:
    """The image digests that a service's running tasks show, and how they were found; none where no task runs."""

    digests: tuple[str, ...]
    containers: int
    source: str


def running_digest(service: EcsService, state: ServiceState, repository: str) -> RunningDigest:
    """The digests of the containers of `repository` in all tasks that run and are meant to go on running.

    What ECS reports for a container (``imageDigest``) counts. Where it reports none, the digest in the container's
    image string, which comes from the task definition, is taken and labelled so.

    Raises:
        NotEmulated: containers run, and neither shows their digest.
    """
    containers = [
        container
        for task in state.tasks
        if task.status == "RUNNING"
        for container in task.containers
        if parse_reference(container.image).repository == repository
    ]
    if not containers:
        return RunningDigest((), 0, f"no running task has a container of repository {repository}")
    reported = [container.digest for container in containers]
    written = [parse_reference(container.image).digest for container in containers]
    for digests, source in (
        (reported, "reported by ECS"),
        (
            [new or old for new, old in zip(reported, written, strict=True)],
            "inferred from the task definition",
        ),
    ):
        if all(is_digest(digest) for digest in digests):
            return RunningDigest(tuple(sorted(set(digests))), len(containers), source)
    raise NotEmulated(
        f"{service.home}: ECS reports no image digest, and the task definition names only a tag",
        hint="pin the image by digest in the task definition: repository:tag@sha256:…",
    )
