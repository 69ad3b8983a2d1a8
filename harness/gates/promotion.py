"""``promotion``: this very release was GO in the environments that come before this one."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from harness.model import ExpectedCheck, Phase
from harness.profile.schema import Duration, GateConfig
from harness.shapes import Field

if TYPE_CHECKING:
    from harness.gates.context import GateContext
    from harness.profile import Profile
    from harness.verdict.stores import VerdictStore
    from harness.verdict.verify import Question

Place = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/(pre|post)-deploy)?$")]


class PromotionConfig(GateConfig):
    """``[gates.promotion]``."""

    budget: Duration = 120.0
    proven_in: list[Place] = Field(default_factory=list)
    """The profiles in which the last run about this release must be GO: ``staging`` before a deploy there, ``staging/post-deploy``
    after it."""

    @property
    def places(self) -> tuple[tuple[str, Phase], ...]:
        """`proven_in` as profiles and phases, each once."""
        parts = (place.partition("/") for place in self.proven_in)
        return tuple(dict.fromkeys((name, Phase(phase or Phase.PRE_DEPLOY)) for name, _, phase in parts))

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401
        """One check a profile and phase."""
        for name, when in self.places:
            yield ExpectedCheck(f"{gate}.verdicts.is_go[{name}/{when}]", gate, f"{name}/{when}")
        yield from super().expected(gate, profile, phase)

    def parameters(self, profile: Any, phase: Phase) -> Mapping[str, Iterable[tuple[str, Any]]]:  # noqa: ANN401, ARG002
        """The profiles and phases."""
        return {"place": [(f"{name}/{when}", (name, when)) for name, when in self.places]}


def store_of(context: "GateContext", profile: "Profile") -> "VerdictStore":
    """Where the verdicts of another environment are read: its own store, or its reports folder on this machine."""
    from harness.verdict.named_store import chosen, located, open_store

    reports = str(context.root / profile.reports.path)
    return open_store(chosen(profile) or located(reports), region=profile.aws.region)


def asked_of(context: "GateContext", profile: "Profile", phase: Phase) -> "Question":
    """What is asked of another environment's verdict: the images of this run by their digests, else its source."""
    from datetime import UTC, datetime

    from harness.gates import question
    from harness.verdict.info import SOURCE

    digests = {name: context.image_digest(name) for name in context.images}
    own = next((subject for subject in context.subjects if subject.name == SOURCE), None)
    source = next(iter(own.digest.values()), "") if own and not digests else ""
    return question(profile, phase, now=datetime.now(UTC), subjects=digests, source=source)
