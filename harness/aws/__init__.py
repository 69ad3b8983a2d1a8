"""AWS: the only package that imports boto3. One file per service; importing a service's file imports no boto3.

`RESOURCES` has one row per kind of thing that a profile may declare; a test holds it against the folder.
"""

from importlib import import_module

from harness.profile.schema import Resource

RESOURCES: dict[str, str] = {
    "ecs.services": "harness.aws.ecs:EcsService",
    "journeys.domains": "harness.aws.journey:DomainJourney",
    "rds.instances": "harness.aws.rds:RdsInstance",
    "sqs.queues": "harness.aws.sqs:SqsQueue",
}
"""Where in a profile a kind is declared -> ``module:class``."""


def resource_types() -> dict[str, type[Resource]]:
    """The classes behind `RESOURCES`, imported now."""
    found: dict[str, type[Resource]] = {}
    for path, target in RESOURCES.items():
        module, _, name = target.partition(":")
        kind = getattr(import_module(module), name)
        found[path] = kind
    return found
