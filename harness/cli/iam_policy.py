"""``gonogo iam-policy``: the least-privilege policy of the identity that runs a profile's gates."""

import json
from pathlib import Path
from typing import Annotated

import typer


def iam_policy(
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="The environment's profile.", show_default=False)
    ],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one key of the profile.")
    ] = None,
    profiles: Annotated[Path, typer.Option(help="The folder of profiles.")] = Path("profiles"),
) -> None:
    """Print the IAM policy that the profile's gates need, and nothing more, as JSON.

    It is made of what the checks of the declared resources declare: reads, the probes' writes where the profile's
    access is read-write, and what is only asked to explain a failure. `aws iam put-role-policy` takes it as it is.
    """
    from harness.aws.iam import policy
    from harness.gate_request import counterparts
    from harness.gates import tables
    from harness.profile.loader import load_profile
    from harness.profile.sources import own_folder

    loaded = load_profile(profile, tables(), folder=own_folder(str(profiles)), overrides=settings or ())
    print(json.dumps(policy(loaded, counterparts(loaded, str(profiles))), indent=2))  # noqa: T201
