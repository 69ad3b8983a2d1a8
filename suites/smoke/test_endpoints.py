"""After a deploy: each health endpoint answers well, several times in a row."""

import time

from harness.fixtures import Check
from harness.gates.smoke import Endpoint
from harness.health import shortcomings
from harness.http import Answer, get
from harness.model import Unit

_SHOWN = 500


def test_is_healthy(endpoint: Endpoint, check: Check) -> None:
    """The endpoint becomes healthy in time and stays so for several probes in a row.

    Nothing answering is a failure here, not a skip: after a deploy it is exactly what must not be.
    """
    deadline = time.monotonic() + endpoint.deadline
    good: list[Answer] = []
    attempts = 0
    while True:
        answer = get(endpoint.url, timeout=endpoint.timeout)
        problems = shortcomings(endpoint, answer)
        attempts += 1
        good = [] if problems else [*good, answer]
        if len(good) == endpoint.probes or time.monotonic() + endpoint.interval >= deadline:
            break
        time.sleep(endpoint.interval)  # probes are spaced: healthy for a moment is not healthy
    check.snapshot("last-answer", answer)
    check.measure("attempts", attempts, Unit.COUNT)
    check.measure("good_in_a_row", len(good), Unit.COUNT, sample=attempts)
    seconds = [item.seconds for item in good]
    check.measure("response_time", sum(seconds) / len(good) if good else None, Unit.SECONDS, sample=len(good))
    if len(good) < endpoint.probes:
        check.diagnose(_tell(answer))
        found = "; ".join(problems) or f"only {len(good)} good answers in a row"
        check.fail(
            f"{endpoint.name} ({endpoint.url}) is not healthy after {attempts} probes: {found}; wanted are "
            f"{endpoint.probes} good answers in a row within {endpoint.deadline:g} s",
            hint="see the service's tasks and logs, and the load balancer's targets",
        )


def _tell(answer: Answer) -> list[str]:
    if answer.error:
        return [f"last probe: {answer.error} (after {answer.seconds:.3f} s)"]
    return [f"last probe: status {answer.status} after {answer.seconds:.3f} s", answer.body[:_SHOWN]]
