"""``smoke``: after the deploy, each health endpoint answers well several times in a row."""

from collections.abc import Iterable, Mapping
from typing import Any

from harness.health import HealthyAnswer
from harness.model import ExpectedCheck, Phase
from harness.profile.schema import Duration, GateConfig
from harness.shapes import Field


class Endpoint(HealthyAnswer):
    """``[[gates.smoke.endpoints]]``: one URL, and what a healthy answer is."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    probes: int = Field(default=3, ge=1, le=100)
    """Good answers in a row that make it healthy."""
    interval: Duration = 0.2
    timeout: Duration = 5.0
    deadline: Duration = 120.0
    """How long it may take to become healthy."""


class SmokeConfig(GateConfig):
    """``[gates.smoke]``."""

    endpoints: list[Endpoint] = Field(default_factory=list)

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401
        """One check an endpoint."""
        for endpoint in self.endpoints:
            yield ExpectedCheck(f"{gate}.endpoints.is_healthy[{endpoint.name}]", gate, endpoint.name)
        yield from super().expected(gate, profile, phase)

    def parameters(self, profile: Any, phase: Phase) -> Mapping[str, Iterable[tuple[str, Any]]]:  # noqa: ANN401, ARG002
        """The endpoints."""
        return {"endpoint": [(endpoint.name, endpoint) for endpoint in self.endpoints]}
