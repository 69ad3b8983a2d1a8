"""Makes what a plan names in the AWS emulator: one function for each kind of thing."""

import json
import time
from collections.abc import Container, Mapping, Sequence
from typing import Any

from harness.aws.control import control_client
from harness.frozen import dataclass, field
from harness.local.plan import Instance, Plan, Queue, Service, Topic

ALLOCATED = 20
"""GiB of storage of an instance."""
_AHEAD, _EVERY = 24 * 3600, 300
"""For how long, and how often, a metric is there, in seconds."""
_SERVICES = ("sqs", "sns", "ssm", "secretsmanager", "ecr", "ecs", "logs", "rds")


@dataclass(frozen=True)
class Emulator:
    """The emulator, as one account sees it."""

    endpoint_url: str
    region: str
    account: str
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def client(self, service: str) -> Any:  # noqa: ANN401 - any service
        """A client of one service; made once."""
        if service not in self._clients:
            self._clients[service] = control_client(
                service, endpoint_url=self.endpoint_url, region=self.region, account=self.account
            )
        return self._clients[service]

    def close(self) -> None:
        """Close the connections of its clients."""
        for client in self._clients.values():
            client.close()

    def arn(self, service: str, name: str) -> str:
        """The ARN of a queue or topic, whether it exists or not."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{name}"


@dataclass(frozen=True)
class Credentials:
    """A login to a database, and where it is."""

    host: str
    port: int
    database: str
    username: str
    password: str

    def secret(self) -> str:
        """As the application's secret holds it."""
        return json.dumps(
            {
                "username": self.username,
                "password": self.password,
                "host": self.host,
                "port": self.port,
                "dbname": self.database,
            }
        )


def messaging(aws: Emulator, plan: Plan) -> None:
    """Queues, the topics in front of them, and the parameters that say where they are."""
    urls = {queue.name: _queue(aws, plan, queue) for queue in plan.queues}
    for name, url in urls.items():
        _parameter(aws, f"/{plan.prefix}/sqs/{short_name(name, plan.prefix)}-url", url)
    for topic in plan.topics:
        arn = _topic(aws, topic, urls)
        if topic.name == plan.topic:
            _parameter(aws, f"/{plan.prefix}/sns/domain-changes-topic-arn", arn)


def _topic(aws: Emulator, topic: Topic, queues: Container[str]) -> str:
    """A topic, subscribed by those of its queues that there are."""
    sns = aws.client("sns")
    attributes: dict[str, str] = {}
    if topic.fifo:
        attributes |= {
            "FifoTopic": "true",
            "ContentBasedDeduplication": str(topic.deduplication == "content").lower(),
        }
    if topic.kms_key:
        attributes["KmsMasterKeyId"] = topic.kms_key
    arn: str = sns.create_topic(Name=topic.name, Attributes=attributes)["TopicArn"]
    for queue in topic.queues:
        if queue in queues:
            sns.subscribe(
                TopicArn=arn,
                Protocol="sqs",
                Endpoint=aws.arn("sqs", queue),
                Attributes={"RawMessageDelivery": str(topic.raw).lower()},
            )
    return arn


def short_name(queue: str, prefix: str) -> str:
    """A queue's name in parameters: without the environment's prefix and the suffix."""
    return queue.removeprefix(f"{prefix}-").removesuffix(".fifo")


def _queue(aws: Emulator, plan: Plan, queue: Queue) -> str:
    attributes = {
        "VisibilityTimeout": str(queue.visibility),
        "MessageRetentionPeriod": str(queue.retention),
        "SqsManagedSseEnabled": str(queue.encryption == "sqs").lower(),
    }
    if queue.kms_key:
        attributes["KmsMasterKeyId"] = queue.kms_key
    if queue.fifo:
        attributes |= _fifo(queue)
    if queue.dead_letters:
        redrive = {
            "deadLetterTargetArn": aws.arn("sqs", queue.dead_letters),
            "maxReceiveCount": queue.max_receives,
        }
        attributes["RedrivePolicy"] = json.dumps(redrive)
    if topics := [aws.arn("sns", topic.name) for topic in plan.topics if queue.name in topic.queues]:
        attributes["Policy"] = json.dumps(_only_from(topics, aws.arn("sqs", queue.name)))
    made: str = aws.client("sqs").create_queue(QueueName=queue.name, Attributes=attributes)["QueueUrl"]
    return made


