"""Which store a profile or a command line names, and opening it."""

from pathlib import Path

from harness.errors import UsageError
from harness.profile import Profile
from harness.profile.schema import StoreConfig
from harness.verdict.stores import VerdictStore

_FILE = "file://"
_S3 = "s3://"


def chosen(profile: Profile, asked: str = "") -> StoreConfig | None:
    """Where a profile's verdicts are kept beside the reports folder: what it says, or what was asked for.

    Raises:
        UsageError: both say something, and not the same: a run that is published elsewhere would leave an older GO the
            newest of the profile's store, and a verdict from elsewhere would not be the newest one.
    """
    own = profile.store
    if not asked:
        return own if own.uri else None
    given = located(asked)
    if own.uri and own.uri.rstrip("/") != given.uri:
        raise UsageError(
            f"--store {asked}: the verdicts of {profile.name} are kept in {own.uri}",
            hint="leave --store out, or correct [store] uri of the profile",
        )
    return own if own.uri else given.model_copy(update={"region": profile.aws.region})


def store_of(profile: Profile, asked: str = "") -> VerdictStore | None:
    """The store that is `chosen`, opened; ``None`` where there is none.

    Raises:
        UsageError: two are named, or what it needs is not installed.
    """
    config = chosen(profile, asked)
    return open_store(config, region=profile.aws.region) if config else None


def located(asked: str) -> StoreConfig:
    """A store as the command line names it: ``s3://bucket/prefix``, ``file:///folder`` or a folder's path.

    Raises:
        UsageError: it is none.
    """
    uri = asked if "://" in asked else Path(asked).resolve().as_uri()
    try:
        return StoreConfig(uri=uri.rstrip("/"))
    except ValueError:
        raise UsageError(
            f"--store {asked}: not a store", hint="write s3://bucket/prefix, or the path of a folder"
        ) from None


def open_store(config: StoreConfig, *, region: str = "us-east-1") -> VerdictStore:
    """The store that a configuration names; nothing is asked of it yet. `region` counts where it names none.

    Raises:
        UsageError: it needs an extra that is not installed.
    """
    uri = config.uri.rstrip("/")
    if uri.startswith(_FILE):
        import os
        from urllib.parse import unquote_to_bytes

        from harness.verdict.folder_store import FolderStore

        return FolderStore(Path(os.fsdecode(unquote_to_bytes(uri.removeprefix(_FILE)))))
    from importlib.util import find_spec

    if find_spec("botocore") is None:
        raise UsageError(
            f"{uri} needs boto3, which the base install leaves out", hint="pip install 'gonogo[aws]'"
        )
    from harness.aws.verdict_store import Bucket
    from harness.verdict.object_store import ObjectStore

    name, _, prefix = uri.removeprefix(_S3).partition("/")
    bucket = Bucket(
        name, prefix, region=config.region or region, endpoint_url=config.endpoint_url, account=config.account
    )
    return ObjectStore(bucket)
