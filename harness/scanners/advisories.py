"""The advisory mirror: OSV records compiled into the files that Safety 3.7 reads offline (schema 2.0.0).

``mirror.json`` beside them says where they come from, how new and how many they are, and the digests of both.
Records come as files (PyPA advisory database: one YAML file a record; OSV: JSON), a tar or a zip archive.
"""

import hashlib
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import ToolError
from harness.frozen import dataclass
from harness.scanners.osv import MalformedRecordError, Record, parse

SCHEMA = "2.0.0"
INFO = "mirror.json"
_DATA = ("insecure.json", "insecure_full.json")
_SUFFIXES = {".yaml", ".yml", ".json"}
_TEXT = 2000
_BASE = "https://osv.dev"


@dataclass(frozen=True)
class MirrorInfo:
    """What a mirror is: `date` is when its newest record was modified, `records` how many count (withdrawn ones
    do not), `widened` the records with a bound that could not be read and was left open; `sha256` is over its data.
    """

    path: Path
    source: str
    date: datetime
    records: int
    packages: int
    withdrawn: int
    widened: tuple[str, ...]
    sha256: str


def build(osv: Path, out: Path, *, source: str = "") -> MirrorInfo:
    """Compile the records below `osv` into a mirror at `out`, which is replaced whole or not at all.

    Raises:
        ToolError: no record, or malformed ones (all are listed); `out` is a folder of something else.
    """
    if out.exists() and not (out / INFO).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ToolError(f"{out} exists and is no advisory mirror", hint="name a new or an empty folder")
    records, withdrawn = _records(osv)
    if not records:
        raise ToolError(
            f"{osv} holds no OSV record of a PyPI package ({withdrawn} withdrawn)",
            hint="name the folder or archive with the records, e.g. `vulns` of the PyPA advisory database",
        )
    date = max(record.modified for record in records)
    files = {
        name: _bytes({"meta": _meta(date), **content})
        for name, content in zip(_DATA, _compile(records), strict=True)
    }
    info: dict[str, Any] = {
        "format": 1,
        "source": source or str(osv),
        "date": date.astimezone(UTC).isoformat(),
        "records": len(records),
        "packages": len({affected.package for record in records for affected in record.affected}),
        "withdrawn": withdrawn,
        "widened": sorted(r.id for r in records if any(affected.widened for affected in r.affected)),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    _replace(out, {**files, INFO: _bytes(info)})
    return read_mirror(out)


def read_mirror(path: Path) -> MirrorInfo:
    """What the mirror at `path` is; its files are held against their digests.

    Raises:
        ToolError: it is no mirror, or a file of it is missing, cut short or changed.
    """
    hint = "build it again: `gonogo advisories build --osv RECORDS --out FOLDER`"
    try:
        info = json.loads((path / INFO).read_text())
        for name in _DATA:
            if hashlib.sha256((path / name).read_bytes()).hexdigest() != info["files"][name]:
                raise ToolError(f"advisory mirror {path}: {name} is not the file that was built", hint=hint)
        date = datetime.fromisoformat(info["date"])
        if date.tzinfo is None or info["format"] != 1 or int(info["records"]) < 1:
            raise ToolError(f"advisory mirror {path}: {INFO} does not say what it must", hint=hint)
        return MirrorInfo(
            path,
            str(info["source"]),
            date,
            int(info["records"]),
            int(info["packages"]),
            int(info["withdrawn"]),
            tuple(info["widened"]),
            info["files"][_DATA[1]],
        )
    except OSError as error:
        raise ToolError(
            f"{path} is no advisory mirror ({error.strerror}: {error.filename})", hint=hint
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ToolError(f"advisory mirror {path}: {INFO} cannot be read ({error!r})", hint=hint) from error


def describe(info: MirrorInfo) -> dict[str, Any]:
    """A mirror as JSON values."""
    return {
        **asdict(info),
        "path": str(info.path),
        "date": info.date.isoformat(),
        "widened": list(info.widened),
    }


def aliases(path: Path) -> Mapping[str, frozenset[str]]:
    """Advisory id -> every id it is known by, itself included."""
    packages = json.loads((path / _DATA[1]).read_text())["vulnerable_packages"]
    known: dict[str, frozenset[str]] = {}
    for entries in packages.values():
        for entry in entries:
            ids = frozenset(item["id"] for item in entry["ids"])
            known[entry["ids"][0]["id"]] = ids
    return known


def _records(osv: Path) -> tuple[list[Record], int]:
    """The records that count, sorted by id, and how many are withdrawn."""
    found: dict[str, Record] = {}
    withdrawn = 0
    malformed: list[str] = []
    for name, content in _files(osv):
        try:
            record = parse(_load(name, content))
            if record.withdrawn:
                withdrawn += 1
            elif record.affected and found.setdefault(record.id, record) is not record:
                malformed.append(f"{name}: {record.id} is there twice")
        except MalformedRecordError as error:
            malformed.append(f"{name}: {error}")
    if malformed:
        raise ToolError(
            f"{osv}: {len(malformed)} malformed records\n" + "\n".join(f"  {line}" for line in malformed),
            hint="correct or remove these files; nothing was written",
        )
    return [found[key] for key in sorted(found)], withdrawn


def _load(name: str, content: bytes) -> object:
    import yaml

    try:
        if name.endswith(".json"):
            return json.loads(content)
        loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # text only: 1.10 must not become 1.1
        return yaml.load(content, loader)  # noqa: S506 - a loader that builds nothing but text, lists and maps
    except (ValueError, yaml.YAMLError) as error:
        raise MalformedRecordError(f"cannot be read ({' '.join(str(error).split())})") from error


def _files(osv: Path) -> Iterator[tuple[str, bytes]]:
    """Every record file with its name; hidden files and folders are no records."""
    hint = "name a folder of OSV records, or a .tar.gz or .zip archive of one"
    try:
        if osv.is_dir():
            for path in sorted(osv.rglob("*")):
                if _is_record(path.relative_to(osv).as_posix()) and path.is_file():
                    yield str(path.relative_to(osv)), path.read_bytes()
        elif zipfile.is_zipfile(osv):
            with zipfile.ZipFile(osv) as archive:
                for name in sorted(filter(_is_record, archive.namelist())):
                    yield name, archive.read(name)
        else:
            with tarfile.open(osv) as tar:
                for member in tar:
                    if _is_record(member.name) and (stream := tar.extractfile(member)) is not None:
                        yield member.name, stream.read()
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise ToolError(f"cannot read OSV records from {osv} ({error})", hint=hint) from error


def _is_record(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix in _SUFFIXES and not any(part.startswith(".") for part in path.parts if part != ".")


def _meta(date: datetime) -> dict[str, Any]:
    return {"schema_version": SCHEMA, "timestamp": int(date.timestamp()), "base_domain": _BASE}


def _compile(records: list[Record]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The content of both files. Safety finds a package by the first and its advisories by specifier in the second."""
    specifiers: dict[str, set[str]] = {}
    entries: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        for affected in record.affected:
            specifiers.setdefault(affected.package, set()).update(affected.specifiers)
            entries.setdefault(affected.package, []).append(
                {
                    "specs": list(affected.specifiers),
                    "advisory": record.text[:_TEXT],
                    "ids": [{"type": "pyup", "id": record.id}, *map(_alias, record.aliases)],
                    "transitive": False,
                    "more_info_path": f"/vulnerability/{record.id}",
                    "fixed_versions": list(affected.fixed),
                }
            )
    empty = {"insecure_versions": [], "secure_versions": [], "latest_version": "", "more_info_path": ""}
    return (
        {"vulnerable_packages": {name: sorted(found) for name, found in specifiers.items()}},
        {"vulnerable_packages": entries, "packages": dict.fromkeys(entries, empty)},
    )


def _alias(name: str) -> dict[str, str]:
    return {"type": "cve" if name.startswith("CVE-") else "alias", "id": name}


def _bytes(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, sort_keys=True, indent=1) + "\n").encode()


def _replace(out: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder beside `out` and put it in its place."""
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = (out.parent / f".{out.name}.{os.getpid()}.{kind}" for kind in ("new", "old"))
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        for name, content in files.items():
            with (fresh / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        if out.exists():
            out.rename(old)
        fresh.rename(out)
    except OSError as error:
        raise ToolError(
            f"cannot write {out} ({error.strerror})", hint="name a folder that can be written"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