def _fifo(queue: Queue) -> dict[str, str]:
    high = queue.throughput == "high"
    return {
        "FifoQueue": "true",
        "ContentBasedDeduplication": str(queue.deduplication == "content").lower(),
        "DeduplicationScope": "messageGroup" if high else "queue",
        "FifoThroughputLimit": "perMessageGroupId" if high else "perQueue",
    }


def _only_from(topics: Sequence[str], queue: str) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": list(topics)}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _parameter(aws: Emulator, name: str, value: str, kind: str = "String") -> None:
    aws.client("ssm").put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)


def database(aws: Emulator, plan: Plan, credentials: Credentials) -> None:
    """The secrets and parameters that say where the database is and who may log in."""
    for name in sorted({plan.secret, *(instance.secret for instance in plan.instances if instance.secret)}):
        aws.client("secretsmanager").create_secret(Name=name, SecretString=credentials.secret())
    values = {
        "host": credentials.host,
        "port": str(credentials.port),
        "name": credentials.database,
        "username": credentials.username,
    }
    for key, value in values.items():
        _parameter(aws, f"/{plan.prefix}/database/{key}", value)
    _parameter(aws, f"/{plan.prefix}/database/password", credentials.password, "SecureString")


def instance(aws: Emulator, declared: Instance, credentials: Credentials) -> None:
    """An RDS instance whose endpoint is the PostgreSQL that runs here, with a parameter group and its metrics."""
    group = {"DBParameterGroupName": _parameter_group(aws, declared)} if declared.force_ssl else {}
    aws.client("rds").create_db_instance(
        DBInstanceIdentifier=declared.identifier,
        DBInstanceClass=declared.instance_class,
        Engine=declared.engine,
        EngineVersion=declared.engine_version,
        AllocatedStorage=ALLOCATED,
        MasterUsername=credentials.username,
        MasterUserPassword=credentials.password,
        DBName=declared.database or credentials.database,
        Port=credentials.port,
        MultiAZ=declared.multi_az,
        PubliclyAccessible=declared.publicly_accessible,
        StorageEncrypted=declared.encrypted,
        DeletionProtection=declared.deletion_protection,
        BackupRetentionPeriod=declared.backup_days,
        **group,
    )
    if declared.metrics:
        _instance_metrics(aws, declared)


def _parameter_group(aws: Emulator, declared: Instance) -> str:
    """A parameter group in which connections without TLS are refused."""
    rds, name = aws.client("rds"), f"{declared.identifier}-parameters"
    family = f"{declared.engine}{declared.engine_version.partition('.')[0]}"
    rds.create_db_parameter_group(
        DBParameterGroupName=name, DBParameterGroupFamily=family, Description=f"of {declared.identifier}"
    )
    force = {"ParameterName": "rds.force_ssl", "ParameterValue": "1", "ApplyMethod": "immediate"}
    rds.modify_db_parameter_group(DBParameterGroupName=name, Parameters=[force])
    return name


def _instance_metrics(aws: Emulator, declared: Instance) -> None:
    """Free storage and connections as RDS would publish them; for a day ahead, as nothing here publishes later."""
    now = time.time()
    values = (("FreeStorageSpace", "Bytes", ALLOCATED * 1024**3 * 0.8), ("DatabaseConnections", "Count", 3.0))
    aws.client("cloudwatch").put_metric_data(
        Namespace="AWS/RDS",
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": declared.identifier}],
                "Timestamp": now + ahead,
                "Unit": unit,
                "Value": value,
            }
            for name, unit, value in values
            for ahead in range(0, _AHEAD, _EVERY)
        ],
    )


