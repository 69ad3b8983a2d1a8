"""The guide's domain activation, end to end: a probe domain comes, works, and goes without a trace."""

import pytest

from harness.aws.activation import Activation, Journey
from harness.aws.journey import DomainJourney
from harness.aws.session import Aws
from harness.fixtures import Check
from harness.gates.context import GateContext
from harness.model import Outcome, Unit


@pytest.mark.destructive
def test_activates_and_deactivates_a_domain(
    domain_journey: DomainJourney, aws: Aws, context: GateContext, check: Check
) -> None:
    """A domain is activated through the web endpoint, works, is deactivated, and nothing of it is left."""
    seen = Activation(domain_journey, aws, context.run_id).run()
    _record(seen, check)
    said = f"{domain_journey.home}: {seen.fault.message}" if seen.fault else ""
    if seen.left:
        end = check.error if seen.fault and seen.fault.outcome is Outcome.ERROR else check.fail
        end(
            f"{said or domain_journey.home}; left behind: {'; '.join(seen.left)}",
            hint=f"remove what is left by hand{f'; {seen.fault.hint}' if seen.fault else ''}",
        )
    if seen.fault:
        raise type(seen.fault)(said, hint=seen.fault.hint)


def _record(seen: Journey, check: Check) -> None:
    check.snapshot("journey", seen.as_json())
    check.fact("domain", seen.domain)
    for key, (title, seconds, saw) in seen.taken.items():
        check.measure(f"journey_{key}_time", seconds, Unit.SECONDS)
        check.fact(title, f"{saw} ({seconds:.2f} s)")
    check.measure("journey_steps", len(seen.taken), Unit.COUNT, sample=seen.total)
    if seen.fault is None:
        check.measure("journey_time", seen.seconds, Unit.SECONDS)
    if seen.swept:
        check.fact("removed of earlier runs", ", ".join(seen.swept))
    check.diagnose(seen.notes)
