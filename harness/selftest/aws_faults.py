"""Faults of the integration gate: what AWS answers in the middle of the survey."""

from collections.abc import Mapping

from harness.selftest.aws_double import GROUP, LOGS, RESOURCES, SSM, STS, Answer, answers, denied
from harness.selftest.code_faults import Arrange
from harness.selftest.copies import Copy
from harness.selftest.fault import Fault
from harness.selftest.needs import runs


def account(lies: Mapping[str, Answer] | None = None, *, of: str = "") -> Arrange:
    """An AWS account of the copy's own, which answers some operations otherwise than it should."""

    def arrange(copy: Copy) -> None:
        number = of or copy.lab.profile.aws.account or "000000000000"
        url = copy.serve({**answers(number), **(lies or {})})
        copy.more.update(RESOURCES)
        copy.more["aws"] = {"endpoint_url": url}
        copy.environ |= dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "selftest")

    return arrange


def _fault(name: str, title: str, arrange: Arrange, expect: str, said: str) -> Fault:
    return Fault(
        name, title, "AWS's answers", (expect,), said, "integration", arrange, needs=runs("integration")
    )


_ROW = {"logGroupName": "/selftest/other", "retentionInDays": 30}
_WITHOUT_TOKEN = (200, {"logGroups": [_ROW]})
_FOR_EVER = (200, {"logGroups": [{**_ROW, "logGroupName": GROUP}], "nextToken": "again"})

FAULTS = (
    _fault(
        "aws-access-denied", "AccessDenied in the middle of the survey",
        account({LOGS: denied("AccessDeniedException", "not authorized to perform logs:DescribeLogGroups")}),
        "ERROR", "logs:DescribeLogGroups",
    ),
    _fault("aws-empty-page", "an empty page, and no token", account({LOGS: (200, {"logGroups": []})}), "NO_GO", GROUP),
    _fault("aws-short-page", "the first page only, without a token", account({LOGS: _WITHOUT_TOKEN}), "NO_GO", GROUP),
    _fault("aws-endless-pages", "each page leads to itself", account({LOGS: _FOR_EVER}), "ERROR", "DescribeLogGroups"),
    _fault("aws-no-field", "an answer without its list", account({LOGS: (200, {})}), "ERROR", "the answer has no"),
    _fault(
        "aws-silent-answer", "an answer that says nothing of what was asked",
        account({SSM: (200, {"Parameters": [], "InvalidParameters": []})}), "ERROR", "says nothing of",
    ),
    _fault("aws-other-account", "the credentials are another account's", account(of="999999999999"), "ERROR", "belong to"),
    _fault(
        "aws-expired", "the credentials are expired",
        account({STS: (403, "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>old</Message></Error></ErrorResponse>")}),
        "ERROR", "ExpiredToken",
    ),
)  # fmt: skip
