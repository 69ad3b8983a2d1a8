"""What botocore raises, read as what it means: one table for every service.

An error code that no row knows reads as `Broken`, an error: never as absence and never as a skip. The rows come
from trying each case against botocore 1.43; ``tests/aws/test_reading.py`` provokes them again.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from harness.aws.faults import Absent, Broken, Denied, Fault, Misconfigured, NoCredentials, Unreachable

ABSENT_CODES = frozenset(
    {
        "ClusterNotFoundException",
        "ServiceNotFoundException",
        "DBInstanceNotFound",
        "DBInstanceNotFoundFault",
        "DBParameterGroupNotFound",
        "DBSnapshotNotFound",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "NotFound",
        "NotFoundException",
        "NoSuchHostedZone",
        "LoadBalancerNotFound",
        "TargetGroupNotFound",
        "CacheClusterNotFound",
        "CacheClusterNotFoundFault",
        "ReplicationGroupNotFoundFault",
        "RepositoryNotFoundException",
        "ImageNotFoundException",
        "LifecyclePolicyNotFoundException",
        "ScanNotFoundException",
        "ResourceNotFoundException",
        "ParameterNotFound",
        "NoSuchEntity",
        "NoSuchBucket",
        "NoSuchKey",
    }
)
DENIED_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "OptInRequired",
        "UnauthorizedOperation",
    }
)
CREDENTIAL_CODES = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_FIX_CREDENTIALS = "log in again or renew the credentials; `aws sts get-caller-identity` must work"
_FIX_CONFIGURATION = "correct the AWS_… variables, ~/.aws/config or the profile's [aws] table"
_FIX_ROUTE = "check the network route, proxy and endpoint from the machine that runs the gate"

EXCEPTIONS: Mapping[str, tuple[type[Fault], str]] = {
    "NoCredentialsError": (NoCredentials, "configure AWS credentials for this environment"),
    "PartialCredentialsError": (Misconfigured, _FIX_CONFIGURATION),
    "ProfileNotFound": (Misconfigured, _FIX_CONFIGURATION),
    "ConfigNotFound": (Misconfigured, _FIX_CONFIGURATION),
    "ConfigParseError": (Misconfigured, _FIX_CONFIGURATION),
    "InvalidConfigError": (Misconfigured, _FIX_CONFIGURATION),
    "InfiniteLoopConfigError": (Misconfigured, _FIX_CONFIGURATION),
    "UnauthorizedSSOTokenError": (Misconfigured, _FIX_CREDENTIALS),
    "SSOTokenLoadError": (Misconfigured, _FIX_CREDENTIALS),
    "TokenRetrievalError": (Misconfigured, _FIX_CREDENTIALS),
    "CredentialRetrievalError": (Misconfigured, _FIX_CREDENTIALS),
    "MetadataRetrievalError": (Misconfigured, _FIX_CREDENTIALS),
    "NoRegionError": (Misconfigured, _FIX_CONFIGURATION),
    "InvalidRegionError": (Misconfigured, _FIX_CONFIGURATION),
    "FileNotFoundError": (Misconfigured, _FIX_CONFIGURATION),
    "PermissionError": (Misconfigured, _FIX_CONFIGURATION),
    "ValueError": (Misconfigured, _FIX_CONFIGURATION),
    "SSLError": (Unreachable, _FIX_ROUTE),
    "EndpointConnectionError": (Unreachable, _FIX_ROUTE),
    "ConnectTimeoutError": (Unreachable, _FIX_ROUTE),
    "ReadTimeoutError": (Unreachable, _FIX_ROUTE),
    "ConnectionClosedError": (Unreachable, _FIX_ROUTE),
    "ProxyConnectionError": (Unreachable, _FIX_ROUTE),
    "ResponseStreamingError": (Unreachable, _FIX_ROUTE),
    "ResponseParserError": (Unreachable, _FIX_ROUTE),
    "KeyError": (Unreachable, _FIX_ROUTE),
}
"""Exception class -> fault and hint. The most specific class of an error's ancestry counts. Builtin errors count
only when botocore itself raised them: the same class out of our own code is a bug, and stays one."""


def read(error: BaseException, *, action: str, resource: str) -> Fault | None:
    """What an exception means; ``None`` when it did not come out of botocore and so is a bug.

    Args:
        error: what was raised.
        action: the IAM action that was asked, ``ecs:DescribeServices``.
        resource: what it was asked about, for the message.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, Fault):
        return error
    if isinstance(error, ClientError):
        return _client_error(error.response, action, resource)
    from_botocore = isinstance(error, BotoCoreError) or _raised_by_botocore(error.__traceback__)
    if not from_botocore:
        return None
    for kind in type(error).__mro__:
        if (row := EXCEPTIONS.get(kind.__name__)) is not None:
            fault, hint = row
            return fault(f"{_asked(action, resource)}: {_say(error)}", hint=hint)
    return Broken(
        f"{_asked(action, resource)}: {type(error).__name__}: {_say(error)}",
        hint="an error that nothing is known about; see its name and message",
    )


