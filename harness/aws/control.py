"""Clients that may change things, for an emulator on this machine and nowhere else: the stand-in is provisioned by them.

They know nothing of the environment's own credentials, profiles or configuration files.
"""

import ipaddress
import os
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.aws.faults import Misconfigured

if TYPE_CHECKING:
    from botocore.session import Session


def control_client(service: str, *, endpoint_url: str, region: str, account: str) -> Any:  # noqa: ANN401 - any service
    """A client of `service` at an emulator's endpoint; the 12-digit `account` is its access key.

    Raises:
        Misconfigured: the endpoint is not on this machine, or the account is none.
    """
    if not _is_loopback(endpoint_url):
        raise Misconfigured(
            f"{endpoint_url or 'AWS itself'} is not on this machine; only an emulator here is ever provisioned",
            hint="this is a bug: the stand-in hands its own endpoint in",
        )
    if not (len(account) == 12 and account.isdecimal()):
        raise Misconfigured(
            f"{account!r} is not an account id", hint="write [aws] account with its 12 digits"
        )
    from botocore.config import Config

    return _session().create_client(
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=account,
        aws_secret_access_key="stand-in",  # noqa: S106 - an emulator's
        config=Config(
            connect_timeout=2,
            read_timeout=10,
            retries={"mode": "standard", "total_max_attempts": 2},
            proxies={},
        ),
    )


@cache
def _session() -> "Session":
    """A session that reads neither ``AWS_PROFILE`` nor any file: a wrong one breaks even explicit credentials."""
    import botocore.session

    nothing = {"profile": (None, None, None, None)}
    files = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    return botocore.session.Session(session_vars={**nothing, **files})


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
