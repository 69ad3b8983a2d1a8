"""Staging from a machine without AWS credentials: a clean skip that says so, and nothing is sent anywhere."""

import time

from harness.model import Cause, Decision, GateOutcome, Outcome
from product_parts import Product, SilentHost
from tests_environment import environment

LOCAL_GATES = ("unit", "lint", "security")


def test_staging_without_credentials(product: Product, storefront: str, silent_host: SilentHost) -> None:
    set_ = ("--set", f"app.path={storefront}")
    started = time.monotonic()
    alone = product.gate("staging", *set_, "--gate", ",".join(LOCAL_GATES))
    local_gates = time.monotonic() - started
    assert alone.code == 11

    started = time.monotonic()
    done = product.gate(
        "staging",
        *set_,
        environ={**environment(), "WEB_ENDPOINT": silent_host.url, "AWS_EC2_METADATA_DISABLED": ""},
    )
    whole = time.monotonic() - started
    assert done.code == 11, done.stdout + done.stderr
    assert done.verdict.decision is Decision.INCONCLUSIVE
    assert done.gates["integration"].outcome is GateOutcome.SKIPPED
    assert done.gates["integration"].cause is Cause.NO_CREDENTIALS
    assert done.gates["load"].outcome is GateOutcome.SKIPPED
    assert done.gates["load"].cause is Cause.DEPENDENCY_NOT_PROVEN
    integration = [result for result in done.results.values() if result.gate == "integration"]
    assert {result.outcome for result in integration} == {Outcome.SKIPPED}
    assert silent_host.connections == 0
    # The bound is generous for a busy machine; what it would catch is a wait for credentials or for the host.
    assert whole - local_gates < 15
