"""``lint``: commands that read the application's source; each is one check."""

from collections.abc import Iterable, Mapping
from typing import Any

from harness.model import ExpectedCheck, Phase
from harness.profile.schema import GateConfig, Section
from harness.shapes import Field


class LintCommand(Section):
    """One linter: its name, the program and arguments, and the paths it reads (appended to the arguments)."""

    name: str
    command: list[str] = Field(min_length=1)
    """``{python}`` is the interpreter of the gate."""
    paths: list[str] = Field(default_factory=lambda: ["."])
    findings_exit_codes: list[int] = Field(default_factory=lambda: [1])
    """Exit codes that mean "found something"; 0 is clean, anything else is a tool that broke."""


class LintConfig(GateConfig):
    """``[gates.lint]``."""

    commands: list[LintCommand] = Field(
        default_factory=lambda: [
            LintCommand(
                name="ruff-check", command=["{python}", "-P", "-m", "ruff", "check", "--output-format=json"]
            ),
            LintCommand(name="ruff-format", command=["{python}", "-P", "-m", "ruff", "format", "--check"]),
        ],
        min_length=1,
    )

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401
        """One check a command."""
        for command in self.commands:
            yield ExpectedCheck(f"{gate}.linters.finds_nothing[{command.name}]", gate, command.name)
        yield from super().expected(gate, profile, phase)

    def parameters(self, profile: Any, phase: Phase) -> Mapping[str, Iterable[tuple[str, Any]]]:  # noqa: ANN401, ARG002
        """The commands."""
        return {"lint_command": [(command.name, command) for command in self.commands]}
