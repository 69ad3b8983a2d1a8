"""``integration``: what the deployed environment must be, proven against AWS resource by resource."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from harness.model import ExpectedCheck, Phase
from harness.profile.schema import Duration, GateConfig

if TYPE_CHECKING:
    from harness.gates.context import GateContext


class IntegrationConfig(GateConfig):
    """``[gates.integration]``."""

    settle: Duration = 60.0
    """How long eventually consistent things (a rollout, a probe message) may take to become what they must be."""

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401
        """Every declared resource with its mandatory checks."""
        for group in profile.resources.values():
            for resource in group:
                for check in resource.mandatory(profile, phase):
                    yield ExpectedCheck(f"{gate}.{check}[{resource.id}]", gate, resource.id)
        yield from super().expected(gate, profile, phase)

    def parameters(self, profile: Any, phase: Phase) -> Mapping[str, Iterable[tuple[str, Any]]]:  # noqa: ANN401, ARG002
        """Every declared resource, by the fixture of its kind."""
        found: dict[str, list[tuple[str, Any]]] = {}
        for group in profile.resources.values():
            for resource in group:
                found.setdefault(resource.fixture, []).append((resource.id, resource))
        return found


def census(context: "GateContext") -> Mapping[str, Any]:
    """Ask once which declared resources exist, before any check judges one. See `harness.aws.census`."""
    from harness.aws.census import take

    return take(context.profile, context.phase).as_json()
