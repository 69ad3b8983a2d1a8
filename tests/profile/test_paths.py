import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ProfileError
from harness.profile.paths import Path, dotted, parse_path, walk

_names = st.text(st.characters(codec="utf-8", exclude_characters='"'), max_size=8)
_paths = st.builds(
    lambda head, rest: (head, *rest), _names, st.lists(st.one_of(_names, st.integers(0, 99)), max_size=4)
)


@given(_paths)
def test_a_written_key_reads_back(path: Path) -> None:
    assert parse_path(dotted(path)) == path


def test_keys_read_as_people_write_them() -> None:
    assert parse_path("gates.load.scenarios[0].url") == ("gates", "load", "scenarios", 0, "url")
    assert parse_path("phases.pre-deploy") == ("phases", "pre-deploy")
    assert parse_path("app.images.'a.b'") == ("app", "images", "a.b")


@pytest.mark.parametrize("text", ["", ".", "a.", "a..b", "[0]", "a b", "a[x]", "a[0"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ProfileError, match="is not a key"):
        parse_path(text)


def test_walking_visits_tables_lists_and_values() -> None:
    assert [path for path, _ in walk({"a": {"b": [1, {"c": 2}]}})] == [
        ("a",),
        ("a", "b"),
        ("a", "b", 0),
        ("a", "b", 1),
        ("a", "b", 1, "c"),
    ]
