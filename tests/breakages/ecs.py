"""What can be wrong with an ECS service."""

from breakages.parts import Breakage, World

SERVICE = "api-service-staging"


def _stop_a_task(world: World) -> None:
    ecs = world.owner("ecs")
    cluster = world.plan.services[0].cluster
    while len(tasks := ecs.list_tasks(cluster=cluster, serviceName=SERVICE)["taskArns"]) < 2:
        pass
    ecs.stop_task(cluster=cluster, task=tasks[0], reason="stopped by the test")


BREAKAGES = (
    Breakage(
        "a task has stopped and was not replaced",
        f"ecs.running_count[{SERVICE}]",
        _stop_a_task,
        ("1 of 2 desired tasks run", "stopped by the test"),
        also=(f"ecs.rollout_is_complete[{SERVICE}]",),  # a rollout is complete only while all its tasks run
    ),
)
