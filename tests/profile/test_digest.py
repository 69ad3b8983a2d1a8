import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest

from harness.errors import ProfileError
from harness.gates import plan
from harness.model import Phase
from harness.profile import Profile, Setting, Tables
from harness.profile.digest import LEFT_OUT, policy_digest, policy_document
from harness.profile.keys import node_at, root_type
from harness.profile.loader import bind, rebuild
from harness.profile.paths import parse_path
from harness.shapes import keys_of

Load = Callable[..., Profile]
Write = Callable[[str, str], Path]
PHASE = Phase.PRE_DEPLOY
TEXTS = (
    "200-299",
    "51/s",
    "'>= 70%'",
    "'< 3s'",
    "/elsewhere",
    "17s",
    "allow",
    "NO_GO",
    "high",
    "low",
    "read-only",
    "shared",
    "after-deploy",
    "POST",
    "000000000017",
    "api",
    "web",
    "seventeen",
)
"""Values for keys that hold text, until one is valid."""


def digest(profile: Profile, phase: Phase = PHASE) -> str:
    return policy_digest(policy_document(profile, *plan(profile, phase)))


def demands(key: str, profile: Profile) -> bool:
    return key not in profile.places and not key.startswith(LEFT_OUT)


def test_the_digest_is_the_same_every_time_and_after_a_journey(load: Load, tables: Tables) -> None:
    profile = load("staging")
    assert digest(profile) == digest(load("staging"))
    again = rebuild(json.loads(json.dumps(profile.resolved)), "staging", tables)
    assert digest(again) == digest(profile)


@pytest.mark.parametrize(
    "override",
    [
        "gates.unit.coverage=>= 79%",
        "gates.unit.min_tests=2",
        "gates.unit.sources=['apps']",
        "gates.security.bandit.severity=high",
        "gates.security.safety.ignore=['CVE-1']",
        "gates.security.safety.max_age=0s",
        "gates.load.scenarios[0].thresholds=['success_rate >= 1%']",
        "gates.integration.exclude_markers=['slow']",
        "gates.subject.budget=2m",
        "policy.skips.no_credentials=allow",
        "policy.max_age=25h",
        "policy.max_flaky=1",
        "app.require_clean=false",
        "aws.account=000000000000",
        "aws.region=eu-west-1",
        "phases.pre-deploy=[['unit']]",
        "phases.post-deploy=[['smoke']]",
        "sqs.queues=[]",
        "ecs.services[2].expect=after-deploy",
        "local.stand_in=true",
        "aws.endpoint_url=http://127.0.0.1:1",
    ],
)
def test_a_changed_rule_is_another_policy(load: Load, override: str) -> None:
    assert digest(load("staging", override)) != digest(load("staging"))


def test_a_rule_changed_by_the_environment_or_a_users_base_is_another_policy(
    load: Load, write: Write
) -> None:
    before = digest(load("staging"))
    assert digest(load("staging", environ={"GONOGO_GATES__UNIT__COVERAGE": ">= 1%"})) != before
    write("base", 'extends = "base"\n[gates.unit]\ncoverage = ">= 10%"\n')
    assert digest(load("staging")) != before


@pytest.mark.parametrize(
    "override",
    [
        "app.path=/somewhere/else",
        "app.python=.venv/bin/python",
        "gates.load.scenarios[0].url=https://staging.example.com/elsewhere",
        "gates.smoke.endpoints[0].url=https://other.example.com",
        "gates.load.allowed_hosts=['other.example.com']",
        "gates.security.safety.advisories=/mirror",
        "reports.path=/tmp/reports",
        "reports.keep=1",
        "suites.path=checks",
        "description=other words",
    ],
)
def test_a_changed_place_is_the_same_policy(load: Load, override: str) -> None:
    assert digest(load("staging", override)) == digest(load("staging"))


