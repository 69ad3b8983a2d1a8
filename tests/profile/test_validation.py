from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.gates.unit import UnitConfig
from harness.load.scenario import Scenario
from harness.profile import Profile, Tables
from harness.profile.loader import load_profile
from harness.profile.problems import InvalidProfileError, Problem
from harness.profile.schema import GateConfig, Resource, Section, Size
from harness.shapes import ValidationError

Load = Callable[..., Profile]
Write = Callable[[str, str], Path]


@dataclass(frozen=True)
class Case:
    """A profile's text and the one problem it has."""

    text: str
    source: str
    key: str
    says: str


def _problems(load: Load) -> tuple[Problem, ...]:
    with pytest.raises(InvalidProfileError) as caught:
        load("a")
    return caught.value.problems


SMOKE = '[[gates.smoke.endpoints]]\nname = "a"\nurl = "http://a"\n'
SERVICE = '[[ecs.services]]\ncluster = "c"\nservice = "s"\n'


@pytest.mark.parametrize(
    "case",
    [
        Case("[gates.unit]\n\ncovrage = 1", "a.toml:3", "gates.unit.covrage", "did you mean 'coverage'?"),
        Case("[gates.unti]\nx = 1", "a.toml:1", "gates.unti", "did you mean 'unit'?"),
        Case("[ecs]\n[[ecs.servces]]\nx = 1", "a.toml:2", "ecs.servces", "valid keys: services"),
        Case("polcy = 1", "a.toml:1", "polcy", "did you mean 'policy'?"),
        Case("[phases]\npre_deploy = []", "a.toml:2", "phases.pre_deploy", "did you mean 'pre-deploy'"),
        Case("gate_0 = 1", "a.toml:1", "gate_0", "unknown key"),
        Case("[gates]\ngate_0 = {}", "a.toml:2", "gates.gate_0", "unknown key"),
        Case(
            "[gates.unit]\nmin_tests = '3'",
            "a.toml:2",
            "gates.unit.min_tests",
            "must be a whole number, not '3'",
        ),
        Case("[gates.unit]\nmin_tests = true", "a.toml:2", "gates.unit.min_tests", "must be a whole number"),
        Case(
            "[gates.unit]\nmin_tests = 0",
            "a.toml:2",
            "gates.unit.min_tests",
            "greater than or equal to 1, not 0",
        ),
        Case("[app]\nrequire_clean = 'yes'", "a.toml:2", "app.require_clean", "must be true or false"),
        Case("[app]\npath = 1", "a.toml:2", "app.path", "must be text, not 1"),
        Case("app = 1", "a.toml:1", "app", "must be"),
        Case("[gates.unit]\ntests = 'x'", "a.toml:2", "gates.unit.tests", "must be a list, not 'x'"),
        Case("[gates.unit]\ntests = [1]", "a.toml:2", "gates.unit.tests[0]", "must be text, not 1"),
        Case("[app]\nimages = 'x'", "a.toml:2", "app.images", "must be a table"),
        Case(
            "[gates.unit]\ncoverage = '80'",
            "a.toml:2",
            "gates.unit.coverage",
            "'80' is not a threshold; write it",
        ),
        Case(
            "[gates.unit]\ncoverage = 80", "a.toml:2", "gates.unit.coverage", "must be text such as '>= 80%'"
        ),
        Case("[gates.unit]\ncoverage = 'p95 < 1s'", "a.toml:2", "gates.unit.coverage", "a rule on p95"),
        Case("[gates.unit]\nbudget = '5 parsecs'", "a.toml:2", "gates.unit.budget", "is not a quantity"),
        Case("[gates.unit]\nbudget = '5%'", "a.toml:2", "gates.unit.budget", "is not a length of time"),
        Case("[gates.unit]\nbudget = 5", "a.toml:2", "gates.unit.budget", "must be text such as '30s'"),
        Case("[gates.unit]\nmemory = '5s'", "a.toml:2", "gates.unit.memory", "is not a size"),
        Case("[gates.unit]\nmemory = nan", "a.toml:2", "gates.unit.memory", "must be text such as '512MB'"),
        Case("[aws]\naccount = '1'", "a.toml:2", "aws.account", "must be the 12 digits of an AWS account"),
        Case("[store]\nuri = '/srv/x'", "a.toml:2", "store.uri", "must be s3://bucket/prefix, or file:///"),
        Case(
            "[aws]\naccess = 'read'",
            "a.toml:2",
            "aws.access",
            "'read-only' or 'read-write', not 'read'; did you",
        ),
        Case("[policy.skips]\nabsent = 'GO'", "a.toml:2", "policy.skips.absent", "must be 'allow', "),
        Case("[[ecs.services]]\ncluster = 'c'", "a.toml:1", "ecs.services[0].service", "must be set"),
        Case(
            SMOKE + "expect_json = { a = [1] }",
            "a.toml:4",
            "gates.smoke.endpoints[0].expect_json.a",
            "must be",
        ),
        Case(
            "[app]\nimages = { api = '${X}' }",
            "a.toml:2",
            "app.images.api",
            "may stand in endpoints and paths",
        ),
        Case("[aws]\naccount = '${A}'", "a.toml:2", "aws.account", "may stand in endpoints and paths only"),
        Case("[app]\npath = '${1}/x'", "a.toml:2", "app.path", "write a variable as ${NAME}"),
        Case("[app]\npath = '${A:-${B}}'", "a.toml:2", "app.path", "write a variable as ${NAME}"),
        Case(
            "[phases]\nwatch = [['unti']]",
            "a.toml:2",
            "phases.watch[0][0]",
            "no gate 'unti'; did you mean 'unit'?",
        ),
        Case(
            "[phases]\nwatch = [['unit'], ['unit']]",
            "a.toml:2",
            "phases.watch[1][0]",
            "'unit' stands twice in watch",
        ),
        Case("[phases]\nwatch = [['subject']]", "a.toml:2", "phases.watch[0][0]", "is part of every run"),
        Case(
            "[phases]\nwatch = [['unit'], []]", "a.toml:2", "phases.watch[1]", "an empty layer proves nothing"
        ),
        Case("[phases]\nwatch = ['unit']", "a.toml:2", "phases.watch[0]", "must be a list, not 'unit'"),
        Case("phases = 1", "a.toml:1", "phases", "must be"),
        Case(
            SMOKE + SMOKE,
            "a.toml:4",
            "gates.smoke.endpoints[1]",
            "'a' is declared already, as gates.smoke.endpoints[0]",
        ),
        Case(SERVICE + SERVICE, "a.toml:4", "ecs.services[1]", "'s' is declared already, as ecs.services[0]"),
        Case(
            SERVICE + SERVICE.replace('"c"', '"d"'),
            "a.toml:4",
            "ecs.services[1]",
            "'s' is declared already, as ecs.services[0]: ECS service s (cluster d) and ECS service s (cluster c) "
            "would have the same check ids",
        ),
        Case(SERVICE + "image = 'api'", "a.toml:4", "ecs.services[0].image", "'api' is no key of app.images"),
        Case(
            "[app.images]\napi = 'x'\n" + SERVICE + "image = 'apii'",
            "a.toml:6",
            "ecs.services[0].image",
            "did you mean 'api'?",
        ),
        Case("[app]\nimages = 1\n" + SERVICE + "image = 'api'", "a.toml:2", "app.images", "must be a table"),
    ],
    ids=lambda case: f"{case.key}: {case.says}",
)
def test_a_mistake_is_told_with_its_line_its_key_and_what_is_meant(
    write: Write, load: Load, case: Case
) -> None:
    write("a", case.text)
    found = _problems(load)
    assert (found[0].source, found[0].key) == (case.source, case.key)
    assert case.says in found[0].text
    assert len(found) == 1 or "image = " in case.text


