"""On production the gate changes nothing: counted by a proxy that knows nothing of our own tables."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from breakages.parts import not_passed, run_gate
from harness.aws import operations as table
from harness.aws.iam import needed
from harness.aws.operations import Refused
from harness.aws.session import Aws

READS = re.compile("Describe|Get|List|BatchGet|Head|DetectStackDrift|FilterLogEvents")
"""How operations begin that change nothing. AWS lists the detection of a stack's drift among the reads as well."""


def test_a_whole_run_with_read_only_access_sends_no_change(
    behind: Any, stack_url: str, credentials: str, owner: Callable[[str], Any], tmp_path: Path
) -> None:
    with behind(stack_url, credentials, owner, 'aws.access="read-only"') as (environment, proxy):
        results = run_gate(environment, tmp_path)
    assert {name: result.reason for name, result in not_passed(results).items()} == {}
    assert len(proxy.asked) > 20
    assert {"ecs", "rds", "sqs", "sts"} <= {asked.service for asked in proxy.asked}
    changing = sorted(key for key in proxy.keys if not READS.match(key.partition(":")[2]))
    assert changing == []


def test_every_operation_that_is_not_declared_is_refused_before_it_is_sent(
    stack_url: str, credentials: str, owner: Callable[[str], Any], behind: Any
) -> None:
    """All operations of all services that the checks use: as botocore knows them, called through a guarded client."""
    from botocore import xform_name

    with behind(stack_url, credentials, owner, 'aws.access="read-only"') as (environment, proxy):
        aws = Aws(environment.profile)
        aws.identity()
        before = len(proxy.asked)
        walked = 0
        for service in sorted({row.service for row in table.operations().values()}):
            client: Any = aws.client(service)
            for name in client.meta.service_model.operation_names:
                row = table.operations().get(f"{service}:{name}")
                if row is not None and not row.mutating:
                    continue
                walked += 1
                with pytest.raises(Refused, match=f"{service}:{name}"):
                    # past the validation of parameters: the guard must not depend on it
                    client._make_api_call(name, _parameters(client, name))
                assert xform_name(name) in dir(client)
        assert walked > 500
        assert len(proxy.asked) == before, "nothing was sent"


def _parameters(client: Any, name: str) -> dict[str, Any]:
    """The least that botocore accepts for an operation: every required member, as small as its shape allows."""
    shape = client.meta.service_model.operation_model(name).input_shape
    return _value(shape) if shape is not None else {}


def _value(shape: Any) -> Any:
    match shape.type_name:
        case "structure":
            chosen = shape.required_members
            if getattr(shape, "is_tagged_union", False) and not chosen:
                chosen = list(shape.members)[:1]
            return {name: _value(shape.members[name]) for name in chosen}
        case "list":
            least = int(shape.metadata.get("min", 0) or 0)
            return [_value(shape.member)] * max(least, 1)
        case "map":
            return {"key": _value(shape.value)}
        case "string":
            return (
                shape.enum[0] if getattr(shape, "enum", None) else "x" * max(1, shape.metadata.get("min", 1))
            )
        case "integer" | "long":
            return max(1, int(shape.metadata.get("min", 1)))
        case "float" | "double":
            return 1.0
        case "boolean":
            return True
        case "blob":
            return b"x" * max(1, shape.metadata.get("min", 1))
        case "timestamp":
            return 0
        case other:
            raise AssertionError(other)


def test_the_policy_of_a_read_only_profile_allows_no_change(credentials: str, tmp_path: Path) -> None:
    from breakages.parts import profile_of

    profile = profile_of(tmp_path, credentials, "http://127.0.0.1:9", overrides=['aws.access="read-only"'])
    assert [row.key for row in needed(profile) if row.mutating] == []
