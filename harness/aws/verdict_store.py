"""A place in an S3 bucket where objects are created once, or replaced on a condition; never deleted.

Every write carries a condition (``If-None-Match: *`` or ``If-Match``) and its sha256, which S3 checks; a lock of the
bucket (Object Lock) is in no way of that, since new keys and new versions are all that is ever written. The identity
is whoever runs the command, and a client made here can do what `STORE_OPERATIONS` lists and nothing else: it is no
part of the target session, whose checks could otherwise write verdicts.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.aws.fault_codes import THROTTLING_CODES
from harness.aws.faults import Absent, Broken, Denied, Fault, NoCredentials
from harness.aws.operations import Operation, Refused
from harness.aws.reading import reading
from harness.aws.session import need, own_session

if TYPE_CHECKING:
    from botocore.client import BaseClient

GET = Operation("s3", "GetObject")
HEAD = Operation("s3", "HeadObject", iam="s3:GetObject")
LIST = Operation("s3", "ListObjectsV2", iam="s3:ListBucket")
WHERE = Operation("s3", "HeadBucket", iam="s3:ListBucket")
"""What botocore asks by itself where a bucket is in another region than the one it was told."""
PUT = Operation("s3", "PutObject", mutating=True)
STORE_OPERATIONS = (GET, HEAD, LIST, WHERE, PUT)
LARGEST = 64_000_000
"""Bytes of the largest object that is read into memory."""
_CHUNK = 1 << 20
_GUARDED = ("before-call", "before-sign", "before-send")
_LOST = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict", "NoSuchKey"})
"""What S3 says of a write whose condition does not hold; the last where what was to be replaced is gone."""
_BUCKET = frozenset({"NoSuchBucket"})


class Bucket:
    """The objects below one prefix of a bucket, whose keys are given without it."""

    def __init__(
        self, name: str, prefix: str = "", *, region: str, endpoint_url: str = "", account: str = ""
    ) -> None:
        self._name, self._prefix = name, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._region, self._endpoint_url = region, endpoint_url
        self._owner: Mapping[str, str] = {"ExpectedBucketOwner": account} if account else {}

    @property
    def uri(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self._name}/{self._prefix}".rstrip("/")

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Content and ETag; ``None`` where it is not there.

        Raises:
            Fault: what was met instead.
        """
        try:
            with reading(GET.action, self._about(key)):
                answer = self._ask("get_object", Key=self._key(key), ChecksumMode="ENABLED")
                self._bound(answer, key, LARGEST)
                return bytes(answer["Body"].read()), str(need(answer, "ETag", GET.key, key))
        except Absent as fault:
            _require_bucket(fault)
            return None

    def create(self, key: str, content: bytes) -> bool:
        """Write it if it is not there; says whether it was written."""
        return self._put(key, content, hashlib.sha256(content).digest(), IfNoneMatch="*")

    def replace(self, key: str, content: bytes, tag: str) -> bool:
        """Write it if it still has this ETag; says whether it was written."""
        return self._put(key, content, hashlib.sha256(content).digest(), IfMatch=tag)

    def create_file(self, key: str, path: Path, sha256: str) -> bool:
        """As `create`, from a file whose digest is known; S3 refuses a file that has another."""
        with path.open("rb") as file:
            return self._put(key, file, bytes.fromhex(sha256), IfNoneMatch="*")

    def sha256(self, key: str) -> str:
        """The digest of an object, in hexadecimal; empty where there is none. Read where S3 does not know it."""
        try:
            with reading(HEAD.action, self._about(key)):
                answer = self._ask("head_object", Key=self._key(key), ChecksumMode="ENABLED")
            known = _whole_digest(answer)
            return known or self._read_digest(key)
        except Absent as fault:
            _require_bucket(fault)
            return ""

    def download(self, key: str, path: Path, size: int) -> bool:
        """Write an object of this size to a file; says whether it is there."""
        try:
            with reading(GET.action, self._about(key)):
                answer = self._ask("get_object", Key=self._key(key), ChecksumMode="ENABLED")
                self._bound(answer, key, size)
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file:
                    for chunk in answer["Body"].iter_chunks(_CHUNK):
                        file.write(chunk)
        except Absent as fault:
            _require_bucket(fault)
            return False
        except OSError as error:
            raise Broken(f"{path}: cannot be written: {error.strerror}", hint="make room") from error
        return True

    def keys(self, prefix: str) -> tuple[str, ...]:
        """The keys that begin so."""
        return tuple(
            str(item["Key"]).removeprefix(self._prefix)
            for page in self._pages(prefix)
            for item in page.get("Contents", ())
        )

    def folders(self, prefix: str, after: str = "") -> tuple[str, ...]:
        """The next parts of the keys that begin so and go on with a slash; with `after`, those that are greater."""
        begin = {"StartAfter": self._key(f"{prefix}{after}")} if after else {}
        found = (
            str(item["Prefix"]).removeprefix(self._key(prefix)).rstrip("/")
            for page in self._pages(prefix, Delimiter="/", **begin)
            for item in page.get("CommonPrefixes", ())
        )
        return tuple(name for name in found if name > after)

    def _pages(self, prefix: str, **parameters: object) -> list[Mapping[str, Any]]:
        try:
            with reading(LIST.action, self._about(prefix)):
                pages = self._client.get_paginator("list_objects_v2").paginate(
                    Bucket=self._name, Prefix=self._key(prefix), **self._owner, **parameters
                )
                return list(pages)
        except Absent as fault:
            raise _no_bucket(fault) from fault

    def _put(self, key: str, content: Any, digest: bytes, **condition: str) -> bool:  # noqa: ANN401 - bytes or a file
        """Write on a condition. After an answer that was lost, a condition may not hold because the write was done:
        whoever asks looks what is there."""
        about = self._about(key)
        try:
            with reading(PUT.action, about):
                self._ask(
                    "put_object",
                    Key=self._key(key),
                    Body=content,
                    ChecksumSHA256=base64.b64encode(digest).decode(),
                    **condition,
                )
        except Fault as fault:
            if fault.code in _LOST:
                return False
            raise self._put_fault(fault, key) from fault
        return True

    def _put_fault(self, fault: Fault, key: str) -> Fault:
        """A fault of a write, with what would mend it where that is known."""
        text = fault.message.lower()
        if "worm" in text or "object lock" in text or "retention" in text:
            return Denied(
                f"{fault.message}; the bucket's lock (Object Lock) refuses it",
                hint="a lock must allow new keys and new versions, which is all that is ever written; see docs/stores.md",
            )
        if fault.code == "BadDigest" or "checksum" in text:
            return Broken(
                f"{fault.message}; what was sent of {key} is not what its digest says",
                hint="the file was changed after the run, or on its way; run the gates again",
            )
        if fault.code in THROTTLING_CODES:
            return Broken(fault.message, hint="publish again later: what is kept already is not sent again")
        if isinstance(fault, Absent):
            return _no_bucket(fault)
        return fault

    def _read_digest(self, key: str) -> str:
        with reading(GET.action, self._about(key)):
            body = self._ask("get_object", Key=self._key(key))["Body"]
            digest = hashlib.sha256()
            for chunk in body.iter_chunks(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def _bound(self, answer: Mapping[str, Any], key: str, most: int) -> None:
        if (size := int(need(answer, "ContentLength", GET.key, key))) > most:
            raise Broken(
                f"{self._about(key)} has {size} bytes, more than the {most} it may have", hint="remove it"
            )

    def _about(self, key: str) -> str:
        return f"s3://{self._name}/{self._key(key)}"

    def _key(self, key: str) -> str:
        return f"{self._prefix}{key}"

    def _ask(self, method: str, **parameters: object) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = getattr(self._client, method)(
            Bucket=self._name, **self._owner, **parameters
        )
        return answer

    @cached_property
    def _client(self) -> "BaseClient":
        from botocore.config import Config

        session = own_session()
        if isinstance(session, NoCredentials):
            raise NoCredentials(
                f"{self.uri}: {session.message}", hint="configure the credentials that may use the store"
            )
        client: BaseClient = session.create_client(
            "s3",
            region_name=self._region,
            endpoint_url=self._endpoint_url or None,
            config=Config(
                connect_timeout=3.0,
                read_timeout=20.0,
                retries={"mode": "standard", "total_max_attempts": 6},
                ignore_configured_endpoint_urls=True,  # type: ignore[call-arg] # only the profile says where verdicts are
                s3={"addressing_style": "path"} if self._endpoint_url else {},
                user_agent_extra="gonogo",
            ),
        )
        for event in _GUARDED:
            client.meta.events.register_first(event, _refuse_others)
        return client


def store_statements(uri: str, *, sid: str = "GonogoStore", writes: bool = True) -> list[dict[str, Any]]:
    """The IAM statements of an identity that publishes to a store, and reads it; nothing may be deleted.

    Without `writes`, of one that reads it only. `sid` tells the statements of several stores apart.

    Listing has no condition on the prefix: S3 says 403 of an object that is not there to who may not list the bucket,
    and reading an object has no prefix that could fulfil one.
    """
    name, _, prefix = uri.removeprefix("s3://").strip("/").partition("/")
    below = f"{prefix}/*" if prefix else "*"
    objects = sorted({row.action for row in ((GET, PUT) if writes else (GET,))})
    return [
        {
            "Sid": sid,
            "Effect": "Allow",
            "Action": objects,
            "Resource": [f"arn:aws:s3:::{name}/{below}"],
        },
        {
            "Sid": f"{sid}Lists",
            "Effect": "Allow",
            "Action": [LIST.action],
            "Resource": [f"arn:aws:s3:::{name}"],
        },
    ]


def _whole_digest(answer: Mapping[str, Any]) -> str:
    """The sha256 that S3 keeps of an object, in hexadecimal; empty where it keeps none, or one of parts."""
    try:
        digest = base64.b64decode(str(answer.get("ChecksumSHA256", "")), validate=True)
    except binascii.Error:
        return ""
    return digest.hex() if len(digest) == hashlib.sha256().digest_size else ""


def _require_bucket(fault: Absent) -> None:
    """That an object is not there is an answer; that there is no bucket is none."""
    if fault.code in _BUCKET:
        raise _no_bucket(fault)


def _no_bucket(fault: Absent) -> Fault:
    return Broken(fault.message, hint="make the bucket, or correct [store] uri of the profile or --store")


def _refuse_others(event_name: str, **_: object) -> None:
    if event_name.rpartition(".")[2] not in {each.name for each in STORE_OPERATIONS}:
        raise Refused(f"{event_name} is refused: a store reads and writes", hint="this is a bug; report it")