@contextmanager
def reading(action: str, resource: str) -> Iterator[None]:
    """Turn what botocore raises inside into a `Fault`. Wrap the call alone, never the reading of its answer."""
    try:
        yield
    except Exception as error:
        if (fault := read(error, action=action, resource=resource)) is None or fault is error:
            raise
        raise fault from error


def genuine(answer: Mapping[str, Any], *, action: str, resource: str) -> None:
    """Refuse a web page with status 200: botocore's JSON parsers take one for an answer without fields.

    Raises:
        Unreachable: something else than AWS answered.
    """
    metadata = answer.get("ResponseMetadata", {})
    if _is_html(metadata, ""):
        raise _web_page(action, resource, int(metadata.get("HTTPStatusCode", 0)))


def _web_page(action: str, resource: str, status: int) -> Unreachable:
    return Unreachable(
        f"{_asked(action, resource)}: answered by a web page, HTTP {status}, not by AWS", hint=_FIX_ROUTE
    )


def _client_error(response: Mapping[str, Any], action: str, resource: str) -> Fault:
    answer = response.get("Error", {})
    metadata = response.get("ResponseMetadata", {})
    code, message = str(answer.get("Code", "")), str(answer.get("Message", ""))
    status = int(metadata.get("HTTPStatusCode", 0) or 0)
    asked = _asked(action, resource)
    said = f"{code}: {message}".rstrip(": ") or f"HTTP {status}"
    if _is_html(metadata, message):
        return _web_page(action, resource, status)
    if code in ABSENT_CODES or _absent_by_message(code, message, action):
        return Absent(
            f"{resource} does not exist ({said})", hint="deploy it, or correct its name in the profile"
        )
    if code in DENIED_CODES or (code == "403" and action.startswith("s3:")):
        return Denied(
            f"{asked}: access denied ({said})",
            hint=f"allow {action} on {resource} to the identity of this gate",
        )
    if code in CREDENTIAL_CODES:
        return Misconfigured(f"{asked}: the credentials do not work ({said})", hint=_FIX_CREDENTIALS)
    return Broken(
        f"{asked}: {said} (HTTP {status})", hint="run again; if it stays, see the service's health page"
    )


def _absent_by_message(code: str, message: str, action: str) -> bool:
    if code == "ValidationError" and action.startswith("cloudformation:"):
        return message.startswith("Stack ") and message.endswith("does not exist")
    return code == "404" and action.startswith("s3:")


def _is_html(metadata: Mapping[str, Any], message: str) -> bool:
    content_type = str(metadata.get("HTTPHeaders", {}).get("content-type", ""))
    return "text/html" in content_type or message.lstrip()[:15].lower().startswith(
        ("<html", "<!doctype html")
    )


def _raised_by_botocore(trace: TracebackType | None) -> bool:
    """Whether it came up in botocore or in what botocore called, our own handlers excepted."""
    packages: list[str] = []
    while trace is not None:
        packages.append(str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0])
        trace = trace.tb_next
    return "botocore" in packages and packages[-1] != "harness"


def _asked(action: str, resource: str) -> str:
    return f"{action} on {resource}" if resource else action


def _say(error: BaseException) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__
