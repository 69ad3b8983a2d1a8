"""What the stand-in is to contain, worked out from a profile: pure values, no I/O.

A profile declares services, databases and queues; what the example application needs beside them (a topic, SSM
parameters, image repositories) follows from the names of its environment.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # whoever only carries a plan out does not pay for reading profiles
    from harness.aws.ecs import EcsService
    from harness.aws.rds import RdsInstance
    from harness.aws.sqs import SqsQueue
    from harness.profile import Profile

DEFAULT_TAG = "local"
RETENTION = 14 * 24 * 3600
"""Seconds that a queue keeps a message."""


@dataclass(frozen=True)
class Service:
    """An ECS service; `repository` and `tag` say what its tasks run, empty for an image that is not ours.

    `stopped` tasks are stopped again after the rollout, with `reason`.
    """

    cluster: str
    name: str
    desired: int
    repository: str = ""
    tag: str = ""
    log_group: str = ""
    stopped: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Instance:
    """An RDS instance and the secret with its credentials. `backup_days` in days."""

    identifier: str
    instance_class: str
    engine: str
    multi_az: bool
    deletion_protection: bool
    encrypted: bool
    backup_days: int
    database: str
    secret: str


@dataclass(frozen=True)
class Queue:
    """An SQS queue; `visibility` in seconds."""

    name: str
    visibility: int
    dead_letters: str = ""
    max_receives: int = 3

    @property
    def fifo(self) -> bool:
        """Whether its name says that it is a FIFO queue."""
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
    from harness.aws.sqs import SqsQueue

    tags = {
        name: tag if (tag := images.get(name, DEFAULT_TAG)) and not tag.startswith("sha256:") else DEFAULT_TAG
        for name in profile.app.images
    }
    environment = _environment(profile)
    return Plan(
        environment=environment,
        account=profile.aws.account or "000000000000",
        region=profile.aws.region,
        services=tuple(_service(item, profile.app.images, tags) for item in profile.of(EcsService)),
        instances=tuple(_instance(item) for item in profile.of(RdsInstance)),
        queues=_queues(profile.of(SqsQueue)),
        images=tuple(Image(name, repository, tags[name]) for name, repository in profile.app.images.items()),
        declared=_declared(profile),
        topic=f"storefront-{environment}-domain-changes.fifo",
    )


def _declared(profile: "Profile") -> dict[str, tuple[Mapping[str, Any], ...]]:
    """The resources that have a maker of their own; a value is left out where the profile does not set it."""
    from harness.aws import resource_types
    from harness.local.makers import MAKERS

    return {
        path: tuple(item.model_dump(mode="json", exclude_unset=True) for item in profile.of(kind))
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
        desired=declared.min_tasks,
        repository=repositories.get(declared.image, ""),
        tag=tags.get(declared.image, ""),
        log_group=declared.log_group or f"/ecs/{declared.service}",
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
    )


def _queues(declared: "tuple[SqsQueue, ...]") -> tuple[Queue, ...]:
    """The declared queues, dead-letter queues first: a redrive policy wants its target to exist."""
    queues = {
        item.queue: Queue(item.queue, int(item.visibility), item.dead_letter_queue, item.max_receives)
        for item in declared
    }
    targets = {queue.dead_letters for queue in queues.values() if queue.dead_letters}
    dead = [queues.get(name, Queue(name, 30)) for name in sorted(targets)]
    return (*dead, *(queue for name, queue in queues.items() if name not in targets))
