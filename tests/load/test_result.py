import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ToolError
from harness.load.result import SCHEMA, Kind, LoadResult, contradictions, read, write
from harness.load.windows import Window, Windows


def test_written_whole_and_read_back(tmp_path: Path, make_result: Any) -> None:
    result = make_result(failures={Kind.TIMEOUT: 2, Kind.STATUS: 3})
    write(tmp_path / "result.json", result)
    assert read(tmp_path / "result.json", run="r1") == result
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="left no result"):
        read(tmp_path / "result.json", run="r1")


@pytest.mark.parametrize("keep", [0, 1, 100, -2])
def test_truncated(tmp_path: Path, make_result: Any, keep: int) -> None:
    path = tmp_path / "result.json"
    write(path, make_result())
    path.write_text(path.read_text()[:keep])
    with pytest.raises(ToolError, match="cannot be read"):
        read(path, run="r1")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("sent"),
        lambda data: data.update(surprise=1),
        lambda data: data.update(schema=SCHEMA + 1),
        lambda data: data.update(sent="many"),
        lambda data: data.update(failures={"gremlins": 1}),
        lambda data: data["latency"].pop("total"),
        lambda data: data["windows"].pop("width"),
        lambda data: data["windows"]["rows"][0].update(sent="1"),
        lambda data: data["windows"]["rows"][0].update(surprise=1),
    ],
)
def test_another_form(tmp_path: Path, make_result: Any, change: Callable[[dict[str, Any]], object]) -> None:
    path = tmp_path / "result.json"
    data = asdict(make_result())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(ToolError, match="not of the known form"):
        read(path, run="r1")


def test_a_list_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("[]")
    with pytest.raises(ToolError, match="not of the known form"):
        read(tmp_path / "result.json", run="r1")


def test_yesterdays_result_is_not_todays(tmp_path: Path, make_result: Any) -> None:
    write(tmp_path / "result.json", make_result(run="yesterday"))
    with pytest.raises(ToolError, match="of another run"):
        read(tmp_path / "result.json", run="r1")


def test_windows_that_are_not_the_run(tmp_path: Path, make_result: Any) -> None:
    right: LoadResult = make_result()
    (row,) = right.windows.rows
    second = 1_000_000_000
    wrong = [
        Windows(0, (row,)),
        Windows(second, ()),
        Windows(second, (row, *(Window(0, 0, 0, 0, 0, 0, {}, {}) for _ in range(300)))),
        *(
            Windows(second, (replace(row, **values),))
            for values in (
                {"sent": 99},
                {"planned": None},
                {"planned": 101},
                {"failed": 1},
                {"succeeded": 99, "timed_out": 1},
                {"latency": {"4036": 100}},
                {"latency": {"04037": 100}},
                {"service_time": {"4037": 99}},
                {"latency": {"4037": 101, "1": -1}},
            )
        ),
        Windows(second, (replace(row, sent=101), Window(0, 0, -1, 0, 0, 0, {}, {}))),
    ]
    for windows in wrong:
        write(tmp_path / "result.json", replace(right, windows=windows))
        with pytest.raises(ToolError, match="windows do not add up"):
            read(tmp_path / "result.json", run="r1")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"complete": False}, "not complete"),
        ({"sent": -1}, "negative"),
        ({"timed_out": 3}, "time-outs are counted twice"),
        ({"completed": 99}, "successes and failures"),
        ({"succeeded": 90}, "latencies"),
        ({"elapsed": 0}, "no time"),
    ],
)
def test_what_does_not_add_up(tmp_path: Path, make_result: Any, values: dict[str, Any], said: str) -> None:
    result: LoadResult = replace(make_result(), **values)
    assert any(said in text for text in contradictions(result))
    write(tmp_path / "result.json", result)
    with pytest.raises(ToolError, match="does not add up"):
        read(tmp_path / "result.json", run="r1")
