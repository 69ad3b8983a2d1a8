"""``integration``: what the deployed environment must be, proven against AWS resource by resource."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from harness.aws import resource_types
from harness.aws.resource import demanded
from harness.model import ExpectedCheck, Phase
from harness.profile.schema import Duration, GateConfig, Resource
from harness.shapes import Field

if TYPE_CHECKING:
    from harness.gates.context import GateContext


class IntegrationConfig(GateConfig):
    """``[gates.integration]``."""

    settle: Duration = 60.0
    """How long eventually consistent things (a rollout, a probe message) may take to become what they must be."""

    parity: list[str] = Field(default_factory=list)
    """Other profiles whose deployed environments must be like this one, but for what the profiles themselves say."""

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401
        """Every declared resource that must be there in this phase, with its mandatory checks."""
        for resource in _asked(profile, phase):
            for check in resource.mandatory(profile, phase):
                yield ExpectedCheck(f"{gate}.{check}[{resource.id}]", gate, resource.id)
        for other in self.parity:
            yield ExpectedCheck(f"{gate}.parity.is_like[{other}]", gate, other)
        yield from super().expected(gate, profile, phase)

    def parameters(self, profile: Any, phase: Phase) -> Mapping[str, Iterable[tuple[str, Any]]]:  # noqa: ANN401
        """Every kind's resources that must be there in this phase, by the fixture of the kind."""
        found: dict[str, list[tuple[str, Any]]] = {kind.fixture: [] for kind in resource_types().values()}
        for resource in _asked(profile, phase):
            found.setdefault(resource.fixture, []).append((resource.id, resource))
        return {**found, "counterpart": [(other, other) for other in self.parity]}


def _asked(profile: Any, phase: Phase) -> Iterable[Resource]:  # noqa: ANN401
    """What is judged in this phase: a queue that this very release adds is not missing before it."""
    return (item for group in profile.resources.values() for item in group if demanded(item, phase))


def survey(context: "GateContext") -> Mapping[str, Any]:
    """Read everything declared once, before any check judges it. See `harness.aws.survey`.

    The survey itself goes to a file beside the session; the census, and how often AWS was asked, to the ledger.
    """
    from harness.aws.survey import FILE, take

    found = take(context.profile, context.phase)
    found.write(context.work / FILE)
    return {**found.census.as_json(), "calls": dict(found.calls)}
