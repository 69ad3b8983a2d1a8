"""What can be wrong with service quotas: of the emulator's, only messages in flight come near a limit.

`tests/aws/test_quotas.py` judges the others from recorded answers: the emulator has no Service Quotas.
"""

from breakages.parts import Breakage, World
from breakages.sqs import GITHUB


def _receive(world: World) -> None:
    """Leave two messages in flight, as a consumer does that never deletes what it was given."""
    sqs = world.owner("sqs")
    url = sqs.get_queue_url(QueueName=GITHUB)["QueueUrl"]
    for number in ("1", "2"):
        sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId=number, MessageDeduplicationId=number)
    received = 0
    while received < 2:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        received += len(answer.get("Messages", ()))


BREAKAGES = (
    Breakage(
        "messages in flight come near their limit",
        "quotas.leaves_room[sqs-in-flight]",
        _receive,
        (GITHUB, "2 of 2 messages in flight", "quota_room is 0 %", "a deploy adds none"),
        overrides=("quotas.limits=[{ name = 'sqs-in-flight', limit = 2 }]",),
    ),
)
