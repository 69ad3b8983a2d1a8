"""``subject``: what is released, by its bytes. Part of every run, before all other gates."""

from collections.abc import Iterable
from typing import Any, ClassVar

from harness.model import ExpectedCheck, Phase
from harness.profile.schema import Duration, GateConfig


class SubjectConfig(GateConfig):
    """``[gates.subject]``: nothing to set beyond what every gate has; `[app]` says what is released."""

    always: ClassVar[bool] = True
    budget: Duration = 60.0

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401
        """The source always; images are added by the run when it is asked about some."""
        yield ExpectedCheck(f"{gate}.source.committed", gate)
        yield from super().expected(gate, profile, phase)
