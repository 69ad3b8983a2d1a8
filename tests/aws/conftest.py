"""The real parts that these tests ask."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from aws_parts import (  # noqa: F401 - fixtures
    aws,
    credentials,
    database,
    guarded_url,
    http,
    make_profile,
    no_inherited_aws,
    owner,
    stack_url,
    stub,
)
from harness.aws.session import Aws
from harness.profile import Profile

# ruff: noqa: F811 - a fixture's parameters are named like the fixtures they ask for


@pytest.fixture
def recorded(
    stub: Callable[..., Any],
    http: Callable[..., bytes],
    make_profile: Callable[..., Profile],
    credentials: str,
) -> Callable[..., Aws]:
    """A session at a service that speaks JSON and gives recorded answers, by operation.

    An answer is a function of the request's parameters, a list of answers (one a call; the last stays), or an answer;
    ``{"__type": "SomeException"}`` is an error.
    """

    def make(**answers: Any) -> Aws:
        given = {name: list(said) if isinstance(said, list) else [said] for name, said in answers.items()}

        def answer(request: bytes) -> bytes:
            head, _, body = request.partition(b"\r\n\r\n")
            target = re.search(rb"(?i)x-amz-target: *[\w.]*\.(\w+)", head)
            assert target is not None, request
            said = given[target[1].decode()]
            chosen = said.pop(0) if len(said) > 1 else said[0]
            data = chosen(json.loads(body)) if callable(chosen) else chosen
            status = "400 Bad Request" if "__type" in data else "200 OK"
            return http(status, json.dumps(data), "application/x-amz-json-1.1")

        return Aws(make_profile(stub(answer).url))

    return make
