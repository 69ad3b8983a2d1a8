"""``unit``: the application's own tests, in a process of their own, and coverage over its whole source tree."""

from collections.abc import Iterable
from typing import Annotated, Any

from harness.model import ExpectedCheck, Phase
from harness.profile.schema import GateConfig, rule
from harness.shapes import Field
from harness.threshold import Threshold, parse

MANDATORY = ("tests.all_pass", "coverage.reaches_the_bar")


class UnitConfig(GateConfig):
    """``[gates.unit]``."""

    tests: list[str] = Field(default_factory=lambda: ["tests/unit"])
    """Test paths, relative to the application."""
    sources: list[str] = Field(default_factory=list)
    """Source folders; every Python file below them counts, imported or not."""
    coverage: Annotated[Threshold, rule("coverage")] = parse(">= 80%", metric="coverage")
    """The rule on coverage, over all sources together."""
    branch: bool = False
    """Count branches beside lines."""
    min_tests: int = Field(default=1, ge=1)
    """Fewer tests that ran prove nothing."""
    arguments: list[str] = Field(default_factory=list)
    """Further arguments for the application's pytest."""

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401
        """Tests and coverage, always."""
        yield from (ExpectedCheck(f"{gate}.{check}", gate) for check in MANDATORY)
        yield from super().expected(gate, profile, phase)
