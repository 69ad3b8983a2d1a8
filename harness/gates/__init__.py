"""The gates: one file per gate with its table of a profile and what it needs; one row each in `GATES`.

Adding a gate is a file here with its row, and a folder of the same name in ``suites/``.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.aws import resource_types
from harness.frozen import dataclass
from harness.model import ExpectedCheck, ExpectedGate, Phase
from harness.profile import Profile, Tables
from harness.profile.schema import GateConfig

if TYPE_CHECKING:
    from harness.verdict.verify import Question

ALWAYS = "subject"
"""The gate that is part of every run, before all others: what is released, by its bytes."""


@dataclass(frozen=True)
class Gate:
    """One kind of proof.

    `config` is the class of its table in a profile; `depends` the gates whose proof it builds on; `prepare` a
    function that runs once before its checks (``prepare(context) -> facts``, JSON values written to the ledger).
    """

    name: str
    title: str
    config: str
    depends: tuple[str, ...] = ()
    prepare: str = ""

    def config_type(self) -> type[GateConfig]:
        """The class of its table, imported now."""
        kind: type[GateConfig] = resolve(self.config)
        return kind


GATES: dict[str, Gate] = {
    gate.name: gate
    for gate in (
        Gate("subject", "What is released, by its bytes", "harness.gates.subject:SubjectConfig"),
        Gate("unit", "The application's unit tests and their coverage", "harness.gates.unit:UnitConfig"),
        Gate("lint", "Linters and formatters", "harness.gates.lint:LintConfig"),
        Gate("security", "Bandit and Safety", "harness.gates.security:SecurityConfig"),
        Gate(
            "integration",
            "The deployed environment, against AWS",
            "harness.gates.integration:IntegrationConfig",
            prepare="harness.gates.integration:survey",
        ),
        Gate(
            "load",
            "Load against the deployed endpoints",
            "harness.gates.load:LoadConfig",
            depends=("integration",),
            prepare="harness.gates.baselines:find",
        ),
        Gate(
            "promotion",
            "This release was GO in the environments before this one",
            "harness.gates.promotion:PromotionConfig",
        ),
        Gate("smoke", "Health of the deployed endpoints", "harness.gates.smoke:SmokeConfig"),
    )
}


def resolve(target: str) -> Any:  # noqa: ANN401 - what it is, the row's reader knows
    """The object behind ``module:name``."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


@cache
def tables() -> Tables:
    """What a profile may hold: every gate's table and every kind of resource. Made once: the classes of profiles rest on it."""
    return Tables({gate.name: gate.config_type() for gate in GATES.values()}, resource_types())


def plan(profile: Profile, phase: Phase) -> tuple[tuple[ExpectedGate, ...], tuple[ExpectedCheck, ...]]:
    """The gates and mandatory checks that a verdict of this profile and phase must account for, in order.

    Known from the profile alone, so that a verifier without pytest or suites derives the same list.
    """
    gates: list[ExpectedGate] = []
    checks: list[ExpectedCheck] = []
    layers = profile.phases.get(phase, ())
    names = [(layer, name) for layer, group in enumerate(layers, start=1) for name in group]
    for layer, name in [(0, ALWAYS), *names]:
        config = profile.gates[name]
        gates.append(ExpectedGate(name, layer, config.min_checks, GATES[name].depends, config.budget))
        checks.extend(config.expected(name, profile, phase))
    return tuple(gates), tuple(checks)


def question(
    profile: Profile,
    phase: Phase,
    *,
    now: datetime,
    subjects: Mapping[str, str] | None = None,
    source: str = "",
    require_evidence: bool = False,
    accept_override: bool = False,
) -> "Question":
    """What a consumer with this profile asks of a verdict: its own plan and policy, and what is about to be deployed."""
    from harness.profile.digest import policy_digest, policy_document
    from harness.verdict.verify import Question

    gates, checks = plan(profile, phase)
    digest = policy_digest(policy_document(profile, gates, checks))
    return Question(
        profile, gates, checks, digest, phase, subjects or {}, now, source, require_evidence, accept_override
    )
