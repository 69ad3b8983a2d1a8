"""All pages of an operation whose answers have more than one list, or for which botocore has no paginator."""

from collections.abc import Iterator
from typing import Any

from harness.aws.faults import Broken
from harness.aws.session import Aws


def pages(
    aws: Aws, key: str, about: str, /, *, leads: str = "NextToken", **parameters: object
) -> Iterator[dict[str, Any]]:
    """Each answer in turn, asked for as it is needed.

    Args:
        aws: the session.
        key: the operation, as `harness.aws.operations` declares it.
        about: the resource, for messages.
        leads: the field of the answer, and the parameter, that lead to the next page.
        parameters: the operation's own.

    Raises:
        Broken: the same page is offered again, for ever.
        Fault: what was met instead of an answer.
    """
    seen: set[str] = set()
    while True:
        answer = aws.call(key, about, **parameters)
        yield answer
        following = str(answer.get(leads) or "")
        if not following:
            return
        if following in seen:
            raise Broken(
                f"{key} on {about}: the page after {len(seen)} is one that was read already",
                hint="what answers is not the service, or not the version that the gate knows",
            )
        seen.add(following)
        parameters = {**parameters, leads: following}
