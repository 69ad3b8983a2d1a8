"""What the command line says of itself."""

import sys
from itertools import pairwise

import pytest

from harness.cli import COMMANDS, typed
from harness.errors import ExitCode


@pytest.mark.parametrize("command", [["verify"], ["bundle"], ["selftest"]])
def test_help_has_no_line_breaks_of_the_source(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert typed.run(command, [*command, "--help"]) == ExitCode.GO
    lines = capsys.readouterr().out.partition("─ Options")[0].splitlines()
    for line, following in pairwise(lines):
        word = following.split()[:1]
        if line.strip() and word:
            assert len(line.rstrip()) + 1 + len(word[0]) > 78, f"{line!r} ends before {word[0]!r}"


def test_every_command_has_help() -> None:
    app = typed.build()
    groups = [each.typer_instance for each in app.registered_groups]
    commands = [
        *app.registered_commands,
        *(each for group in groups if group for each in group.registered_commands),
    ]
    assert len(app.registered_commands) + len(groups) == len(COMMANDS)
    assert all(each.help and "\n" not in each.help.replace("\n\n", "") for each in commands)


@pytest.mark.parametrize(
    ("given", "see"),
    [
        (["verdicts", "show"], "gonogo verdicts show --help"),
        (["keys", "nwe"], "gonogo keys --help"),
        (["verify"], "gonogo verify --help"),
    ],
)
def test_wrong_usage_names_the_help_of_the_command_itself(
    given: list[str], see: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed.run(given[:1], given) == ExitCode.USAGE
    assert f"see `{see}`" in capsys.readouterr().err


def test_the_selftest_cuts_no_name_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.cli.selftest import _show
    from harness.selftest.fault import Row
    from harness.selftest.table import FAULTS

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    _show([Row(fault, "ERROR, refused: error", True, 1.0) for fault in FAULTS.values()], 1.0)
    words = set(capsys.readouterr().out.split())
    assert set(FAULTS) <= words, "they are what --fault takes"
