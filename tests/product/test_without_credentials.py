"""Staging from a machine without AWS credentials: a clean skip that says so, and nothing is sent anywhere."""

import pytest

from harness.model import Cause, Decision, GateOutcome, Outcome
from product_parts import Product, SilentHost
from tests_environment import environment

LOCAL_GATES = ("unit", "lint", "security")


@pytest.mark.alone
def test_staging_without_credentials(product: Product, storefront: str, silent_host: SilentHost) -> None:
    set_ = ("--set", f"app.path={storefront}", "--set", 'gates.load.allowed_hosts=["127.0.0.1"]')
    done = product.gate(
        "staging",
        *set_,
        environ={**environment(), "WEB_ENDPOINT": silent_host.url, "AWS_EC2_METADATA_DISABLED": ""},
    )
    assert done.code == 11, done.stdout + done.stderr
    assert done.verdict.decision is Decision.INCONCLUSIVE
    assert done.gates["integration"].outcome is GateOutcome.SKIPPED
    assert done.gates["integration"].cause is Cause.NO_CREDENTIALS
    assert done.gates["load"].outcome is GateOutcome.SKIPPED
    assert done.gates["load"].cause is Cause.DEPENDENCY_NOT_PROVEN
    integration = [result for result in done.results.values() if result.gate == "integration"]
    assert {result.outcome for result in integration} == {Outcome.SKIPPED}
    assert silent_host.connections == 0
    info = done.verdict.info
    assert info.finished is not None
    whole = (info.finished - info.started).total_seconds()
    local_gates = done.gates["subject"].duration + max(done.gates[gate].duration for gate in LOCAL_GATES)
    # No wait for credentials that are not there, nor for a host that must not be asked.
    assert whole - local_gates < 5
