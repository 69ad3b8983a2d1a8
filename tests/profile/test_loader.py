import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ExitCode, ProfileError
from harness.gates.load import LoadConfig
from harness.gates.unit import UnitConfig
from harness.model import Phase
from harness.profile import Profile, Tables
from harness.profile.loader import bind, load_profile, rebuild
from harness.profile.problems import InvalidProfileError
from harness.profile.sources import Tree, available, own_folder

Load = Callable[..., Profile]
Write = Callable[[str, str], Path]


def test_what_is_not_written_has_the_declared_default(write: Write, load: Load, tables: Tables) -> None:
    write("empty", "")
    profile = load("empty")
    assert profile.gates == {name: kind() for name, kind in tables.gates.items()}
    assert profile.phases == {}
    assert profile.resources == dict.fromkeys(tables.resources, ())
    assert {setting.source for setting in profile.settings.values()} == {"default"}
    assert profile.settings["gates.unit.budget"].value == "5m"
    assert profile.settings["gates.unit.coverage"].value == "coverage >= 80%"


def test_a_child_lies_over_its_parent_and_every_value_knows_its_line(write: Write, load: Load) -> None:
    write(
        "parent",
        '[app]\npath = "a"\nimages = { api = "x" }\n[gates.unit]\ntests = ["one", "two"]\nmin_tests = 3\n'
        '[[gates.smoke.endpoints]]\nname = "a"\nurl = "http://a"\n'
        '[[gates.smoke.endpoints]]\nname = "b"\nurl = "http://b"\n',
    )
    write(
        "child",
        'extends = "parent"\n[app.images]\nweb = "y"\n[gates.unit]\ntests = ["three"]\n'
        '[[gates.smoke.endpoints]]\nname = "c"\nurl = "http://c"\n[phases]\npre-deploy = [["unit"], ["load"]]\n',
    )
    profile = load("child")
    assert profile.app.images == {"api": "x", "web": "y"}
    assert profile.gate("unit", UnitConfig).tests == ["three"]
    assert profile.gate("unit", UnitConfig).min_tests == 3
    assert profile.phases == {Phase.PRE_DEPLOY: (("unit",), ("load",))}
    sources = {key: setting.source for key, setting in profile.settings.items()}
    assert sources["app.path"] == "parent.toml:2"
    assert sources["app.images.api"] == "parent.toml:3"
    assert sources["app.images.web"] == "child.toml:3"
    assert sources["gates.unit.tests"] == "child.toml:5"
    assert sources["gates.smoke.endpoints[0].url"] == "child.toml:8"
    assert "gates.smoke.endpoints[1].url" not in sources
    assert profile.places >= {"app.path", "gates.smoke.endpoints[0].url", "gates.load.allowed_hosts"}
    assert "gates.smoke.endpoints[0].name" not in profile.places


def test_a_users_profile_extends_the_shipped_one_of_its_name(write: Write, load: Load) -> None:
    write("staging", 'extends = "staging"\n[aws]\nregion = "eu-west-1"\n')
    profile = load("staging")
    assert (profile.aws.region, profile.settings["aws.region"].source) == ("eu-west-1", "staging.toml:3")
    assert profile.settings["aws.account"].source.startswith("shipped:staging.toml:")
    assert profile.settings["gates.unit.coverage"].source.startswith("base.toml:")


def test_a_users_base_lies_under_the_shipped_profiles(write: Write, load: Load) -> None:
    write("base", 'extends = "base"\n[gates.unit]\ncoverage = ">= 10%"\n')
    profile = load("staging")
    assert profile.settings["gates.unit.coverage"].value == "coverage >= 10%"
    assert profile.settings["gates.unit.sources"].source.startswith("shipped:base.toml:")


def test_a_file_may_be_named_by_its_path(write: Write, tables: Tables, tmp_path: Path) -> None:
    path = write("mine", 'extends = "base"\n[aws]\nregion = "eu-west-3"\n')
    profile = load_profile(str(path), tables, folder=tmp_path / "elsewhere", environ={})
    assert (profile.name, profile.aws.region) == ("mine", "eu-west-3")


