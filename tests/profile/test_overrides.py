from collections.abc import Callable
from pathlib import Path

import pytest

from harness.gates.load import LoadConfig
from harness.gates.unit import UnitConfig
from harness.model import Phase
from harness.profile import Profile, Tables
from harness.profile.keys import known_keys, node_at, root_type
from harness.profile.overrides import NOT_SETTINGS, env_name
from harness.profile.problems import InvalidProfileError

Load = Callable[..., Profile]
Write = Callable[[str, str], Path]


def test_the_command_line_goes_over_the_environment_and_that_over_files(load: Load) -> None:
    variable = {"GONOGO_AWS__REGION": "from-env", "GONOGO_AWS__ACCESS": "read-only"}
    profile = load("staging", "aws.region=from-set", environ=variable)
    assert (profile.aws.region, profile.aws.access) == ("from-set", "read-only")
    assert {key: setting.source for key, setting in profile.overrides().items()} == {
        "aws.region": "--set",
        "aws.access": "GONOGO_AWS__ACCESS",
    }


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("gates.unit.coverage=>= 90%", "gates.unit.coverage", "coverage >= 90%"),
        ('gates.unit.coverage=">= 90%"', "gates.unit.coverage", "coverage >= 90%"),
        ('gates.unit.sources=["src", "lib"]', "gates.unit.sources", ["src", "lib"]),
        ("gates.unit.min_tests = 7", "gates.unit.min_tests", 7),
        ("app.require_clean=false", "app.require_clean", False),
        ("app.path=/srv/app", "app.path", "/srv/app"),
        ("app.path=2026", "app.path", "2026"),
        ("app.python=true", "app.python", "true"),
        ("aws.account=210987654321", "aws.account", "210987654321"),
        ("aws.account=000000000000", "aws.account", "000000000000"),
        ("aws.region=eu=1", "aws.region", "eu=1"),
        ("app.images.worker=7", "app.images.worker", "7"),
        ("app.images={ x = 'y' }", "app.images.x", "y"),
        ('phases.pre-deploy=[["unit"]]', "phases.pre-deploy", [["unit"]]),
        ("gates.load.scenarios[1].users=9", "gates.load.scenarios[1].users", 9),
        ("gates.load.scenarios[0].thresholds[1]=p99 < 1s", "gates.load.scenarios[0].thresholds", None),
    ],
)
def test_one_key_is_overridden(load: Load, override: str, key: str, value: object) -> None:
    setting = load("staging", override).settings[key]
    assert setting.source == "--set"
    assert value is None or setting.value == value


def test_a_table_given_as_an_override_is_merged_and_an_item_leaves_the_others(load: Load) -> None:
    profile = load("staging", "app.images={ x = 'y' }", "gates.load.scenarios[0].thresholds[1]=p99 < 1s")
    assert profile.app.images == {"api": "api", "web": "web", "x": "y"}
    assert profile.settings["app.images.api"].source.startswith("base.toml:")
    scenario = profile.gate("load", LoadConfig).scenarios[0]
    assert [rule.text for rule in scenario.thresholds] == ["success_rate >= 95%", "p99 < 1s", "p95 < 5s"]


def test_the_last_of_several_overrides_of_a_key_holds(load: Load) -> None:
    profile = load("staging", "gates.unit.min_tests=2", "gates.unit.min_tests=3")
    assert profile.gate("unit", UnitConfig).min_tests == 3


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("GONOGO_GATES__UNIT__MIN_TESTS", "4", "gates.unit.min_tests", 4),
        ("gonogo_gates__unit__min_tests", "4", "gates.unit.min_tests", 4),
        ("GONOGO_PHASES__PRE_DEPLOY", '[["lint"]]', "phases.pre-deploy", [["lint"]]),
        ("GONOGO_GATES__LOAD__SCENARIOS__2__USERS", "3", "gates.load.scenarios[2].users", 3),
        ("GONOGO_APP__IMAGES__API", "other", "app.images.api", "other"),
        ("GONOGO_APP__IMAGES__NEW_ONE", "repo", "app.images.new_one", "repo"),
        ("GONOGO_DESCRIPTION", "ours", "description", "ours"),
        ("GONOGO_GATES__SECURITY__SAFETY__MAX_AGE", "3d", "gates.security.safety.max_age", "3d"),
    ],
)
def test_a_variable_overrides_the_key_it_names(
    load: Load, name: str, text: str, key: str, value: object
) -> None:
    setting = load("staging", environ={name: text}).settings[key]
    assert (setting.value, setting.source) == (value, name)
    assert list(load("staging", environ={name: text}).overrides()) == [key]


