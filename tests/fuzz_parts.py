"""Fuzzing: how many examples, and the changes that are made to bytes, JSON and text."""

import os
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("GONOGO_FUZZ", "") or 100)
HANGS = timedelta(seconds=10)
"""An example that takes longer is a failure."""
fuzz: Callable[..., Any] = settings(
    max_examples=EXAMPLES,
    deadline=HANGS,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)

scalars: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        (
            "GO",
            "passed",
            "sha256",
            "../x",
            "1e999999999",
            "NaN",
            "2026-01-01T00:00:00Z",
            "0" * 64,
            "\x00",
            "\ud7ff",
        )
    )
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def spoilt_bytes(draw: st.DrawFn, raw: bytes) -> bytes:
    """Some places of it are changed: bytes put in, left out, repeated, or cut off."""
    data = bytearray(raw)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        until = min(len(data), at + draw(st.integers(0, 40)))
        way = draw(st.integers(0, 4))
        if way == 0:
            data[at:until] = draw(st.binary(max_size=12))
        elif way == 1:
            data[at:at] = data[at:until]
        elif way == 2:
            del data[at:until]
        elif way == 3:
            del data[at:]
        elif at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


@st.composite
def spoilt_json(draw: st.DrawFn, document: Any) -> Any:
    """Some places of it hold other values, are missing, doubled, or under other keys."""
    changed = deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        here, at = changed, None
        holders: list[tuple[Any, Any]] = []
        while isinstance(here, dict | list) and here:
            at = draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
            holders.append((here, at))
            here = here[at]
        if not holders:
            return changed
        holder, at = draw(st.sampled_from(holders))
        way = draw(st.integers(0, 4))
        if way == 0:
            del holder[at]
        elif way == 1 and isinstance(holder, list):
            holder.append(deepcopy(holder[at]))
        elif way == 2 and isinstance(holder, dict):
            holder[draw(st.text(max_size=8))] = holder.pop(at)
        else:
            holder[at] = draw(values)
    return changed


@st.composite
def spoilt_text(draw: st.DrawFn, text: str) -> str:
    """Lines of it are changed: left out, doubled, swapped, or parts of them replaced."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, 4))):
        at, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        way = draw(st.integers(0, 5))
        if way == 0 and len(lines) > 1:
            del lines[at]
        elif way == 1:
            lines.insert(at, lines[other])
        elif way == 2:
            lines[at], lines[other] = lines[other], lines[at]
        elif way == 3:
            key = lines[at].partition("=")[0]
            lines[at] = f"{key}= {draw(st.sampled_from(TOML_VALUES))}"
        else:
            line = lines[at]
            here = draw(st.integers(0, len(line)))
            lines[at] = line[:here] + draw(st.text(max_size=6)) + line[here + draw(st.integers(0, 6)) :]
    return "\n".join(lines)


TOML_VALUES = (
    '""', "[]", "{}", "[[]]", "nan", "-inf", "true", "0", "-1", "1e400", "2026-01-01", "2026-01-01T00:00:00Z", "07:32:00",
    '"5m"', '"-5m"', '">= 200%"', '"1e99999999/s"', '"${X:-${Y}}"', '"../../etc/passwd"', '[{}, {}]', '{ a = { b = 1 } }',
    '"' + "9" * 400 + 's"', "9" * 400, "[" * 60 + "]" * 60, '"\\u0000"', '"base"', '["*"]',
)  # fmt: skip
