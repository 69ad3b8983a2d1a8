"""The table itself: each code and each class that botocore has, and that people are shown the same."""

import inspect
import re
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from harness.aws import fault_codes, reading
from harness.aws.faults import Absent, Broken, Denied, Fault, Misconfigured, NoCredentials, Unreachable
from harness.model import Outcome

DOCS = Path(__file__).parents[2] / "docs" / "faults.md"
HTML = "<!DOCTYPE html><html><body>Sign in to the guest network</body></html>"
OUR_BUGS = {  # what only wrong code of ours, a wrong model or an interactive use can raise: an error, as unknown
    "AliasConflictParameterError", "ApiVersionNotFoundError", "AwsChunkedWrapperError", "BaseEndpointResolverError",
    "BotoCoreError", "CapacityNotAvailableError", "ChecksumError", "DataNotFoundError", "EndpointProviderError",
    "EndpointResolutionError", "EndpointVariantError", "FlexibleChecksumError", "InvalidChecksumConfigError",
    "InvalidDNSNameError", "InvalidEndpointDiscoveryConfigurationError", "InvalidExpressionError",
    "InvalidHostLabelError", "InvalidS3AddressingStyleError", "InvalidS3UsEast1RegionalEndpointConfigError",
    "MD5UnavailableError", "MissingParametersError", "MissingServiceIdError", "OperationNotPageableError",
    "PaginationError", "RangeError", "ServiceNotInRegionError", "StubAssertionError", "StubResponseError",
    "UnStubbedResponseError", "UndefinedModelAttributeError", "UnknownClientMethodError",
    "UnknownEndpointResolutionBuiltInName", "UnknownFIPSEndpointError", "UnknownKeyError", "UnknownParameterError",
    "UnknownServiceError", "UnknownServiceStyle", "UnknownSignatureVersionError", "UnseekableStreamError",
    "UnsupportedOutpostResourceError", "UnsupportedS3AccesspointConfigurationError", "UnsupportedS3ArnError",
    "UnsupportedS3ConfigurationError", "UnsupportedS3ControlArnError", "UnsupportedS3ControlConfigurationError",
    "UnsupportedServiceProtocolsError", "UnsupportedSignatureVersionError", "ValidationError", "WaiterConfigError",
}  # fmt: skip


def of_code(
    code: str,
    message: str = "m",
    status: int = 400,
    action: str = "ecs:DescribeServices",
    operation: str = "X",
) -> Fault:
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    fault = reading.read(ClientError(answer, operation), action=action, resource="thing")
    assert fault is not None
    assert fault.code == code
    return fault


@pytest.mark.parametrize("code", sorted(fault_codes.ABSENT_CODES))
def test_absent_codes(code: str) -> None:
    fault = of_code(code)
    assert isinstance(fault, Absent)
    assert "thing does not exist" in fault.message
    assert fault.outcome is Outcome.FAILED


@pytest.mark.parametrize("code", sorted(fault_codes.DENIED_CODES))
def test_denied_codes_name_the_iam_action(code: str) -> None:
    fault = of_code(code)
    assert isinstance(fault, Denied)
    assert "ecs:DescribeServices" in fault.message
    assert "ecs:DescribeServices" in fault.hint
    assert ("subscribe" in fault.hint) == (code in fault_codes.SUBSCRIPTION_CODES)


@pytest.mark.parametrize("code", sorted(fault_codes.CREDENTIAL_CODES | fault_codes.REGION_CODES))
def test_credential_and_region_codes(code: str) -> None:
    assert isinstance(of_code(code), Misconfigured)


@pytest.mark.parametrize("code", sorted(fault_codes.THROTTLING_CODES))
def test_throttling_is_an_error_that_says_so(code: str) -> None:
    fault = of_code(code)
    assert type(fault) is Broken
    assert "throttled" in fault.message


@pytest.mark.parametrize("operation", sorted(fault_codes.IDENTITY_OPERATIONS))
def test_what_botocore_asks_to_get_credentials_is_about_those(operation: str) -> None:
    fault = of_code("AccessDenied", operation=operation)
    assert isinstance(fault, Misconfigured)
    assert f"{operation} gives no credentials (AccessDenied: m)" in fault.message
    asked = of_code("AccessDenied", operation=operation, action=f"sts:{operation}")
    assert isinstance(asked, Denied), "a question of our own"


