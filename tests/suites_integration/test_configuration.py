"""Secrets, parameters and tags where the answers are not those of a healthy environment."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.model import Cause, CheckResult, Outcome

RunGate = Callable[..., Mapping[str, CheckResult]]
CANARY = "Zq7x-canary-of-the-test"
MORE = """
[[secrets.secrets]]
name = "app/key"
keys = ["token", "url"]
[[ssm.parameters]]
name = "/app/password"
type = "SecureString"
pattern = "never this"
[[tags.rules]]
name = "databases"
kinds = ["rds.instances"]
required = { Owner = "" }
[[tags.rules]]
name = "nothing"
kinds = ["logs.groups"]
required = { Owner = "" }
"""


@pytest.fixture
def results(
    run_gate: RunGate, environment: Any, owner: Callable[[str], Any], credentials: str
) -> Mapping[str, CheckResult]:
    environment.all()
    text = json.dumps({"token": CANARY, "url": ""})
    owner("secretsmanager").create_secret(Name="app/key", SecretString=text)
    owner("ssm").put_parameter(Name="/app/password", Value=CANARY, Type="String")
    return run_gate("integration", "local.stand_in=true", account=credentials, more=MORE)


def test_what_fails_says_so_without_a_value(results: Mapping[str, CheckResult], tmp_path: Path) -> None:
    assert results["secrets.is_readable[app/key]"].outcome is Outcome.PASSED
    assert results["secrets.holds_its_keys[app/key]"].reason == "secret app/key has no value for url"
    reason = results["ssm.holds_what_it_must[/app/password]"].reason
    assert (
        "holds something else (it is a secret, so not shown), declared is what matches never this" in reason
    )
    assert results["ssm.is_of_its_type[/app/password]"].outcome is Outcome.FAILED
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert [path for path in written if CANARY in path.read_text(errors="ignore")] == []


def test_a_rule_of_which_nothing_can_be_seen_is_never_a_pass(results: Mapping[str, CheckResult]) -> None:
    hidden = results["tags.are_complete[databases]"]
    assert (hidden.outcome, hidden.cause) == (Outcome.SKIPPED, Cause.NOT_EMULATED)
    assert "RDS instance db (not shown by the stand-in)" in hidden.facts["left_out"]
    empty = results["tags.are_complete[nothing]"]
    assert (empty.outcome, empty.cause) == (Outcome.INCONCLUSIVE, Cause.NOTHING_CHECKED)
    assert "is about nothing" in empty.reason
