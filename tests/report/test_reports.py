"""The table of reports, and what happens when one of them breaks."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import harness.report as reports
from harness.masking import register
from harness.report import ERRORS, REPORTS, render_all, renderer
from harness.report.files import inside, write, write_folder


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def broken(folder: Path, *_: object) -> Path:
    msg = "no ink left, hunter2hunter2"
    raise RuntimeError(msg)


def test_table_and_folder_agree() -> None:
    package = Path(reports.__file__).parent
    modules = {path.stem for path in package.glob("*.py") if path.stem != "__init__"}
    rendering = {name for name in modules if hasattr(import_module(f"harness.report.{name}"), "render")}
    assert {target.partition(":")[0].rpartition(".")[2] for target in REPORTS.values()} == rendering
    assert all(callable(renderer(target)) for target in REPORTS.values())


def test_all_reports_are_written(bad: Any, tmp_path: Path) -> None:
    told: list[str] = []
    written = render_all(tmp_path, *bad, problem=told.append)
    assert list(written) == list(REPORTS)
    assert all(path.exists() and path.is_relative_to(tmp_path) for path in written.values())
    assert told == []
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_rendering_again_gives_the_same_files(bad: Any, tmp_path: Path) -> None:
    def content() -> dict[str, bytes]:
        render_all(tmp_path, *bad)
        return {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    assert content() == content()


def test_a_report_that_breaks_hides_no_other(
    bad: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register("hunter2hunter2")
    table = {"broken": f"{__name__}:broken", "summary": REPORTS["summary"]}
    monkeypatch.setattr(reports, "REPORTS", table)
    monkeypatch.setattr(
        reports, "renderer", lambda target: broken if target.endswith(":broken") else renderer(target)
    )
    written = render_all(tmp_path, *bad)
    assert list(written) == ["summary", ERRORS]
    assert "Traceback" in written[ERRORS].read_text()
    error = capsys.readouterr().err
    assert error.startswith("report broken: not written (RuntimeError: no ink left")
    assert "hunter2" not in error + written[ERRORS].read_text()


def test_a_folder_that_cannot_be_written_is_told(
    good: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("a file where the run's folder should be")
    told: list[str] = []
    assert render_all(tmp_path / "taken", *good, problem=told.append) == {}
    assert len(told) == len(REPORTS) + 1
    assert told[-1].startswith(f"{ERRORS}.txt: not written")


def test_a_file_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = write(tmp_path / "a" / "b.txt", "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(target, b"new")
    assert target.read_text() == "old"
    assert names(target.parent) == ["b.txt"]


def test_a_folder_is_whole_or_as_it_was(tmp_path: Path) -> None:
    target = write_folder(tmp_path / "out", lambda folder: (folder / "old").touch())

    def half(folder: Path) -> None:
        (folder / "new").write_text("2")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_folder(target, half)
    assert names(target) == ["old"]
    assert names(tmp_path) == ["out"]
    write_folder(target, lambda folder: None)
    assert names(target) == []


def test_only_files_inside_are_found(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log").write_text("x")
    (tmp_path / "secret").write_text("x")
    assert inside(tmp_path / "run", "log") == tmp_path / "run" / "log"
    for outside in ("../secret", str(tmp_path / "secret"), "gone", ".", "\0", "n" * 5000):
        assert inside(tmp_path / "run", outside) is None
