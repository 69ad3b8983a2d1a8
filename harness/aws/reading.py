"""What botocore raises, read as what it means: one table for every service.

An error code that no row knows reads as `Broken`, an error: never as absence and never as a skip. The rows come
from trying each case against botocore 1.43 and stand in `harness.aws.fault_codes`; ``tests/aws/test_reading.py``
provokes them again.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from harness.aws.fault_codes import (
    ABSENT_CODES,
    CREDENTIAL_CODES,
    DENIED_CODES,
    EXCEPTIONS,
    FIX_CONFIGURATION,
    FIX_CREDENTIALS,
    FIX_ROUTE,
    IDENTITY_OPERATIONS,
    REGION_CODES,
    SUBSCRIPTION_CODES,
    THROTTLING_CODES,
)
from harness.aws.faults import Absent, Broken, Denied, Fault, Misconfigured, Unreachable

_NAMED = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z0-9*]+)")
"""The IAM action that AWS names in a denial: another than the asked one where, say, a KMS key refuses."""
_UNSUPPORTED = "Unsupported service"
"""How the emulator answers for a service that it does not have."""


def read(error: BaseException, *, action: str, resource: str) -> Fault | None:
    """What an exception means; ``None`` when it did not come out of botocore and so is a bug.

    Args:
        error: what was raised.
        action: the IAM action that was asked, ``ecs:DescribeServices``.
        resource: what it was asked about, for the message.
    """
    from botocore.exceptions import BotoCoreError, ClientError, WaiterError

    if isinstance(error, Fault):
        return error
    if isinstance(error, ClientError):
        return _client_error(error.response, error.operation_name, action, resource)
    if isinstance(error, WaiterError):
        return _waited(error, action, resource)
    from_botocore = isinstance(error, BotoCoreError) or _raised_by_botocore(error.__traceback__)
    if not from_botocore:
        return None
    if _UNSUPPORTED in str(error):
        return _unsupported(action, resource)
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
        f"{_asked(action, resource)}: answered by a web page, HTTP {status}, not by AWS", hint=FIX_ROUTE
    )


def _client_error(response: Mapping[str, Any], operation: str, action: str, resource: str) -> Fault:
    fault = _of_code(response, operation, action, resource)
    fault.code = str(response.get("Error", {}).get("Code", ""))
    return fault


def _of_code(response: Mapping[str, Any], operation: str, action: str, resource: str) -> Fault:
    answer = response.get("Error", {})
    metadata = response.get("ResponseMetadata", {})
    code, message = str(answer.get("Code", "")), str(answer.get("Message", ""))
    status = int(metadata.get("HTTPStatusCode", 0) or 0)
    asked = _asked(action, resource)
    said = _said(code, message) or f"HTTP {status}"
    if _is_html(metadata, message):
        return _web_page(action, resource, status)
    if operation in IDENTITY_OPERATIONS and operation != action.partition(":")[2]:
        return Misconfigured(f"{asked}: {operation} gives no credentials ({said})", hint=FIX_CREDENTIALS)
    if code in ABSENT_CODES or _absent_by_message(code, message, action):
        return Absent(
            f"{resource} does not exist ({said})", hint="deploy it, or correct its name in the profile"
        )
    if code in DENIED_CODES or (code == "403" and action.startswith("s3:")):
        return _denied(code, message, action, resource)
    if code in CREDENTIAL_CODES:
        return Misconfigured(f"{asked}: the credentials do not work ({said})", hint=FIX_CREDENTIALS)
    if code in REGION_CODES:
        return Misconfigured(f"{asked}: it lives in another region ({said})", hint=FIX_CONFIGURATION)
    if code in THROTTLING_CODES:
        return Broken(f"{asked}: throttled to the last try ({said})", hint="lower [aws] calls, and run again")
    if code == "400" and not message:
        return _unsupported(action, resource)
    return Broken(
        f"{asked}: {said} (HTTP {status})", hint="run again; if it stays, see the service's health page"
    )


def _denied(code: str, message: str, action: str, resource: str) -> Denied:
    """Access denied, with what would mend it: the IAM action that AWS names, or else the one that was asked."""
    named = _NAMED.search(message)
    needed = named[1] if named else action
    hint = f"allow {needed} on {resource} to the identity of this gate"
    if code in SUBSCRIPTION_CODES:
        hint = f"subscribe the account to the service or support plan behind {needed}: no policy allows it"
    elif "explicit deny" in message:
        hint = f"a policy denies {needed} explicitly, which no other allows again: change that policy"
    return Denied(f"{_asked(action, resource)}: access denied ({_said(code, message)})", hint=hint)


def _unsupported(action: str, resource: str) -> Broken:
    return Broken(
        f"{_asked(action, resource)}: what answers does not have this service",
        hint="an emulator: mark the operation `emulated=False` in its file, so that a local run says so; "
        "or correct [aws] endpoint_url",
    )


def _waited(error: Any, action: str, resource: str) -> Fault:  # noqa: ANN401 - botocore's WaiterError has no types
    """What a waiter met: an error of its last question, or a state that did not come."""
    last: Mapping[str, Any] = error.last_response or {}
    if "Error" in last:
        return _client_error(last, "", action, resource)
    return Broken(
        f"{_asked(action, resource)}: {_say(error)}",
        hint="see why it does not come to that state, then run again",
    )


def _absent_by_message(code: str, message: str, action: str) -> bool:
    if code == "ValidationError" and action.startswith("cloudformation:"):
        return message.startswith("Stack") and message.endswith("does not exist")
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


def _said(code: str, message: str) -> str:
    return f"{code}: {message}".rstrip(": ")


def _say(error: BaseException) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__
