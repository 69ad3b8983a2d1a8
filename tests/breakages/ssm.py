"""What can be wrong with an SSM parameter."""

from typing import Literal

from breakages.parts import Breakage, World

PREFIX = "/storefront-staging"
PASSWORD = f"{PREFIX}/database/password"
HOST = f"{PREFIX}/database/host"
PORT = f"{PREFIX}/database/port"
NAME = f"{PREFIX}/database/name"
QUEUE = f"{PREFIX}/sqs/route53-operations-queue-url"
TOPIC = f"{PREFIX}/sns/domain-changes-topic-arn"


def _put(world: World, name: str, value: str, kind: Literal["String", "SecureString"] = "String") -> None:
    ssm = world.owner("ssm")
    ssm.delete_parameter(Name=name)
    ssm.put_parameter(Name=name, Value=value, Type=kind)


def _another_queue(world: World) -> None:
    _put(world, QUEUE, f"{world.url}/{world.account}/storefront-staging-github-workflow-queue.fifo")


def _another_account(world: World) -> None:
    _put(world, QUEUE, f"{world.url}/999999999999/storefront-staging-route53-operations-queue.fifo")


BREAKAGES = (
    Breakage(
        "a parameter is blank",
        f"ssm.has_a_value[{HOST}]",
        lambda world: _put(world, HOST, " "),
        ("is blank",),
    ),
    Breakage(
        "a password lies in a plain parameter",
        f"ssm.is_of_its_type[{PASSWORD}]",
        lambda world: _put(world, PASSWORD, "Zq7xCanaryOfTheTest"),
        ("is a String, declared is a SecureString",),
    ),
    Breakage(
        "a parameter names another queue",
        f"ssm.holds_what_it_must[{QUEUE}]",
        _another_queue,
        ("storefront-staging-github-workflow-queue.fifo", "declared is the URL or ARN of"),
    ),
    Breakage(
        "a parameter names the queue of another account",
        f"ssm.holds_what_it_must[{QUEUE}]",
        _another_account,
        ("/999999999999/", "in this account"),
    ),
    Breakage(
        "a parameter names another topic",
        f"ssm.holds_what_it_must[{TOPIC}]",
        lambda world: _put(world, TOPIC, f"arn:aws:sns:us-east-1:{world.account}:storefront-dev.fifo"),
        ("storefront-dev.fifo",),
    ),
    Breakage(
        "a parameter is not of its pattern",
        f"ssm.holds_what_it_must[{PORT}]",
        lambda world: _put(world, PORT, "5432/tcp"),
        ("'5432/tcp'", "[0-9]+"),
    ),
    Breakage(
        "a parameter is of another environment",
        f"ssm.holds_what_it_must[{NAME}]",
        lambda world: _put(world, NAME, "storefront_dev"),
        ("'storefront_dev'", "'storefront_staging'"),
    ),
    Breakage(
        "a parameter was changed too long ago",
        f"ssm.is_fresh[{PASSWORD}]",
        lambda _: None,
        ("was last changed on", "allowed are 1ms"),
        overrides=('ssm.parameters[4].changed_within="1ms"',),
    ),
    Breakage(
        "a parameter is missing",
        f"ssm.has_a_value[{HOST}]",
        lambda world: world.owner("ssm").delete_parameter(Name=HOST),
        ("half deployed", "does not exist"),
        also=(f"ssm.is_of_its_type[{HOST}]",),  # whatever is asked of it: it is not there
    ),
)