def test_the_same_rule_in_another_unit_is_the_same_policy(load: Load) -> None:
    assert digest(load("staging", "gates.unit.budget=300s")) == digest(load("staging"))


def test_another_emulator_is_the_same_policy_but_not_none(load: Load, tables: Tables) -> None:
    names = ("STOREFRONT", "AWS_ENDPOINT_URL", "WEB_ENDPOINT", "API_ENDPOINT")
    profile = load("local")
    bound = [bind(profile, tables, dict.fromkeys(names, f"http://127.0.0.1:{port}")) for port in (1, 2)]
    assert len({digest(item) for item in (profile, *bound)}) == 1
    assert digest(load("local", "aws.endpoint_url=")) != digest(profile)


def test_another_plan_or_version_is_another_policy(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = load("staging")
    gates, checks = plan(profile, PHASE)
    before = policy_digest(policy_document(profile, gates, checks))
    assert policy_digest(policy_document(profile, gates, checks[1:])) != before
    assert policy_digest(policy_document(profile, gates[1:], checks)) != before
    assert digest(profile, Phase.POST_DEPLOY) != before
    monkeypatch.setattr("harness.profile.digest.__version__", "0.0.0")
    assert policy_digest(policy_document(profile, gates, checks)) != before


@pytest.mark.parametrize(
    "name", ["staging", *(pytest.param(name, marks=pytest.mark.slow) for name in ("local", "dev", "prod"))]
)
def test_every_setting_that_is_no_place_counts(load: Load, name: str) -> None:
    profile = load(name)
    before = digest(profile)
    for key, setting in profile.settings.items():
        other = Setting([setting.value, "changed"], "test")
        changed = replace(profile, settings={**profile.settings, key: other})
        assert (digest(changed) != before) == demands(key, profile), key


@pytest.mark.parametrize("every", [12, pytest.param(1, marks=pytest.mark.slow)])
def test_every_setting_that_is_no_place_counts_when_overridden(
    load: Load, tables: Tables, every: int
) -> None:
    """The same from outside, with real values: one override for each key of a profile, of a list's items the first's."""
    profile = load("staging")
    before, refused = digest(profile), []
    all_ = {re.sub(r"\[\d+\]", "[]", key): key for key in list(profile.settings)[::-1]}
    first = list(all_.values())[::every]
    for key in first:
        setting = profile.settings[key]
        changed = _override(load, tables, key, setting)
        if changed is None:
            refused.append(key)
        elif key != "aws.endpoint_url":
            assert (digest(changed) != before) == demands(key, profile), key
    # The others are keys that only change together with others, or cannot at all.
    assert len(refused) < len(first) / 4, refused


def _options(path: tuple[str | int, ...], tables: Tables) -> tuple[str, ...]:
    """The values that a key of few values may have."""
    *parents, name = path
    node = node_at(root_type(tables), tuple(parents))
    field = keys_of(node.section).get(str(name)) if node is not None and node.section is not None else None
    return get_args(field.hint) if field is not None and get_origin(field.hint) is Literal else ()


def _override(load: Load, tables: Tables, key: str, setting: Setting) -> Profile | None:
    """The profile with another valid value for one key; nothing where none of those tried is valid."""
    node = node_at(root_type(tables), parse_path(key))
    assert node is not None
    match setting.value:
        case bool():
            texts: tuple[str, ...] = (str(not setting.value).lower(),)
        case int():
            texts = (str(setting.value + 1), str(setting.value - 1))
        case str():
            written = node.written.examples if node.written else ()
            texts = (*written, *_options(parse_path(key), tables), *TEXTS)
        case list():
            texts = ("['x']", "[['lint']]", "['p99 < 3s']", "[]")
        case _:
            texts = ("{ x = 'y' }",)
    for text in texts:
        try:
            changed = load("staging", f"{key}={text}")
        except ProfileError:
            continue
        if key not in changed.settings or changed.settings[key].value != setting.value:
            return changed
    return None
