"""What the emulator holds beyond services, instances and queues: one file per AWS service, one row per kind in `MAKERS`.

A maker creates what a profile declares, whole and healthy: ``make(aws, declared, plan)``. Makers run in the table's
order, after the topic, queues, database, images and services are there; tags come last, when all that they mark is there.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from harness.aws import resource_types
from harness.local.plan import Plan
from harness.local.resources import Emulator

Maker = Callable[[Emulator, Sequence[Any], Plan], None]

MAKERS: dict[str, str] = {
    "alb.target_groups": "harness.local.makers.target_groups",
    "alb.load_balancers": "harness.local.makers.alb",
    "cloudformation.stacks": "harness.local.makers.cloudformation",
    "cloudwatch.alarms": "harness.local.makers.cloudwatch",
    "logs.groups": "harness.local.makers.logs",
    "ecr.repositories": "harness.local.makers.ecr",
    "acm.certificates": "harness.local.makers.acm",
    "route53.zones": "harness.local.makers.route53",
    "secrets.secrets": "harness.local.makers.secrets",
    "ssm.parameters": "harness.local.makers.ssm",
    "tags.rules": "harness.local.makers.tags",
}
"""Where in a profile a kind is declared -> the module whose function `make` creates it."""


def make_all(aws: Emulator, plan: Plan) -> None:
    """Create everything in the plan that has a maker."""
    kinds = resource_types()
    for path, target in MAKERS.items():
        if declared := plan.declared.get(path):
            maker: Maker = import_module(target).make
            maker(aws, [kinds[path].model_validate(item) for item in declared], plan)
