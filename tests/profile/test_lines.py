import json
import tomllib
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.profile.lines import find_lines
from harness.profile.paths import walk

EVERYTHING = """\
# comment = 1
top = 1
"quoted key" = 'x # no comment'
dotted.inner."a.b" = 2 # comment [not.a.table]
text = \"\"\"
[no.table]
key = "no" \\\"\"\" still text
\"\"\"
literal = '''
[no] = ''''
date = 2026-11-01T10:00:00Z

[table]
list = [ # comment
  "a", # ] comment
  [1, 2],
  { x = 1, y.z = { deep = true } },
]

[table.sub]
empty = []
nothing = {}

[[array]]
name = "first"
[array.child]
key = 1
[[array.many]]
n = 1

[[array]]
name = "second"
[[array.many]]
n = 2
[[array.many]]
n = 3
"""


def test_every_key_of_every_form_is_found_on_its_line() -> None:
    lines = find_lines(EVERYTHING)
    at = {
        ("top",): 2,
        ("quoted key",): 3,
        ("dotted", "inner", "a.b"): 4,
        ("text",): 5,
        ("literal",): 9,
        ("date",): 11,
        ("table",): 13,
        ("table", "list", 0): 15,
        ("table", "list", 1, 1): 16,
        ("table", "list", 2, "y", "z", "deep"): 17,
        ("table", "sub", "nothing"): 22,
        ("array", 0, "name"): 25,
        ("array", 0, "child", "key"): 27,
        ("array", 0, "many", 0, "n"): 29,
        ("array", 1): 31,
        ("array", 1, "many", 1, "n"): 36,
    }
    assert {path: lines[path] for path in at} == at
    assert set(lines) == {path for path, _ in walk(tomllib.loads(EVERYTHING))}


_keys = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=6)
_scalars = st.one_of(st.integers(-999, 999), st.booleans(), st.text(st.characters(codec="ascii"), max_size=8))
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_keys, inner, max_size=3)),
    max_leaves=8,
)


def _inline(value: object) -> str:
    """A value as TOML; JSON's strings and numbers are TOML's."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + "\n, ".join(map(_inline, value)) + " # end\n]"
    return json.dumps(value).replace("\x7f", "\\u007f")


@given(st.dictionaries(_keys, _values, max_size=4), st.dictionaries(_keys, _values, max_size=3))
def test_exactly_the_keys_of_a_document_are_found(top: dict[str, Any], table: dict[str, Any]) -> None:
    text = "".join(f"{json.dumps(key)} = {_inline(value)}\n" for key, value in top.items())
    for _ in range(2):
        text += '[["the array"]] # comment\n'
        text += "".join(f"{json.dumps(key)} = {_inline(value)}\n\n" for key, value in table.items())
    if "the array" in top:
        return
    lines = find_lines(text)
    assert set(lines) == {path for path, _ in walk(tomllib.loads(text))}
    for path, line in lines.items():
        if isinstance(path[-1], str):
            assert json.dumps(path[-1])[1:-1] in text.splitlines()[line - 1]
