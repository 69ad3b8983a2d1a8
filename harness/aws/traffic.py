"""AWS under load: the guarded session as a load generator takes it, and how what it meets counts as a failed request.

One try a request: a retry that nobody sees would make a throttled service look slow instead of throttling. The session
keeps to `[aws] calls` as everywhere; requests that it held back are told by `harness.aws.session.Aws.held_back`.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from typing import Any

from harness.aws.faults import Fault
from harness.aws.session import Aws, Patience
from harness.frozen import dataclass
from harness.profile import Profile
from harness.profile.schema import (
    AppConfig,
    AwsConfig,
    LocalConfig,
    PolicyConfig,
    ReportsConfig,
    SuitesConfig,
)

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_KINDS = {
    "ConnectTimeoutError": "timeout",
    "ReadTimeoutError": "timeout",
    "ConnectionClosedError": "closed",
    "SSLError": "tls",
    "EndpointConnectionError": "refused",
    "ProxyConnectionError": "refused",
    "ResponseParserError": "protocol",
}
"""What botocore raises -> how the request failed, in the words of a load result."""


def settings(profile: Profile) -> dict[str, Any]:
    """What `session` needs of a profile, as JSON: no secrets; credentials come from the environment, as everywhere."""
    return {
        "profile": profile.name,
        "stand_in": profile.local.stand_in,
        "aws": profile.aws.model_dump(),
        "home": os.environ.get("HOME", ""),
    }


def session(given: Mapping[str, Any], *, slots: int, timeout: float) -> Aws:
    """The session that `settings` describes, for `slots` requests at once that may take `timeout` seconds each.

    Its own time-outs are twice that: the generator's, over the whole of an arrival, comes first. This process's ``HOME``
    becomes the gate's: Locust is given another one, and shared credentials are found below it.
    """
    if given["home"]:
        os.environ["HOME"] = given["home"]
    profile = Profile(
        name=given["profile"],
        description="",
        app=AppConfig(),
        aws=AwsConfig.model_validate(given["aws"]),
        local=LocalConfig(stand_in=given["stand_in"]),
        policy=PolicyConfig(),
        reports=ReportsConfig(),
        suites=SuitesConfig(),
        phases={},
        gates={},
        resources={},
        resolved={},
    )
    patience = Patience(2 * timeout, 2 * timeout, attempts=1, pool=slots, rest=0.0, mode="standard")
    return Aws(profile, patience=patience)


@dataclass(frozen=True)
class Failure:
    """How a request failed: the kind in the words of `harness.load.result.Kind`, and AWS's status, 0 without an answer."""

    kind: str
    status: int
    detail: str


def failure(fault: Fault) -> Failure:
    """What a fault is for a load run: a throttled or refused request is an answer with another status, as over HTTP."""
    from socket import gaierror

    status = 0
    for error in _causes(fault):
        response = getattr(error, "response", None)
        if isinstance(response, Mapping):
            status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
            return Failure("status" if status else "protocol", status, fault.message)
    for error in _causes(fault):
        if isinstance(error, OSError) and error.errno in _OURS:
            return Failure("generator", 0, fault.message)
        if isinstance(error, gaierror) or type(error).__name__ == "NameResolutionError":
            return Failure("dns", 0, fault.message)
    for error in _causes(fault):
        for kind in type(error).__mro__:
            if kind.__name__ in _KINDS:
                return Failure(_KINDS[kind.__name__], 0, fault.message)
    return Failure("protocol" if fault.__cause__ is None else "other", 0, fault.message)


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """What was raised, and what that came of, to the bottom; botocore keeps the error below its own as an argument."""
    error: BaseException | None = fault
    while error is not None:
        yield error
        inner = getattr(error, "kwargs", {}).get("error")
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