def images(aws: Emulator, plan: Plan, manifests: Mapping[str, str]) -> dict[str, str]:
    """ECR repositories with an image each under its tag; returns repository -> reference by tag and digest."""
    ecr = aws.client("ecr")
    found: dict[str, str] = {}
    for image in plan.images:
        repository = ecr.create_repository(repositoryName=image.repository)["repository"]
        pushed = ecr.put_image(
            repositoryName=image.repository,
            imageManifest=manifests[image.name],
            imageManifestMediaType="application/vnd.oci.image.manifest.v1+json",
            imageTag=image.tag,
        )["image"]
        digest = pushed["imageId"]["imageDigest"]
        found[image.repository] = f"{repository['repositoryUri']}:{image.tag}@{digest}"
    return found


def cluster(aws: Emulator, name: str) -> None:
    """An ECS cluster."""
    aws.client("ecs").create_cluster(clusterName=name)


def service(aws: Emulator, declared: Service, references: Mapping[str, str]) -> None:
    """An ECS service of Fargate tasks, with its task definition and its log group."""
    ecs = aws.client("ecs")
    image = references.get(declared.repository, "public.ecr.aws/docker/library/busybox:stable")
    aws.client("logs").create_log_group(logGroupName=declared.log_group)
    options = {
        "awslogs-group": declared.log_group,
        "awslogs-region": aws.region,
        "awslogs-stream-prefix": "ecs",
    }
    definition = ecs.register_task_definition(
        family=declared.name,
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu=str(declared.cpu),
        memory=str(declared.memory),
        containerDefinitions=[
            {
                "name": declared.name,
                "image": image,
                "essential": True,
                "healthCheck": {
                    "command": ["CMD-SHELL", "wget -q -O /dev/null http://localhost/health || exit 1"]
                },
                "logConfiguration": {"logDriver": "awslogs", "options": options},
            }
        ],
    )["taskDefinition"]["taskDefinitionArn"]
    network = {"awsvpcConfiguration": {"subnets": ["subnet-00000001"], "assignPublicIp": "DISABLED"}}
    ecs.create_service(
        cluster=declared.cluster,
        serviceName=declared.name,
        taskDefinition=definition,
        desiredCount=declared.desired,
        launchType="FARGATE",
        networkConfiguration=network,
        deploymentConfiguration={
            "deploymentCircuitBreaker": {
                "enable": declared.circuit_breaker,
                "rollback": declared.circuit_breaker,
            },
            "maximumPercent": 200,
            "minimumHealthyPercent": 100,
        },
    )


def logs(aws: Emulator, declared: Service, events: list[dict[str, str | int]]) -> None:
    """A stream in the service's log group with a few lines."""
    client, stream = aws.client("logs"), f"ecs/{declared.name}/0"
    client.create_log_stream(logGroupName=declared.log_group, logStreamName=stream)
    client.put_log_events(logGroupName=declared.log_group, logStreamName=stream, logEvents=events)


def rolled_out(aws: Emulator, declared: Service) -> bool:
    """Whether the service's first rollout is complete, with all its tasks running."""
    (found,) = aws.client("ecs").describe_services(cluster=declared.cluster, services=[declared.name])[
        "services"
    ]
    return bool(
        found["runningCount"] == declared.desired
        and found["deployments"][0].get("rolloutState") == "COMPLETED"
    )


def stop_tasks(aws: Emulator, declared: Service) -> None:
    """Stop as many of the service's tasks as the plan wants stopped; the emulator replaces none."""
    ecs = aws.client("ecs")
    tasks = ecs.list_tasks(cluster=declared.cluster, serviceName=declared.name)["taskArns"]
    for task in tasks[: declared.stopped]:
        ecs.stop_task(cluster=declared.cluster, task=task, reason=declared.reason)


def warm_up(aws: Emulator) -> None:
    """Make all clients: reading their service models takes longer than asking them anything."""
    for name in _SERVICES:
        aws.client(name)
