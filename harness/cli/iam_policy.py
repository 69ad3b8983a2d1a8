"""``gonogo iam-policy``: the least-privilege policy of the identity that runs a profile's gates."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.profile import Profile


def iam_policy(
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="The environment's profile.", show_default=False)
    ],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one key of the profile.")
    ] = None,
    profiles: Annotated[Path, typer.Option(help="The folder of profiles.")] = Path("profiles"),
    sign_with: Annotated[
        str, typer.Option("--sign-with", metavar="awskms:KEY", help="And may sign with this key.")
    ] = "",
) -> None:
    """Print the IAM policy that the profile's gates need, and nothing more, as JSON.

    It is made of what the checks of the declared resources declare: reads, the probes' writes where the profile's
    access is read-write, and what is only asked to explain a failure. `aws iam put-role-policy` takes it as it is.
    """
    from harness.aws.iam import policy
    from harness.gate_request import counterparts, predecessors
    from harness.gates import tables
    from harness.profile.loader import load_profile
    from harness.profile.sources import own_folder

    loaded = load_profile(profile, tables(), folder=own_folder(str(profiles)), overrides=settings or ())
    document = policy(loaded, counterparts(loaded, str(profiles)), predecessors(loaded, str(profiles)))
    if sign_with:
        document["Statement"].append(_signing(sign_with, loaded))
    print(json.dumps(document, indent=2))  # noqa: T201


def _signing(signer: str, profile: "Profile") -> dict[str, Any]:
    from harness.aws.kms import signing_statement

    scheme, _, key = signer.partition(":")
    if scheme != "awskms" or not key:
        raise UsageError(
            f"--sign-with {signer}: only a key of KMS needs a permission", hint="write awskms:KEY"
        )
    return signing_statement(key, region=profile.aws.region, account=profile.aws.account)
