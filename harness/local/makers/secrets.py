"""Secrets that a profile declares, beside the database's, which is there already."""

import json
from collections.abc import Sequence
from contextlib import suppress
from secrets import token_urlsafe

from harness.aws.secrets import Secret
from harness.local.plan import Plan
from harness.local.resources import Emulator


def make(aws: Emulator, declared: Sequence[Secret], plan: Plan) -> None:  # noqa: ARG001
    """Each with a made-up value for every key; rotation is switched on where declared, though nothing rotates here."""
    client = aws.client("secretsmanager")
    for secret in declared:
        value = json.dumps({key: token_urlsafe(24) for key in secret.keys or ["value"]})
        with suppress(client.exceptions.ResourceExistsException):
            client.create_secret(Name=secret.name, SecretString=value)
        if secret.rotation:
            function = f"arn:aws:lambda:{aws.region}:{aws.account}:function:rotates"
            client.rotate_secret(
                SecretId=secret.name, RotationLambdaARN=function, RotationRules={"AutomaticallyAfterDays": 30}
            )
