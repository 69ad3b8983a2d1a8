"""Mirrors: built whole or not at all, and believed only as built."""

import io
import json
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.advisories import app as commands
from harness.errors import ToolError
from harness.scanners.advisories import aliases, build, describe, read_mirror

YAML = """\
id: PYSEC-1
details: |
  A hole.
affected:
- package: {name: Jinja2, ecosystem: PyPI}
  ranges:
  - type: ECOSYSTEM
    events:
    - introduced: 1.10
    - fixed: 2.10.1
  versions: []
aliases: [CVE-2019-1, GHSA-x]
modified: 2021-07-05T00:01:22.043149Z
"""


def osv(id_: str, package: str = "flask", *, modified: str = "2020-01-01T00:00:00Z", **more: object) -> str:
    affected = [{"package": {"name": package, "ecosystem": "PyPI"}, "versions": ["1.0"]}]
    return json.dumps({"id": id_, "modified": modified, "affected": affected, **more})


@pytest.fixture
def records(tmp_path: Path) -> Path:
    folder = tmp_path / "vulns"
    (folder / "jinja2").mkdir(parents=True)
    (folder / "jinja2/PYSEC-1.yaml").write_text(YAML)
    (folder / "flask.json").write_text(osv("PYSEC-2"))
    (folder / "gone.json").write_text(
        osv("PYSEC-3", withdrawn="2020-01-01T00:00:00Z", modified="2030-01-01T00:00:00Z")
    )
    (folder / "npm.json").write_text(osv("N-1").replace("PyPI", "npm"))
    (folder / ".github").mkdir()
    (folder / ".github/workflow.yml").write_text("on: push")
    (folder / "README.md").write_text("# not a record")
    return folder


def test_a_mirror_is_what_safety_reads(records: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep/mirror"
    info = build(records, out, source="PyPA")
    assert (info.source, info.records, info.packages, info.withdrawn) == ("PyPA", 2, 2, 1)
    assert info.date == datetime(2021, 7, 5, 0, 1, 22, 43149, tzinfo=UTC)
    assert info == read_mirror(out)
    brief = json.loads((out / "insecure.json").read_text())
    assert brief["meta"]["schema_version"] == "2.0.0"
    assert brief["meta"]["timestamp"] == int(info.date.timestamp())
    # 1.10 stays 1.10 although YAML would read it as the number 1.1
    assert brief["vulnerable_packages"] == {
        "flask": ["==1.0"],
        "jinja2": [">=0.dev0,>=1.10,<=2.10.1,!=2.10.1"],
    }
    assert aliases(out)["PYSEC-1"] == {"PYSEC-1", "CVE-2019-1", "GHSA-x"}
    assert sorted(path.name for path in out.iterdir()) == [
        "insecure.json",
        "insecure_full.json",
        "mirror.json",
    ]
    assert [path.name for path in out.parent.iterdir()] == ["mirror"]
    assert build(records, tmp_path / "again").sha256 == info.sha256  # the same records, the same bytes


def test_archives_hold_records_too(records: Path, tmp_path: Path) -> None:
    tar, zipped = tmp_path / "osv.tar.gz", tmp_path / "all.zip"
    with tarfile.open(tar, "w:gz") as archive:
        archive.add(records, "vulns")
    with zipfile.ZipFile(zipped, "w") as files:
        for path in records.rglob("*.json"):
            files.write(path, path.name)
    assert build(tar, tmp_path / "a").records == 2
    assert build(zipped, tmp_path / "b").records == 1


def test_malformed_records_are_all_named_and_nothing_is_written(records: Path, tmp_path: Path) -> None:
    out = tmp_path / "mirror"
    before = build(records, out)
    (records / "bad.json").write_text("{")
    (records / "bad.yaml").write_text("a: [")
    (records / "odd.yml").write_text("id: x")
    (records / "twice.json").write_text(osv("PYSEC-2"))
    with pytest.raises(ToolError, match="4 malformed records") as error:
        build(records, out)
    for name in (
        "bad.json: cannot be read",
        "bad.yaml: cannot be read",
        "odd.yml: modified",
        "twice.json: PYSEC-2 is",
    ):
        assert name in error.value.message
    assert read_mirror(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mirror", "vulns"]


def test_no_record_is_an_error(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ToolError, match="holds no OSV record"):
        build(empty, tmp_path / "mirror")
    (empty / "a.txt").write_text("no archive")
    with pytest.raises(ToolError, match="cannot read OSV records"):
        build(empty / "a.txt", tmp_path / "mirror")
    with pytest.raises(ToolError, match="cannot read OSV records"):
        build(tmp_path / "nowhere", tmp_path / "mirror")


def test_a_truncated_archive_is_an_error(records: Path, tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        archive.add(records, "vulns")
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(data.getvalue()[: len(data.getvalue()) * 2 // 3])
    with pytest.raises(ToolError, match="cannot read OSV records"):
        build(cut, tmp_path / "mirror")


def test_a_folder_of_something_else_is_not_replaced(records: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="is no advisory mirror"):
        build(records, records)
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolError, match="is no advisory mirror"):
        build(records, tmp_path / "file")
    with pytest.raises(ToolError, match="cannot write"):
        build(records, tmp_path / ("x" * 250))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("insecure.json", None, "no advisory mirror"),
        ("insecure_full.json", "{}", "insecure_full.json is not the file that was built"),
        ("mirror.json", None, "no advisory mirror"),
        ("mirror.json", "{", "cannot be read"),
        ("mirror.json", "{}", "cannot be read"),
    ],
)
def test_a_damaged_mirror_is_an_error(
    records: Path, tmp_path: Path, name: str, content: str | None, said: str
) -> None:
    out = tmp_path / "mirror"
    build(records, out)
    if content is None:
        (out / name).unlink()
    else:
        (out / name).write_text(content)
    with pytest.raises(ToolError, match=said):
        read_mirror(out)


@pytest.mark.parametrize(("key", "value"), [("records", 0), ("format", 2), ("date", "2024-01-01")])
def test_a_mirror_that_does_not_say_what_it_must_is_an_error(
    records: Path, tmp_path: Path, key: str, value: Any
) -> None:
    out = tmp_path / "mirror"
    build(records, out)
    info = json.loads((out / "mirror.json").read_text())
    (out / "mirror.json").write_text(json.dumps({**info, key: value}))
    with pytest.raises(ToolError, match="does not say what it must"):
        read_mirror(out)


def test_the_commands(records: Path, tmp_path: Path) -> None:
    (records / "git.json").write_text(
        osv("PYSEC-4").replace(
            '"versions": ["1.0"]', '"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]'
        )
    )
    out = tmp_path / "mirror"
    runner = CliRunner()
    built = runner.invoke(commands, ["build", "--osv", str(records), "--out", str(out), "--source", "PyPA"])
    assert built.exit_code == 0, built.output
    assert "records   3 of 2 packages (1 withdrawn ones left out)" in built.output
    assert "widened   PYSEC-4" in built.output
    assert runner.invoke(commands, ["show", str(out)]).output == built.output
    shown = runner.invoke(commands, ["show", str(out), "--json"])
    assert json.loads(shown.output) == describe(read_mirror(out))
