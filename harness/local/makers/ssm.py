"""SSM parameters that a profile declares, beside those that say where queues and database are."""

from collections.abc import Sequence

from harness.aws.ssm import SsmParameter
from harness.local.plan import Plan
from harness.local.resources import Emulator

_A_CALL = 10


def make(aws: Emulator, declared: Sequence[SsmParameter], plan: Plan) -> None:
    """Each that is not there yet, or whose value is declared, with what it must hold. A pattern says only what a value
    looks like, so such a parameter holds ``stand-in``."""
    client = aws.client("ssm")
    names = [item.name for item in declared]
    there: set[str] = set()
    for start in range(0, len(names), _A_CALL):
        found = client.get_parameters(Names=names[start : start + _A_CALL])["Parameters"]
        there.update(parameter["Name"] for parameter in found)
    for item in declared:
        if item.name not in there or item.value:
            value, kind = _value(aws, item, plan), item.type or "String"
            client.put_parameter(Name=item.name, Value=value, Type=kind, Overwrite=True)


def _value(aws: Emulator, item: SsmParameter, plan: Plan) -> str:
    if item.names in {queue.name for queue in plan.queues}:
        url: str = aws.client("sqs").get_queue_url(QueueName=item.names)["QueueUrl"]
        return url
    return aws.arn("sns", item.names) if item.names else item.value or "stand-in"
