"""What can be wrong with tags."""

from breakages.parts import Breakage, World

RULE = "cost-allocation"
QUEUE = "storefront-staging-github-workflow-queue.fifo"
SERVICE = "api-service-staging"


def _untag_a_queue(world: World) -> None:
    sqs = world.owner("sqs")
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    sqs.untag_queue(QueueUrl=url, TagKeys=["Project"])


def _mistag_a_service(world: World) -> None:
    cluster = world.plan.services[0].cluster
    arn = f"arn:aws:ecs:us-east-1:{world.account}:service/{cluster}/{SERVICE}"
    world.owner("ecs").tag_resource(resourceArn=arn, tags=[{"key": "Environment", "value": "dev"}])


def _never_tagged(world: World) -> None:
    sqs = world.owner("sqs")
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    sqs.untag_queue(QueueUrl=url, TagKeys=["Project", "Environment"])


BREAKAGES = (
    Breakage(
        "a queue lacks a tag",
        f"tags.are_complete[{RULE}]",
        _untag_a_queue,
        (f"SQS queue {QUEUE} (it has no Project)", "1 of "),
    ),
    Breakage(
        "a service is tagged for another environment",
        f"tags.are_complete[{RULE}]",
        _mistag_a_service,
        (SERVICE, "its Environment is 'dev' instead of 'staging'"),
    ),
    Breakage(
        "a queue was never tagged",
        f"tags.are_complete[{RULE}]",
        _never_tagged,
        (f"SQS queue {QUEUE} (it has no Environment and no Project)",),
    ),
)