def test_an_empty_image_and_a_known_one_are_fine(write: Write, load: Load) -> None:
    write(
        "a",
        "[app.images]\napi = 'x'\n"
        + SERVICE
        + "image = 'api'\n"
        + SERVICE.replace("'s'", "'t'").replace('"s"', '"t"'),
    )
    assert [item.id for item in load("a").resources["ecs.services"]] == ["s", "t"]


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_files_and_lines(
    write: Write, load: Load
) -> None:
    write("parent", "[gates.unit]\nmin_tests = 0\ncovrage = 1\n")
    write("a", 'extends = "parent"\n[phases]\npre-deploy = [["nope"]]\n\n\n\n\n\n\n[aws]\nregion = 5\n')
    found = _problems(load)
    assert [str(problem).partition(": ")[0] for problem in found] == [
        "a.toml:3",
        "a.toml:11",
        "parent.toml:2",
        "parent.toml:3",
    ]


def test_the_error_counts_its_problems_and_says_what_to_do(write: Write, load: Load) -> None:
    write("a", "x = 1")
    with pytest.raises(InvalidProfileError, match=r"profile 'a' has 1 problem:\n  a\.toml:1: x: ") as caught:
        load("a")
    assert "gonogo profile check a" in caught.value.hint


class _Ratio(Section):
    share: float = 0.5


class _Gate(GateConfig):
    """A gate of another repository."""

    ratio: _Ratio = _Ratio()
    limit: Size | None = None


class _Thing(Resource):
    fixture = "thing"
    title: str

    @property
    def id(self) -> str:
        return self.title


MORE = Tables({"my-gate": _Gate, "copy": _Gate}, {"deep.er.things": _Thing, "plain": _Thing})


def _load_more(folder: Path, text: str) -> Profile:
    (folder / "a.toml").write_text(text)
    return load_profile("a", MORE, folder=folder, environ={"GONOGO_GATES__MY_GATE__MIN_CHECKS": "2"})


def test_other_tables_bring_their_own_gates_and_resources(tmp_path: Path) -> None:
    text = "[gates.my-gate]\nlimit = '2GB'\n[[deep.er.things]]\ntitle = 'x'\n[[plain]]\ntitle = 'y'\n"
    profile = _load_more(tmp_path, text + "[phases]\nwatch = [['my-gate'], ['copy']]\n")
    assert profile.gate("my-gate", _Gate).limit == 2_000_000_000
    assert profile.gate("my-gate", _Gate).min_checks == 2
    assert [item.id for item in profile.of(_Thing)] == ["x", "y"]
    assert profile.settings["gates.my-gate.limit"].value == "2GB"
    assert profile.settings["deep.er.things[0].title"].source == "a.toml:4"


@pytest.mark.parametrize("value", ["nan", "inf", "'x'"])
def test_a_number_must_be_one(tmp_path: Path, value: str) -> None:
    with pytest.raises(InvalidProfileError, match=r"gates\.copy\.ratio\.share"):
        _load_more(tmp_path, f"[gates.copy.ratio]\nshare = {value}\n")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (UnitConfig, {"coverage": "nope"}),
        (UnitConfig, {"coverage": 80}),
        (UnitConfig, {"budget": "9 parsecs"}),
        (Scenario, {"name": "a", "url": "u", "rate": "5"}),
    ],
)
def test_in_python_too_a_wrong_value_is_a_validation_error(
    kind: type[Section], values: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(values)


def test_in_python_a_value_may_be_given_as_what_it_means() -> None:
    assert UnitConfig(budget=5).budget == 5.0
    assert UnitConfig.model_validate({"coverage": "> 1%"}).model_dump()["coverage"] == "coverage > 1%"
