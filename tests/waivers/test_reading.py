"""What a file of waivers may say; whatever else it says is told with its line, and waives nothing."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model import Waiver
from harness.profile.waivers import WaiverFile, read_waivers

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GOOD = """
[[waivers]]
id = "W-1"
finding = "B324"
path = "apps/api/etag.py"
scope = { environment = ["staging", "dev"], image = "api" }
owner = "ana"
reason = "MD5 names a cache entry"
created = 2026-11-02
expires = 2026-12-01
"""
CHECK = GOOD.replace(
    'finding = "B324"\npath = "apps/api/etag.py"', 'check = "integration.sqs.is_quiet[orders-*]"'
)


def read(folder: Path, text: str, *, days: int = 90, now: datetime = NOW) -> WaiverFile:
    path = folder / "waivers.toml"
    path.write_text(text)
    return read_waivers(path, days=days, environments=("dev", "staging", "prod"), now=now)


def test_a_waiver_is_read_and_a_date_lasts_to_its_end(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    assert found.problems == ()
    assert found.waivers == (
        Waiver(
            "W-1",
            ("staging", "dev"),
            "ana",
            "MD5 names a cache entry",
            datetime(2026, 11, 2, tzinfo=UTC),
            datetime(2026, 12, 2, tzinfo=UTC),
            finding="B324",
            path="apps/api/etag.py",
            image="api",
        ),
    )
    assert (found.of("dev"), found.of("prod"), found.problem) == (found.waivers, (), "")


def test_a_time_is_over_when_it_comes(tmp_path: Path) -> None:
    (one,) = read(tmp_path, CHECK.replace("2026-12-01", "2026-12-01T08:00:00Z")).waivers
    assert one.expires == datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert one.check == "integration.sqs.is_quiet[orders-*]"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "waivers = []\n"])
def test_an_empty_file_waives_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == WaiverFile(tmp_path / "waivers.toml")


def test_a_file_that_is_not_there_is_a_problem_only_where_it_was_named(tmp_path: Path) -> None:
    path = tmp_path / "waivers.toml"
    assert read_waivers(path, days=90, environments=(), now=NOW).problems == ()
    named = read_waivers(path, days=90, environments=(), now=NOW, must_exist=True)
    assert named.problem == "waivers.toml: there is no such file"


WRONG = [
    ('id = "W-1"', 'id = "W 1"', "waivers.toml:3: waivers[0].id: must be a name"),
    ('id = "W-1"', "id = 1", "must be a name"),
    ('id = "W-1"\n', "", "waivers[0].id: is missing"),
    ('owner = "ana"', 'owner = " "', "waivers.toml:7: waivers[0].owner: must be text in one line"),
    ('owner = "ana"', 'owner = "a\\nb"', "must be text in one line"),
    ('owner = "ana"', "owner = ['ana']", "must be text in one line"),
    ('owner = "ana"', 'ovner = "ana"', "waivers[0].ovner: is no key of a waiver; did you mean 'owner'?"),
    ("MD5 names a cache entry", "because", "must say why, in 10 characters"),
    ('finding = "B324"', 'finding = "B105"', "a secret that leaked cannot be waived"),
    ('finding = "B324"', 'finding = "test"', "is not the id of a rule"),
    ('finding = "B324"', 'finding = "B*"', "is not the id of a rule"),
    ('finding = "B324"\n', "", "either a check or a finding"),
    ('finding = "B324"', 'finding = "B324"\ncheck = "unit.a.b"', "either a check or a finding"),
    ('finding = "B324"', 'check = "unit.a.b"', "path: goes with a finding"),
    ('["staging", "dev"]', '"staging"', "must be a list of profiles"),
    ('["staging", "dev"]', "[]", "must be a list of profiles"),
    ('["staging", "dev"]', '["*"]', "'*' is no profile; a waiver names each environment"),
    ('["staging", "dev"]', "[1]", "1 is no profile"),
    ('["staging", "dev"]', '["stagin"]', "there is no profile 'stagin'; did you mean 'staging'?"),
    ('["staging", "dev"]', '["dev", "dev"]', "names a profile twice"),
    ('environment = ["staging", "dev"], ', "", "names no environment"),
    ('scope = { environment = ["staging", "dev"], image = "api" }', 'scope = "staging"', "must be a table"),
    ('image = "api"', 'image = "api:v1"', "must be an image's name"),
    ('image = "api"', 'image = "api@sha256:abc"', "must be an image's name"),
    ('image = "api"', 'imgae = "api"', "is no key of a waiver; did you mean 'image'?"),
    ("created = 2026-11-02", 'created = "2026-11-02"', "must be a date such as 2026-12-01, without quotes"),
    ("created = 2026-11-02", "created = 2026-11-02T08:00:00", "or a time in UTC"),
    ("created = 2026-11-02", "created = 2026-11-02T08:00:00+01:00", "or a time in UTC"),
    ("created = 2026-11-02", "created = 2026-11-24", "is in the future; it is 2026-11-23 12:00 UTC"),
    ("created = 2026-11-02", "created = 1900-01-01", "1900 is no year that is meant"),
    ("expires = 2026-12-01", "expires = 9999-12-31", "9999 is no year that is meant"),
    ("expires = 2026-12-01", "expires = 2026-11-01", "is before it was created"),
    ("expires = 2026-12-01", "expires = 2027-02-01", "is more than 90 days after it was created"),
    ("expires = 2026-12-01", "expires = 08:00:00", "must be a date"),
    ("expires = 2026-12-01", "expires = 2026-13-01", "waivers.toml: is no valid TOML"),
    ("[[waivers]]", "[waivers]", "write each as [[waivers]]"),
    ("[[waivers]]", "[[waiver]]", "waiver: is no key of a waiver; did you mean 'waivers'?"),
    ("[[waivers]]", "waivers = [1]\n[x]", "write each as [[waivers]]"),
]


@pytest.mark.parametrize(("old", "new", "said"), WRONG)
def test_what_cannot_be_meant_is_told_and_waives_nothing(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in GOOD
    beside = GOOD.replace("W-1", "W-2") if old != "[[waivers]]" else ""
    found = read(tmp_path, GOOD.replace(old, new) + beside)
    assert any(said in str(problem) for problem in found.problems), found.problems
    assert found.waivers == ()
    assert found.problem


@pytest.mark.parametrize(
    "check",
    [
        "*",
        "integration",
        "integration.*",
        "integration.sqs.*",
        "integration.sqs.*[orders]",
        "*.sqs.is_quiet[a]",
        "unit.tests",
    ],
)
def test_a_pattern_stands_for_the_resource_only(tmp_path: Path, check: str) -> None:
    found = read(tmp_path, CHECK.replace("integration.sqs.is_quiet[orders-*]", check))
    assert "is no check" in found.problem


def test_what_is_released_cannot_be_waived(tmp_path: Path) -> None:
    found = read(tmp_path, CHECK.replace("integration.sqs.is_quiet[orders-*]", "subject.images.resolve[api]"))
    assert "what is released cannot be waived" in found.problem


def test_two_of_one_id_waive_nothing(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD + CHECK)
    assert found.problem == "waivers.toml:13: waivers[1].id: 'W-1' is the id of another waiver as well"


def test_ninety_days_are_enough_and_a_profile_says_how_many(tmp_path: Path) -> None:
    longest = GOOD.replace("2026-12-01", "2027-01-31")
    assert read(tmp_path, longest).problems == ()
    assert read(tmp_path, longest, days=89).waivers == ()


def test_more_problems_are_counted(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD.replace("ana", "").replace("MD5 names a cache entry", ""))
    assert found.problem.endswith(", and 1 more")


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe",
        b"waivers = [" * 20000,
        b"x = " + b"9" * 5000,
        b"[[waivers]]\nid = 0x" + b"f" * 5000,
        b'[[waivers]]\nid = "a\\u0000"',
        b"[[waivers]]\nid = ",
    ],
)
def test_bytes_that_are_no_toml(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "waivers.toml"
    path.write_bytes(raw)
    found = read_waivers(path, days=90, environments=(), now=NOW)
    assert "is no valid TOML" in found.problem
    assert found.waivers == ()


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "waivers.toml").mkdir()
    found = read_waivers(tmp_path / "waivers.toml", days=90, environments=(), now=NOW)
    assert found.problem == "waivers.toml: cannot be read: it is not a plain file"


@pytest.mark.parametrize("kind", ["pipe", "large"])
def test_what_stands_in_its_place_is_not_waited_for_nor_read_whole(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "waivers.toml"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.touch()
        os.truncate(path, 10 * 1024**3)
    found = read_waivers(path, days=90, environments=(), now=NOW)
    wrong = {"pipe": "it is not a plain file", "large": "it is larger than 4000000 bytes"}[kind]
    assert found.problem == f"waivers.toml: cannot be read: {wrong}"


_PIECES = st.sampled_from([*GOOD.splitlines(), *CHECK.splitlines(), *(new for _, new, _ in WRONG)])


@pytest.mark.parametrize("examples", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_whatever_it_holds_it_is_read_or_told(tmp_path: Path, examples: int) -> None:
    texts = st.lists(_PIECES, max_size=14).map("\n".join) | st.text(max_size=80)

    def prop(text: str, at: int, what: str) -> None:
        found = read(tmp_path, text.replace("\r", "") + GOOD[:at] + what + GOOD[at:])
        assert not (found.waivers and found.problems)
        for each in found.waivers:
            assert each.created <= NOW
            assert each.created < each.expires
            assert bool(each.check) != bool(each.finding)
            assert each.environments
            assert len(each.reason) >= 10

    rules = settings(max_examples=examples, deadline=None)
    rules(
        given(
            texts.filter(_can_be_written),
            st.integers(0, len(GOOD)),
            st.sampled_from(["", " ", '"', "\n", "[", "9"]),
        )(prop)
    )()


def _can_be_written(text: str) -> bool:
    return text.isprintable() or "\n" in text
