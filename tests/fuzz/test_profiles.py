"""Whatever a profile, a file of waivers or an override says: it is read, or an error names the file and what is wrong."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz_parts import TOML_VALUES, fuzz, spoilt_bytes, spoilt_json, spoilt_text, values
from harness.errors import GonogoError, ProfileError
from harness.gates import plan, tables
from harness.model import Phase
from harness.profile.digest import policy_digest, policy_document
from harness.profile.loader import bind, load_profile
from harness.profile.waivers import read_waivers
from harness.selftest import toml

NOW = datetime(2026, 11, 10, tzinfo=UTC)
WAIVERS = """
[[waivers]]
id = "W-12"
finding = "B324"
path = "apps/api/etag.py"
scope = { environment = ["staging"], image = "api" }
owner = "ana@example.com"
reason = "MD5 names a cache entry, nothing is protected by it"
created = 2026-11-02
expires = 2026-12-01

[[waivers]]
id = "W-13"
check = "integration.sqs.has_a_dead_letter_queue[orders-*]"
scope = { environment = ["staging", "dev"] }
owner = "bo@example.com"
reason = "the queue is drained by hand until the consumer is rewritten"
created = 2026-11-02T08:00:00Z
expires = 2026-11-20T08:00:00Z
"""
ENVIRONMENTS = ("dev", "staging")


@cache
def shipped(name: str) -> str:
    """A shipped profile with what it extends laid out, short enough to be read often."""
    text = Path(f"profiles/{name}.toml").read_text()
    head, mark, rest = text.partition("[[ecs.services]]")
    return head + mark + rest[:1500].rpartition("\n\n")[0] + "\n"


def _load(folder: Path, text: str | bytes) -> None:
    """Load, plan, digest and bind it; or be told what is wrong, and where."""
    path = folder / "fuzzed.toml"
    path.write_bytes(text.encode("utf-8", "replace") if isinstance(text, str) else text)
    try:
        profile = load_profile("fuzzed", tables(), folder=folder, environ={})
        for phase in Phase:
            gates, checks = plan(profile, phase)
            assert len(policy_digest(policy_document(profile, gates, checks))) == 64
        bind(
            profile,
            tables(),
            dict.fromkeys(("WEB_ENDPOINT", "API_ENDPOINT", "AWS_ENDPOINT_URL"), "http://127.0.0.1:9"),
        )
        return
    except ProfileError as error:
        refused = error
    assert refused.hint
    assert "fuzzed" in str(refused), str(refused)


@pytest.mark.parametrize("name", ["local", "staging", "dev"])
@fuzz
@given(st.data())
def test_a_changed_profile_is_read_or_refused(tmp_path: Path, name: str, data: st.DataObject) -> None:
    _load(tmp_path, data.draw(spoilt_text(shipped(name))))


@fuzz
@given(st.data())
def test_changed_bytes_of_a_profile_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    _load(tmp_path, data.draw(spoilt_bytes(shipped("local").encode())))


@fuzz
@given(st.data())
def test_other_values_in_a_profile_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    document = data.draw(spoilt_json(tomllib.loads(shipped("staging"))))
    try:
        text = toml.dump(document)
    except (TypeError, ValueError):
        return
    _load(tmp_path, text)


@fuzz
@given(key=st.sampled_from(("gates.unit.coverage", "policy.max_age", "phases.pre-deploy", "app.images", "aws.account", "x.y")) | st.text(max_size=12),
       value=st.sampled_from(TOML_VALUES) | st.text(max_size=12))  # fmt: skip
def test_an_override_is_taken_or_refused(key: str, value: str) -> None:
    _overridden(f"{key}={value}", {f"GONOGO_{key.upper().replace('.', '__')}": value})


def _overridden(option: str, environ: Mapping[str, str]) -> None:
    try:
        load_profile("dev", tables(), folder=Path("profiles"), overrides=[option], environ=environ)
    except GonogoError as error:
        said = error.message
    else:
        said = "it is taken"
    assert said


def _read(folder: Path, text: str | bytes) -> None:
    path = folder / "waivers.toml"
    path.write_bytes(text.encode("utf-8", "replace") if isinstance(text, str) else text)
    found = read_waivers(path, days=90, environments=ENVIRONMENTS, now=NOW)
    assert bool(found.problem) == bool(found.problems)
    assert not (found.problems and found.waivers), "what cannot be read must not waive"
    for problem in found.problems:
        assert "waivers.toml" in str(problem)
    for waiver in found.waivers:
        assert set(waiver.environments) <= set(ENVIRONMENTS)
        assert waiver.created <= NOW
        assert timedelta(0) <= waiver.expires - waiver.created <= timedelta(days=91)
        assert bool(waiver.check) != bool(waiver.finding)
        assert waiver.owner.strip()
        assert len(waiver.reason) >= 10


def test_the_waivers_are_read_before_they_are_changed(tmp_path: Path) -> None:
    (tmp_path / "waivers.toml").write_text(WAIVERS)
    assert (
        len(read_waivers(tmp_path / "waivers.toml", days=90, environments=ENVIRONMENTS, now=NOW).waivers) == 2
    )


@fuzz
@given(st.data())
def test_changed_waivers_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    _read(tmp_path, data.draw(spoilt_text(WAIVERS)))
    _read(tmp_path, data.draw(spoilt_bytes(WAIVERS.encode())))


@fuzz
@given(st.data())
def test_other_values_in_waivers_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    one = {
        "id": "W",
        "finding": "B324",
        "owner": "ana",
        "reason": "because it is so",
        "created": "2026",
        "expires": "2027",
    }
    document: dict[str, Any] = {"waivers": [{**one, "scope": {"environment": ["dev"]}}]}
    try:
        text = toml.dump(
            data.draw(spoilt_json(document) | st.dictionaries(st.text(max_size=8), values, max_size=3))
        )
    except (TypeError, ValueError):
        return
    _read(tmp_path, text)