def test_the_process_environment_is_read_unless_another_is_given(
    write: Write, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("empty", "")
    monkeypatch.setenv("GONOGO_AWS__REGION", "eu-south-1")
    assert load_profile("empty", tables, folder=tmp_path).aws.region == "eu-south-1"


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        ({}, "stagin", "no profile 'stagin'.*\n.*did you mean 'staging'"),
        ({}, "../base", "no profile"),
        ({}, "nowhere/x.toml", "no profile file nowhere/x.toml"),
        ({"a": 'extends = "bse"'}, "a", "a.toml:1: extends 'bse'.*\n.*did you mean 'base'"),
        ({"a": "\nextends = 3"}, "a", "a.toml:2: extends must be the name"),
        ({"a": 'extends = "a"'}, "a", "a.toml:1: .*circle: a.toml → a.toml"),
        ({"a": 'extends = "b"', "b": 'extends = "a"'}, "a", "b.toml:1: .*circle: a.toml → b.toml → a.toml"),
        ({"a": "x = ]"}, "a", "a.toml is no valid TOML: .*line 1"),
        ({"a": f"x = {'[' * 100_000}"}, "a", "a.toml is no valid TOML: .*more than 32 deep"),
        ({"a": f"[{'a.' * 40}a]"}, "a", "a.toml is no valid TOML: .*more than 32 deep"),
        ({"a": f"x = {'9' * 5000}"}, "a", "a.toml is no valid TOML: .*4300 digits"),
        (
            {"a": f"[policy]\nwaiver_days = 0x{'f' * 5000}"},
            "a",
            "a.toml is no valid TOML: .*more than 64 bits",
        ),
        ({"a": '[reports]\npath = "a\\u0000b"'}, "a", "a.toml is no valid TOML: .*holds a NUL"),
        ({"a": '[store]\nuri = "file:///a\\u0000b"'}, "a", "a.toml is no valid TOML: .*holds a NUL"),
        ({"a": f"x = '{'x' * 5_000_000}'"}, "a", "a.toml cannot be read: .*larger than 4000000 bytes"),
        ({"a": "description = 'ok\udcff'"}, "a", "a.toml cannot be read"),
    ],
)
def test_files_that_cannot_be_used(
    tmp_path: Path, load: Load, files: dict[str, str], name: str, message: str
) -> None:
    for stem, text in files.items():
        (tmp_path / f"{stem}.toml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ProfileError, match=message) as caught:
        load(name)
    assert caught.value.exit_code == ExitCode.USAGE


def test_own_profiles_come_before_the_shipped_ones(write: Write, tmp_path: Path) -> None:
    path = write("dev", "")
    found = available(tmp_path)
    assert found["dev"] == path
    assert found["prod"].parent != tmp_path
    assert set(found) == {"base", "local", "dev", "staging", "prod"}


def test_windows_line_ends_do_not_move_lines(tmp_path: Path, load: Load) -> None:
    (tmp_path / "a.toml").write_bytes(b'# one\r\n[aws]\r\nregion = "x"\r\n')
    assert load("a").settings["aws.region"].source == "a.toml:3"


_keys = st.sampled_from(["a", "b", "c"])
_tables = st.dictionaries(
    _keys,
    st.recursive(
        st.integers(0, 9) | st.lists(st.integers(0, 9), max_size=2),
        lambda inner: st.dictionaries(_keys, inner, max_size=3),
        max_leaves=6,
    ),
)


def _merged(low: Any, high: Any) -> Any:
    if isinstance(low, dict) and isinstance(high, dict):
        both = {key: _merged(low[key], high[key]) for key in low.keys() & high.keys()}
        return {**low, **high, **both}
    return high


@given(st.lists(_tables, min_size=1, max_size=3))
def test_later_layers_win_and_every_leaf_names_the_layer_it_came_from(layers: list[dict[str, Any]]) -> None:
    tree = Tree()
    expected: Any = {}
    for index, layer in enumerate(layers):
        tree.lay(layer, lambda _, label=str(index): label)  # type: ignore[misc] # bound now, not later
        expected = _merged(expected, layer)
    assert tree.values == expected

    def check(path: tuple[str, ...], value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, item in value.items():
                check((*path, key), item)
        elif not isinstance(value, dict):
            last = max(i for i, layer in enumerate(layers) if _get(layer, path) == value)
            assert int(tree.leaf_origin(path)) <= last
            assert _get(layers[int(tree.leaf_origin(path))], path) == value

    check((), tree.values)


def _get(layer: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        layer = layer.get(key) if isinstance(layer, dict) else None
    return layer


@pytest.mark.parametrize("name", ["base", "dev", "staging", "prod", "local"])
def test_a_profile_travels_through_json_and_is_the_same(name: str, load: Load, tables: Tables) -> None:
    profile = load(name)
    again = rebuild(json.loads(json.dumps(profile.resolved)), name, tables)
    assert again == profile
    sources = {key: setting.source for key, setting in profile.settings.items()}
    assert rebuild(profile.resolved, name, tables, sources=sources).settings == profile.settings


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    coverage=st.integers(0, 100),
    tests=st.lists(st.text(st.characters(codec="ascii", exclude_characters="$\0"), max_size=5)),
    seconds=st.integers(1, 10**6),
    region=st.text("abc-1", min_size=1),
)
def test_round_trip_of_any_values(
    load: Load, tables: Tables, coverage: int, tests: list[str], seconds: int, region: str
) -> None:
    profile = load(
        "staging",
        f"gates.unit.coverage=>= {coverage}%",
        f"gates.unit.tests={json.dumps(tests).replace(chr(127), chr(92) + 'u007f')}",
        f"gates.unit.budget={seconds}s",
        f"aws.region={region}",
    )
    assert profile.gate("unit", UnitConfig).tests == tests
    assert profile.gate("unit", UnitConfig).budget == seconds
    assert profile.aws.region == region
    assert rebuild(profile.resolved, "staging", tables) == profile


def test_a_profile_that_was_tampered_with_is_not_rebuilt(load: Load, tables: Tables) -> None:
    resolved = {**load("staging").resolved, "unit": {}}
    with pytest.raises(InvalidProfileError, match="unknown key 'unit'"):
        rebuild(resolved, "staging", tables)


def test_places_are_bound_and_say_by_what(load: Load, tables: Tables) -> None:
    profile = load("local", 'gates.load.allowed_hosts=["${HOST:-127.0.0.1}", "b"]')
    place = {
        "STOREFRONT": "/shop",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "WEB_ENDPOINT": "http://b:1",
        "API_ENDPOINT": "http://b:2",
    }
    bound = bind(profile, tables, place)
    assert (bound.app.path, bound.aws.endpoint_url) == ("/shop", "http://127.0.0.1:1")
    assert bound.gate("load", LoadConfig).scenarios[0].url == "http://b:2/v1/api/health"
    assert bound.gate("load", LoadConfig).allowed_hosts == ["127.0.0.1", "b"]
    assert bound.settings["app.path"].source == profile.settings["app.path"].source + " (STOREFRONT)"
    assert bound.settings["app.path"].value == "/shop"
    assert bound.settings["gates.load.allowed_hosts"].source == "--set (HOST)"
    assert "gates.load.allowed_hosts" in bound.overrides()
    assert profile.app.path == "${STOREFRONT}"
    assert bind(bound, tables, {}) == bound
    assert rebuild(bound.resolved, "local", tables) == bound


def test_an_unset_or_empty_variable_is_an_error_that_names_key_line_and_variable(
    load: Load, tables: Tables
) -> None:
    profile = load("local", "gates.smoke.endpoints=[]", "gates.load.scenarios=[]")
    with pytest.raises(InvalidProfileError) as caught:
        bind(profile, tables, {"STOREFRONT": ""})
    assert {(problem.key, problem.source.partition(":")[0]) for problem in caught.value.problems} == {
        ("app.path", "local.toml"),
        ("aws.endpoint_url", "local.toml"),
        ("endpoints.http[0].url", "local.toml"),
        ("endpoints.tcp[0].address", "local.toml"),
        ("gates.security.safety.advisories", "local.toml"),
        ("journeys.domains[0].url", "local.toml"),
    }
    assert "needs the variable STOREFRONT" in caught.value.message


def test_a_default_stands_in_for_an_unset_or_empty_variable(load: Load, tables: Tables) -> None:
    for environ in ({}, {"WEB_ENDPOINT": ""}):
        bound = bind(load("staging"), tables, environ)
        assert bound.settings["gates.smoke.endpoints[0].url"].value == "https://staging.example.com/health"


def test_asking_for_a_gate_as_another_kind_is_an_error(load: Load) -> None:
    with pytest.raises(ProfileError, match="gate 'unit' is configured as UnitConfig"):
        load("dev").gate("unit", LoadConfig)


def test_resources_are_found_by_their_kind(load: Load, tables: Tables) -> None:
    kind = tables.resources["rds.instances"]
    assert [item.id for item in load("prod").of(kind)] == ["rds-prod"]


TOO_LONG = "9" * 300
"""More than any file may be called."""


def test_a_name_that_no_file_can_have_is_that_of_no_profile(
    write: Write, load: Load, tmp_path: Path, tables: Tables
) -> None:
    write("child", f'extends = "{TOO_LONG}"')
    with pytest.raises(ProfileError, match=r"child.toml:1: extends '9+', which does not exist"):
        load("child")
    for name in (TOO_LONG, f"{TOO_LONG}.toml", "a\x00b", "a\x00b.toml"):
        with pytest.raises(ProfileError, match="there is no profile"):
            load_profile(name, tables, folder=tmp_path, environ={})
    with pytest.raises(ProfileError, match="there is no such folder"):
        own_folder(TOO_LONG)
