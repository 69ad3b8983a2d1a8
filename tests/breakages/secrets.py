"""What can be wrong with a secret."""

import json

from breakages.parts import Breakage, World

SECRET = "storefront/staging/rds-credentials"
LOGINS = (
    "rds.accepts_a_login[rds-staging]",
    "postgres.answers_in_time[rds-staging]",
    "postgres.has_connections_left[rds-staging]",
)
"""They log in with what the secret holds."""


def _change(world: World, **values: object) -> None:
    client = world.owner("secretsmanager")
    data = json.loads(client.get_secret_value(SecretId=SECRET)["SecretString"]) | values
    client.put_secret_value(SecretId=SECRET, SecretString=json.dumps(data))


def _schedule_deletion(world: World) -> None:
    world.owner("secretsmanager").delete_secret(SecretId=SECRET, RecoveryWindowInDays=7)


def _make_anew(world: World) -> None:
    client = world.owner("secretsmanager")
    value = client.get_secret_value(SecretId=SECRET)["SecretString"]
    client.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    client.create_secret(Name=SECRET, SecretString=value)


BREAKAGES = (
    Breakage(
        "a secret is scheduled for deletion",
        f"secrets.is_readable[{SECRET}]",
        _schedule_deletion,
        ("scheduled for deletion",),
        also=(f"secrets.holds_its_keys[{SECRET}]", *LOGINS),  # nothing of it can be read any more
    ),
    Breakage(
        "a secret lost one of its keys",
        f"secrets.holds_its_keys[{SECRET}]",
        lambda world: _change(world, host=""),
        ("has no value for host",),
    ),
    Breakage(
        "a secret is older than it may be",
        f"secrets.is_fresh[{SECRET}]",
        lambda _: None,
        ("creation of the current version", "allowed are 1ms"),
        overrides=('secrets.secrets[0].rotated_within="1ms"',),
    ),
    Breakage(
        "a secret is not rotated",
        f"secrets.rotates_by_itself[{SECRET}]",
        _make_anew,
        ("is not rotated by Secrets Manager",),
        overrides=("secrets.secrets[0].rotation=true",),  # the first user's are rotated by hand
    ),
)
