"""Linters and formatters, as the profile names them."""

from harness.fixtures import Check
from harness.gates.context import GateContext
from harness.gates.lint import LintCommand, LintConfig
from harness.scanners.interface import attempt, tell, tool_budget
from harness.scanners.linters import LintRun, scan


def test_finds_nothing(lint_command: LintCommand, context: GateContext, check: Check) -> None:
    """The linter read the application's files and found nothing."""
    run = LintRun(
        name=lint_command.name,
        command=tuple(lint_command.command),
        paths=tuple(lint_command.paths),
        app=context.app,
        work=context.work,
        budget=tool_budget(context.profile.gate("lint", LintConfig).budget),
        findings_exit_codes=tuple(lint_command.findings_exit_codes),
    )
    tell(check, attempt(scan, run))
