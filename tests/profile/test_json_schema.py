import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harness.profile import Profile, Tables
from harness.profile.json_schema import DIALECT, FILE_NAME, profile_schema
from harness.profile.problems import InvalidProfileError
from harness.resources import shipped

NAMES = ["base", "local", "dev", "staging", "prod"]


@pytest.fixture(scope="module")
def schema(tables: Tables) -> dict[str, Any]:
    return profile_schema(tables)


@pytest.fixture(scope="module")
def validator(schema: dict[str, Any]) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_shipped_schema_is_the_one_of_these_classes(schema: dict[str, Any]) -> None:
    """Write it anew with ``gonogo profile schema > profiles/profile.schema.json``."""
    assert json.loads((shipped("profiles") / FILE_NAME).read_text()) == schema
    assert schema["$schema"] == DIALECT


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_profiles_are_valid_as_they_are_written(
    name: str, validator: Draft202012Validator
) -> None:
    with (shipped("profiles") / f"{name}.toml").open("rb") as file:
        values = tomllib.load(file)
    assert [error.message for error in validator.iter_errors(values)] == []
    assert (shipped("profiles") / f"{name}.toml").read_text().startswith(f"#:schema ./{FILE_NAME}\n")


@pytest.mark.parametrize(
    "text",
    [
        "polcy = {}",
        "[gates.unti]",
        "[gates.unit]\ncovrage = '1'",
        "[gates.unit]\ncoverage = 80",
        "[gates.unit]\ncoverage = '80%'",
        "[gates.unit]\nbudget = 300",
        "[gates.unit]\nbudget = '5 parsecs'",
        "[gates.unit]\nmemory = '5s'",
        "[gates.unit]\nmin_tests = 0",
        "[aws]\naccount = '1'",
        "[aws]\naccess = 'write'",
        "[phases]\npre-deploy = ['unit']",
        "[phases]\npre_deploy = []",
        "[[ecs.services]]\ncluster = 'c'",
        "[[gates.load.scenarios]]\nname = 'a'\nurl = 'u'\nrate = 5",
        "[[gates.load.scenarios]]\nname = 'a'\nurl = 'u'\nrate = '5/s'\nthresholds = ['>= 5%']",
    ],
)
def test_what_the_schema_refuses_the_loader_refuses_too(
    text: str, validator: Draft202012Validator, tmp_path: Path, load: Callable[..., Profile]
) -> None:
    assert list(validator.iter_errors(tomllib.loads(text)))
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(InvalidProfileError):
        load("a")


def test_defaults_are_in_their_written_form(schema: dict[str, Any]) -> None:
    unit = schema["$defs"]["UnitConfig"]["properties"]
    assert (unit["budget"]["default"], unit["memory"]["default"]) == ("5m", "4GB")
    assert unit["coverage"]["default"] == "coverage >= 80%"
    assert '"null"' not in json.dumps(schema)


def test_every_default_of_the_schema_is_valid_by_it(schema: dict[str, Any]) -> None:
    def defaults(node: object) -> None:
        if isinstance(node, dict):
            if "default" in node and "type" in node:
                Draft202012Validator(node).validate(node["default"])
            for item in node.values():
                defaults(item)

    defaults(schema)
