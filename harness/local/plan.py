"""What the stand-in is to contain, worked out from a profile: pure values, no I/O.

A profile declares services, databases and queues; what the example application needs beside them (a topic, SSM
parameters, image repositories) follows from the names of its environment.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.frozen import dataclass, field, replace

if TYPE_CHECKING:  # whoever only carries a plan out does not pay for reading profiles
    from harness.aws.ecs import EcsService
    from harness.aws.rds import RdsInstance
    from harness.aws.sns import SnsTopic
    from harness.aws.sqs import SqsQueue
    from harness.profile import Profile

DEFAULT_TAG = "local"
ENGINE_VERSION = "17.4"
"""The version of PostgreSQL that an instance says it has where a profile declares none."""
CPU, MEMORY = 256, 512
"""Units and MiB of a task for which a profile declares none: the smallest that Fargate has."""
RETENTION = 14 * 24 * 3600
"""Seconds that a queue keeps a message."""
VISIBILITY = 30
"""Seconds that a received message is hidden, as SQS has it where nobody says otherwise."""
MANAGED_KEY = {"sqs": "alias/aws/sqs", "sns": "alias/aws/sns"}
"""The KMS keys that are there without anyone making them."""


@dataclass(frozen=True)
class Service:
    """An ECS service; `repository` and `tag` say what its tasks run, empty for an image that is not ours.

    `cpu` in units, `memory` in MiB. `stopped` tasks are stopped again after the rollout, with `reason`.
    """

    cluster: str
    name: str
    desired: int
    repository: str = ""
    tag: str = ""
    log_group: str = ""
    cpu: int = CPU
    memory: int = MEMORY
    circuit_breaker: bool = True
    stopped: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Instance:
    """An RDS instance and the secret with its credentials. `backup_days` in days.

    `metrics` says whether CloudWatch has its free storage and connections.
    """

    identifier: str
    instance_class: str
    engine: str
    multi_az: bool
    deletion_protection: bool
    encrypted: bool
    backup_days: int
    database: str
    secret: str
    engine_version: str = ENGINE_VERSION
    publicly_accessible: bool = False
    force_ssl: bool = False
    metrics: bool = False


@dataclass(frozen=True)
class Queue:
    """An SQS queue; `visibility` and `retention` in seconds; `encryption` with a KMS key where one is named."""

    name: str
    visibility: int = VISIBILITY
    dead_letters: str = ""
    max_receives: int = 3
    retention: int = RETENTION
    encryption: str = "sqs"
    kms_key: str = ""
    deduplication: str = "id"
    throughput: str = "standard"

    @property
    def fifo(self) -> bool:
        """Whether its name says that it is a FIFO queue."""
        return self.name.endswith(".fifo")


@dataclass(frozen=True)
class Topic:
    """An SNS topic and the queues that it delivers to."""

    name: str
    queues: tuple[str, ...] = ()
    raw: bool = True
    kms_key: str = ""
    deduplication: str = "id"

    @property
    def fifo(self) -> bool:
        """Whether its name says that it is a FIFO topic."""
        return self.name.endswith(".fifo")


@dataclass(frozen=True)
class Image:
    """A tagged image of the application in an ECR repository."""

    name: str
    repository: str
    tag: str


@dataclass(frozen=True)
class Plan:
    """Everything the stand-in contains.

    `declared` has, by where a profile declares them (``alb.target_groups``), the resources that have a maker of their
    own (`harness.local.makers`), as plain values.
    `topic` is the one that the application publishes to, which is one of `topics`.
    `running` says whether the application's programs run, `database_up` whether PostgreSQL still does when the
    stand-in is ready; `variables` go to the API's environment, `source_faults` are applied to the copy of the
    application.
    """

    environment: str
    account: str
    region: str
    services: tuple[Service, ...] = ()
    instances: tuple[Instance, ...] = ()
    queues: tuple[Queue, ...] = ()
    images: tuple[Image, ...] = ()
    declared: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    topics: tuple[Topic, ...] = ()
    topic: str = ""
    running: bool = True
    database_up: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)
    source_faults: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        """What the names of the environment's things begin with."""
        return f"storefront-{self.environment}"

    @property
    def secret(self) -> str:
        """The secret that the application reads its database's credentials from."""
        return f"storefront/{self.environment}/rds-credentials"

    def as_json(self) -> dict[str, Any]:
        """As plain values, for another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Plan":
        """What `as_json` gave."""
        kinds = {"services": Service, "instances": Instance, "queues": Queue, "images": Image}
        made = {key: tuple(kind(**item) for item in data[key]) for key, kind in kinds.items()}
        made["topics"] = tuple(Topic(**{**item, "queues": tuple(item["queues"])}) for item in data["topics"])
        declared = {path: tuple(items) for path, items in data["declared"].items()}
        return cls(**{**data, **made, "declared": declared, "source_faults": tuple(data["source_faults"])})

    def empty(self) -> "Plan":
        """Nothing was ever deployed. What environments share is there: the images, for one, are pushed before a first
        deploy."""
        shared = {
            path: tuple(item for item in items if item.get("scope") == "shared")
            for path, items in self.declared.items()
        }
        return replace(
            self,
            services=(),
            instances=(),
            queues=(),
            declared=shared,
            topics=(),
            topic="",
            running=False,
            database_up=False,
        )


def plan(profile: "Profile", images: Mapping[str, str]) -> Plan:
    """What a profile declares, whole and healthy.

    Args:
        profile: bound or not: places are not looked at.
        images: image name -> the tag that is to be in ECR and to run. A digest (``sha256:…``) cannot be made to
            order, so such an image is pushed under the default tag, and asking ECR for the digest finds nothing.
    """
    from harness.aws.ecs import EcsService
    from harness.aws.rds import RdsInstance
    from harness.aws.sns import SnsTopic
    from harness.aws.sqs import SqsQueue

    tags = {
        name: tag if (tag := images.get(name, DEFAULT_TAG)) and not tag.startswith("sha256:") else DEFAULT_TAG
        for name in profile.app.images
    }
    environment = _environment(profile)
    topic = f"storefront-{environment}-domain-changes.fifo"
    queues = _queues(profile.of(SqsQueue))
    return Plan(
        environment=environment,
        account=profile.aws.account or "000000000000",
        region=profile.aws.region,
        services=tuple(_service(item, profile.app.images, tags) for item in profile.of(EcsService)),
        instances=tuple(_instance(item) for item in profile.of(RdsInstance)),
        queues=queues,
        images=tuple(Image(name, repository, tags[name]) for name, repository in profile.app.images.items()),
        declared=_declared(profile),
        topics=_topics(profile.of(SnsTopic), topic, queues),
        topic=topic,
    )


def _declared(profile: "Profile") -> dict[str, tuple[Mapping[str, Any], ...]]:
    """The resources that have a maker of their own; a value is left out where the profile does not set it."""
    from harness.aws import resource_types
    from harness.local.makers import MAKERS

    return {
        path: tuple(item.model_dump(exclude_unset=True) for item in profile.of(kind))
        for path, kind in resource_types().items()
        if path in MAKERS and profile.of(kind)
    }


def _environment(profile: "Profile") -> str:
    """The environment in the application's names: the middle of ``storefront/<environment>/rds-credentials``."""
    from harness.aws.rds import RdsInstance

    for instance in profile.of(RdsInstance):
        match instance.secret.split("/"):
            case ["storefront", environment, "rds-credentials"]:
                return environment
    return profile.name


