"""AWS: the only package that imports boto3. One file per service; importing a service's file imports no boto3.

`RESOURCES` has one row per kind of thing that a profile may declare; a test holds it against the folder.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module

from harness.profile.schema import Resource

RESOURCES: dict[str, str] = {
    "acm.certificates": "harness.aws.acm:AcmCertificate",
    "alb.load_balancers": "harness.aws.alb:LoadBalancer",
    "alb.target_groups": "harness.aws.target_groups:TargetGroup",
    "autoscaling.targets": "harness.aws.autoscaling:ScalableTarget",
    "cloudformation.leftovers": "harness.aws.cloudformation:StackLeftovers",
    "cloudformation.stacks": "harness.aws.cloudformation:CloudFormationStack",
    "cloudwatch.alarms": "harness.aws.cloudwatch:CloudWatchAlarm",
    "ecr.repositories": "harness.aws.ecr:EcrRepository",
    "ecs.services": "harness.aws.ecs:EcsService",
    "endpoints.http": "harness.aws.endpoints:HttpEndpoint",
    "endpoints.tcp": "harness.aws.endpoints:TcpEndpoint",
    "journeys.domains": "harness.aws.journey:DomainJourney",
    "logs.groups": "harness.aws.logs:LogGroup",
    "quotas.limits": "harness.aws.quotas:QuotaLimit",
    "rds.instances": "harness.aws.rds:RdsInstance",
    "route53.zones": "harness.aws.route53:HostedZone",
    "secrets.secrets": "harness.aws.secrets:Secret",
    "sns.topics": "harness.aws.sns:SnsTopic",
    "sqs.queues": "harness.aws.sqs:SqsQueue",
    "ssm.parameters": "harness.aws.ssm:SsmParameter",
    "tags.rules": "harness.aws.tags:TagRule",
}
"""Where in a profile a kind is declared -> ``module:class``."""


class _Kinds(Mapping[str, type[Resource]]):
    """The classes behind `RESOURCES`, each imported when it is asked for."""

    def __getitem__(self, path: str) -> type[Resource]:
        module, _, name = RESOURCES[path].partition(":")
        kind: type[Resource] = getattr(import_module(module), name)
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(RESOURCES)

    def __len__(self) -> int:
        return len(RESOURCES)


def resource_types() -> Mapping[str, type[Resource]]:
    """The kinds by where they are declared. Who asks for one by its name imports that one alone."""
    return _Kinds()
