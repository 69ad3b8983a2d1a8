import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from harness.cli.profile import app
from harness.errors import ExitCode, ProfileError
from harness.profile import Tables
from harness.profile.json_schema import profile_schema

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in [name for name in os.environ if name.upper().startswith("GONOGO")]:
        monkeypatch.delenv(name)

    def runner(command: str, *arguments: str, folder: Path = tmp_path) -> Result:
        options = [] if command == "schema" else ["--profiles", str(folder)]
        return CliRunner().invoke(app, [command, *arguments, *options])

    return runner


def _json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_list_names_every_profile_and_what_is_wrong_with_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("x = 1")
    rows = {row["name"]: row for row in _json(run("list", "--json"))}
    assert set(rows) == {"base", "local", "dev", "staging", "prod", "mine"}
    assert rows["mine"]["description"] == "not valid: profile 'mine' has 1 problem:"
    assert rows["mine"]["file"] == str(tmp_path / "mine.toml")
    assert rows["prod"]["description"].startswith("Production")
    lines = run("list").stdout.splitlines()
    assert lines[0].split()[0] == "profile"
    assert len(lines) == 1 + len(rows)


def test_show_tells_every_value_and_where_it_comes_from(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GONOGO_AWS__REGION", "eu-west-1")
    overrides = ("--set", "gates.unit.min_tests=7", "--set", "gates.unit.branch=true")
    shown = _json(run("show", "staging", "--json", *overrides))
    assert shown["profile"] == "staging"
    values = shown["settings"]
    assert values["gates.unit.min_tests"] == {"value": 7, "source": "--set", "place": False}
    assert values["aws.region"]["source"] == "GONOGO_AWS__REGION"
    assert values["app.path"]["place"] is True
    lines = run("show", "staging", *overrides).stdout.splitlines()
    assert len(lines) == 1 + len(values)
    cells = {line.split()[0]: line.split()[1:] for line in lines}
    assert cells["gates.unit.min_tests"] == ["7", "--set"]
    assert cells["app.python"] == ['""', "default"]
    assert cells["gates.smoke.endpoints[0].url"][0] == "${WEB_ENDPOINT:-https://staging.example.com}/health"


def test_an_unknown_profile_is_an_error_for_the_command_line_to_print(run: Run) -> None:
    result = run("show", "stagign")
    assert isinstance(result.exception, ProfileError)
    assert "did you mean 'staging'" in result.exception.hint


def test_check_without_a_name_checks_all(run: Run) -> None:
    result = run("check")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{name}: valid" for name in ("base", "dev", "local", "prod", "staging")
    ]


def test_check_tells_all_problems_and_ends_with_64(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("x = 1\n[gates.unit]\nmin_tests = 0\n")
    (tmp_path / "lost.toml").write_text('extends = "nothing"\n')
    result = run("check", "mine", "lost", "dev")
    assert result.exit_code == ExitCode.USAGE
    assert result.stdout.splitlines()[0] == "mine: 2 to correct"
    assert "  mine.toml:1: x: unknown key 'x'" in result.stdout
    assert "  mine.toml:3: gates.unit.min_tests: input should be" in result.stdout
    assert "lost: 1 to correct\n  lost.toml:1: extends 'nothing', which does not exist" in result.stdout
    assert "dev: valid" in result.stdout
    result = run("check", "mine", "--json")
    assert result.exit_code == ExitCode.USAGE
    problems = json.loads(result.stdout)["mine"]
    assert [(item["source"], item["key"]) for item in problems] == [
        ("mine.toml:1", "x"),
        ("mine.toml:3", "gates.unit.min_tests"),
    ]


def test_check_tells_of_waivers_that_no_run_could_use(run: Run, tmp_path: Path) -> None:
    (tmp_path / "waivers.toml").write_text("[[waiver]]\n")
    result = run("check", "staging")
    assert result.exit_code == ExitCode.USAGE
    assert "policy.waivers: waivers.toml:1: waiver: is no key of a waiver" in result.stdout
    assert "`gonogo waivers check`" in result.stdout


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ('gates.promotion.proven_in = ["stagin"]', "did you mean 'staging'"),
        ('gates.promotion.proven_in = ["mine"]', "names 'mine' itself"),
        ('gates.promotion.proven_in = ["mute"]', "names mute/pre-deploy, where nothing is judged"),
        ('gates.integration.parity = ["stagin"]', "did you mean 'staging'"),
    ],
)
def test_check_tells_of_other_profiles_that_no_run_could_ask(
    run: Run, tmp_path: Path, key: str, says: str
) -> None:
    (tmp_path / "mute.toml").write_text('description = "Nothing yet"\n')
    (tmp_path / "mine.toml").write_text(f'{key}\nphases.pre-deploy = [["promotion", "integration"]]\n')
    for names in (("mine",), ()):
        result = run("check", *names)
        assert result.exit_code == ExitCode.USAGE
        assert f"mine: 1 to correct\n  mine.toml:1: {key.partition(' =')[0]}: " in result.stdout
        assert says in result.stdout


def test_check_of_all_leaves_a_shipped_profile_alone_whose_other_is_replaced(
    run: Run, tmp_path: Path
) -> None:
    """Who writes a ``staging`` of their own may have no use for the shipped ``prod``."""
    (tmp_path / "staging.toml").write_text('description = "Ours"\nphases.pre-deploy = [["lint"]]\n')
    assert run("check").exit_code == 0
    named = run("check", "prod")
    assert named.exit_code == ExitCode.USAGE
    assert "names staging/post-deploy, where nothing is judged" in named.stdout


def test_show_cuts_no_key_on_a_narrow_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.profile._WIDE", 60)
    out = run("show", "staging").stdout
    assert "…" not in "".join(line[:30] for line in out.splitlines())


def test_check_looks_at_overrides_too(run: Run) -> None:
    assert run("check", "dev", "--set", "gates.unit.min_tests=0").exit_code == ExitCode.USAGE


def test_diff_shows_what_differs_and_nothing_else(run: Run) -> None:
    different = _json(run("diff", "staging", "prod", "--json"))
    assert different["ecs.services[api-service-<env>].min_tasks"] == {"staging": 2, "prod": 3}
    assert different["gates.load.scenarios[api-rate]"] == {"staging": "declared", "prod": None}
    assert not any("cluster" in key for key in different), "the environment's own name is no difference"
    assert "gates.unit.coverage" not in different
    lines = run("diff", "staging", "prod").stdout.splitlines()
    assert lines[0].split() == ["key", "staging", "prod"]
    assert len(lines) == 1 + len(different)
    assert _json(run("diff", "dev", "dev", "--json")) == {}


def test_schema_prints_the_schema(run: Run, tables: Tables) -> None:
    assert _json(run("schema")) == profile_schema(tables)