def _service(declared: "EcsService", repositories: Mapping[str, str], tags: Mapping[str, str]) -> Service:
    return Service(
        cluster=declared.cluster,
        name=declared.service,
        desired=declared.min_tasks if declared.desired_tasks is None else declared.desired_tasks,
        repository=repositories.get(declared.image, ""),
        tag=tags.get(declared.image, ""),
        log_group=declared.log_group or f"/ecs/{declared.service}",
        cpu=declared.cpu or CPU,
        memory=declared.memory or MEMORY,
        circuit_breaker=declared.circuit_breaker,
    )


def _instance(declared: "RdsInstance") -> Instance:
    return Instance(
        identifier=declared.identifier,
        instance_class=declared.instance_class,
        engine=declared.engine,
        multi_az=declared.multi_az,
        deletion_protection=declared.deletion_protection,
        encrypted=declared.encrypted,
        backup_days=declared.backup_days,
        database=declared.database,
        secret=declared.secret,
        engine_version=_whole_version(declared.engine_version),
        publicly_accessible=declared.publicly_accessible,
        force_ssl=declared.force_ssl,
        metrics=declared.free_storage is not None or declared.connections is not None,
    )


def _whole_version(declared: str) -> str:
    """A version with a minor part: RDS always tells one."""
    return declared if "." in declared else f"{declared}.4" if declared else ENGINE_VERSION


def _queues(declared: "tuple[SqsQueue, ...]") -> tuple[Queue, ...]:
    """The declared queues, dead-letter queues first: a redrive policy wants its target to exist."""
    queues = {item.queue: _queue(item) for item in declared}
    targets = {queue.dead_letters for queue in queues.values() if queue.dead_letters}
    dead = [queues.get(name, Queue(name)) for name in sorted(targets)]
    return (*dead, *(queue for name, queue in queues.items() if name not in targets))


def _queue(declared: "SqsQueue") -> Queue:
    encryption = declared.encryption or "sqs"
    return Queue(
        declared.queue,
        int(declared.visibility or VISIBILITY),
        declared.dead_letter_queue,
        declared.max_receives,
        retention=int(declared.retention or RETENTION),
        encryption=encryption,
        kms_key=(declared.kms_key or MANAGED_KEY["sqs"]) if encryption == "kms" else "",
        deduplication=declared.deduplication or "id",
        throughput=declared.throughput or "standard",
    )


def _topics(declared: "tuple[SnsTopic, ...]", own: str, queues: tuple[Queue, ...]) -> tuple[Topic, ...]:
    """The declared topics, and the application's own where it is not among them: all FIFO queues are behind that one."""
    topics = {
        item.topic: Topic(
            item.topic,
            tuple(item.queues),
            raw=item.raw_delivery,
            kms_key=(item.kms_key or MANAGED_KEY["sns"]) if item.encryption == "kms" else "",
            deduplication=item.deduplication or "id",
        )
        for item in declared
    }
    dead = {queue.dead_letters for queue in queues}
    behind = tuple(queue.name for queue in queues if queue.fifo and queue.name not in dead)
    return tuple((topics if own in topics else {**topics, own: Topic(own, behind)}).values())