@pytest.mark.parametrize("text", ["9" * 5000, "0x" + "f" * 5000, "[" * 5000])
def test_a_value_that_no_file_could_hold_is_a_text_of_the_wrong_kind(load: Load, text: str) -> None:
    with pytest.raises(InvalidProfileError, match=r"policy\.waiver_days: must be a whole number"):
        load("staging", f"policy.waiver_days={text}")


def test_a_file_is_no_variable_whatever_it_is_called(write: Write, load: Load) -> None:
    write("gonogo_app", 'extends = "GONOGO_BASE"\n[aws]\nregion = "eu-west-1"\n')
    write("GONOGO_BASE", 'description = "ours"\n')
    assert load("gonogo_app").overrides() == {}


def test_a_variable_reaches_a_free_key_whose_name_holds_a_hyphen(write: Write, load: Load) -> None:
    write("a", '[app.images]\nControl-Plane = "x"\n')
    profile = load("a", environ={"GONOGO_APP__IMAGES__CONTROL_PLANE": "y"})
    assert profile.app.images == {"Control-Plane": "y"}


def test_every_known_key_has_a_variable_of_its_own(tables: Tables) -> None:
    names = [env_name(path) for path, _ in known_keys(root_type(tables))]
    assert len(set(names)) == len(names)
    assert not NOT_SETTINGS & set(names)


def test_variables_of_the_program_and_of_others_are_left_alone(load: Load) -> None:
    environ = dict.fromkeys([*NOT_SETTINGS, "GONOGO_SOMETHING", "GONOGO", "AWS__REGION", "PATH"], "x")
    assert load("staging", environ=environ).overrides() == {}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("GONOGO_GATES__UNIT__COVRAGE", "GONOGO_GATES__UNIT__COVRAGE: names no key.*UNIT__COVERAGE"),
        ("GONOGO_GATES__UNIT__COVERAGE__X", "GONOGO_GATES__UNIT__COVERAGE__X: names no key"),
        ("GONOGO_AWS_REGION", "GONOGO_AWS_REGION: names no key.*did you mean 'GONOGO_AWS__REGION'"),
        ("GONOGO_APP__IMAGES__", "names no key"),
        ("GONOGO_QQQQQ__ZZZZZ", "names no key of a profile; see `gonogo profile show`"),
        ("GONOGO_GATES__LOAD__SCENARIOS__X__USERS", "names no key"),
        ("GONOGO_GATES__LOAD__SCENARIOS__9__USERS", "gates.load.scenarios has no item 9"),
        ("GONOGO_GATES__UNIT__MIN_TESTS", "GONOGO_GATES__UNIT__MIN_TESTS: gates.unit.min_tests: must be"),
    ],
)
def test_a_variable_that_names_nothing_is_an_error(load: Load, name: str, message: str) -> None:
    with pytest.raises(InvalidProfileError, match=message):
        load("staging", environ={name: "x"})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("gates.unit.covrage=1", "--set: gates.unit.covrage: unknown key 'covrage'; did you mean 'coverage'"),
        ("gate.unit.coverage=1", "unknown key 'gate'; did you mean 'gates'"),
        ("extends=prod", "--set: extends: is read from files only"),
        ("aws.region", "has no value; write it as key=value"),
        ("=x", "'' is not a key"),
        ("aws.region.x=1", "aws.region.x: has no item named 'x'"),
        ("aws.region[0]=1", "aws.region has no item 0"),
        ("gates.load.scenarios.users=1", "has no item named 'users'"),
        ("gates.load.scenarios[7].users=1", "gates.load.scenarios has no item 7"),
        ("gates.unit.sources[0].x=1", "gates.unit.sources\\[0\\].x: has no item named 'x'"),
        ("gates.unit[0]=1", "has no item named 0"),
        ("gates.unit.min_tests=many", "--set: gates.unit.min_tests: must be a whole number, not 'many'"),
        ("gates.unit.min_tests=true", "must be a whole number, not True"),
        ("gates.unit.sources=[a]", "must be a list, not '\\[a\\]'"),
        ("gates.unit.min_tests=1\nbranch=true", "must be a whole number"),
    ],
)
def test_an_override_that_names_nothing_or_does_not_fit_is_an_error(
    load: Load, override: str, message: str
) -> None:
    with pytest.raises(InvalidProfileError, match=message):
        load("staging", override)


def test_an_override_through_a_value_of_the_wrong_type_is_an_error(write: Write, load: Load) -> None:
    write("a", "app = 3\n")
    with pytest.raises(InvalidProfileError, match=r"--set: app\.path: app is no table"):
        load("a", "app.path=x")


def test_nodes_below_a_list_of_values_are_the_lists_own(tables: Tables) -> None:
    root = root_type(tables)
    hosts = node_at(root, ("gates", "load", "allowed_hosts", 0))
    assert hosts is not None
    assert hosts.place
    assert node_at(root, ("phases", Phase.PRE_DEPLOY.value, 0, 0)) is not None