@pytest.mark.parametrize(
    ("code", "message", "status", "action", "kind"),
    [
        ("ValidationError", "Stack with id X does not exist", 400, "cloudformation:DescribeStacks", Absent),
        ("ValidationError", "Stack [X] does not exist", 400, "cloudformation:DescribeStackEvents", Absent),
        ("ValidationError", "1 validation error detected", 400, "cloudformation:DescribeStacks", Broken),
        ("ValidationError", "Stack with id X does not exist", 400, "rds:DescribeDBInstances", Broken),
        ("404", "Not Found", 404, "s3:HeadBucket", Absent),
        ("404", "page not found", 404, "ecs:DescribeServices", Broken),
        ("403", "Forbidden", 403, "s3:HeadBucket", Denied),
        ("403", "Forbidden", 403, "ecs:DescribeServices", Broken),
        ("400", "", 400, "health:DescribeEvents", Broken),
        ("400", "Bad Request", 400, "s3:HeadBucket", Broken),
        ("InvalidAction", "Unknown action: StartImageScan", 400, "ecr:StartImageScan", Broken),
        ("InternalFailure", "", 500, "ecs:DescribeServices", Broken),
        ("ServiceUnavailable", "", 503, "ecs:DescribeServices", Broken),
        ("502", HTML, 502, "ecs:DescribeServices", Unreachable),
        ("AccessDenied", HTML, 403, "ecs:DescribeServices", Unreachable),
        ("SomethingNobodyKnows", "Cluster not found", 404, "ecs:DescribeServices", Broken),
        ("", "", 0, "ecs:DescribeServices", Broken),
    ],
)
def test_codes_that_need_a_second_look(
    code: str, message: str, status: int, action: str, kind: type[Fault]
) -> None:
    assert type(of_code(code, message, status, action)) is kind


def test_the_action_that_aws_names_counts() -> None:
    message = "User: x is not authorized to perform: kms:Decrypt on resource: key because no policy allows it"
    fault = of_code("AccessDeniedException", message, action="ssm:GetParameters")
    assert fault.hint.startswith("allow kms:Decrypt on thing")
    denied = of_code("AccessDenied", f"{message} with an explicit deny in a service control policy")
    assert "denies kms:Decrypt explicitly" in denied.hint


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        ({"Error": {"Code": "DBInstanceNotFound", "Message": "m"}}, Absent),
        ({"Error": {"Code": "AccessDenied", "Message": "m"}}, Denied),
        ({"Error": {"Code": "Throttling", "Message": "m"}}, Broken),
        ({"DBInstances": []}, Broken),
        ({}, Broken),
    ],
)
def test_a_waiter_is_read_by_its_last_answer(last: dict[str, Any], kind: type[Fault]) -> None:
    answer: Any = last
    error = WaiterError(name="available", reason="Max attempts exceeded", last_response=answer)
    assert type(reading.read(error, action="rds:DescribeDBInstances", resource="db")) is kind


def test_every_exception_of_botocore_has_a_reading() -> None:
    """Another version of botocore may bring new ones: each has to be looked at."""
    unread = set()
    for name, kind in vars(botocore.exceptions).items():
        if not (
            inspect.isclass(kind) and issubclass(kind, Exception) and kind.__module__ == "botocore.exceptions"
        ):
            continue
        if issubclass(kind, ClientError | WaiterError | Warning):
            continue
        if not any(parent.__name__ in fault_codes.EXCEPTIONS for parent in kind.__mro__):
            unread.add(name)
    assert unread == OUR_BUGS


def test_only_no_credentials_and_unreachable_are_skips() -> None:
    skips = {fault for fault, _ in fault_codes.EXCEPTIONS.values() if fault.outcome is Outcome.SKIPPED}
    assert skips == {NoCredentials, Unreachable}


def test_no_code_stands_twice() -> None:
    tables = [
        fault_codes.ABSENT_CODES,
        fault_codes.DENIED_CODES,
        fault_codes.CREDENTIAL_CODES,
        fault_codes.REGION_CODES,
        fault_codes.THROTTLING_CODES,
    ]
    assert sum(map(len, tables)) == len(frozenset().union(*tables))
    assert fault_codes.SUBSCRIPTION_CODES < fault_codes.DENIED_CODES


def test_people_are_shown_the_same_table() -> None:
    shown: dict[str, set[str]] = {}
    for line in DOCS.read_text().partition("## The table")[2].partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3:
            shown.setdefault(cells[2], set()).update(re.findall(r"`([^`]+)`", cells[1]))
    wanted: dict[str, set[str]] = {
        "absent": set(fault_codes.ABSENT_CODES),
        "access denied": set(fault_codes.DENIED_CODES),
        "misconfigured": set(
            fault_codes.CREDENTIAL_CODES | fault_codes.REGION_CODES | fault_codes.IDENTITY_OPERATIONS
        ),
        "broken": set(fault_codes.THROTTLING_CODES),
    }
    names = {Misconfigured: "misconfigured", NoCredentials: "no credentials", Unreachable: "unreachable"}
    for name, (kind, _) in fault_codes.EXCEPTIONS.items():
        wanted.setdefault(names[kind], set()).add(name)
    shown = {reading: codes for reading, codes in shown.items() if codes}
    assert shown == wanted


def test_our_own_errors_stay_what_they_are() -> None:
    def lose() -> None:
        with reading.reading("a:B", "x"):
            _ = dict[str, str]()["key"]

    with pytest.raises(KeyError):
        lose()
    assert reading.read(ValueError("ours"), action="a:B", resource="x") is None


def test_a_fault_passes_through() -> None:
    fault = Absent("gone", hint="")
    with pytest.raises(Absent) as caught, reading.reading("a:B", "x"):
        raise fault
    assert caught.value is fault
    assert fault.__cause__ is None


def test_an_unknown_botocore_error_is_broken() -> None:
    fault = reading.read(BotoCoreError(), action="a:B", resource="")
    assert type(fault) is Broken
    assert fault.message.startswith("a:B: BotoCoreError")
