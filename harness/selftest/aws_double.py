"""An AWS that answers three services in a few words, and lies where it is told to. Loopback only."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOGS, SSM, STS = "Logs_20140328.DescribeLogGroups", "AmazonSSM.GetParameters", "GetCallerIdentity"
GROUP, PARAMETERS = "/selftest/api", ("/selftest/host", "/selftest/port")
RESOURCES: Mapping[str, Any] = {
    "logs": {"groups": [{"group": GROUP, "retention_days": 30}]},
    "ssm": {"parameters": [{"name": name, "type": "String"} for name in PARAMETERS]},
}
"""What a profile declares of it."""
Answer = tuple[int, Any]
_IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::{account}:user/selftest</Arn><UserId>selftest</UserId><Account>{account}</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)


def answers(account: str) -> dict[str, Answer]:
    """What a healthy account says, by operation."""
    parameters = [
        {"Name": name, "Type": "String", "Value": "1", "Version": 1, "LastModifiedDate": 1.7e9}
        for name in PARAMETERS
    ]
    return {
        LOGS: (200, {"logGroups": [{"logGroupName": GROUP, "retentionInDays": 30, "storedBytes": 1}]}),
        SSM: (200, {"Parameters": parameters, "InvalidParameters": []}),
        STS: (200, _IDENTITY.format(account=account)),
    }


def denied(code: str, text: str) -> Answer:
    """A refusal."""
    return 400, {"__type": code, "message": text}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    table: Mapping[str, Answer]
    asked: Callable[[str], None]

    def do_POST(self) -> None:
        """Answer one operation; one that is not known is refused."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        operation = self.headers.get("X-Amz-Target", STS)
        type(self).asked(operation)
        status, content = self.table.get(operation, denied("UnknownOperationException", operation))
        text = isinstance(content, str)
        data = (content if text else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml" if text else "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-amzn-RequestId", "selftest")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401
        """Say nothing."""


@contextmanager
def serving(table: Mapping[str, Answer]) -> Iterator[tuple[str, set[str]]]:
    """Serve these answers; yields the address and the operations that were asked for, as they come."""
    asked: set[str] = set()
    handler = type("Handler", (_Handler,), {"table": table, "asked": staticmethod(asked.add)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
