"""Safety: known vulnerabilities of pinned dependencies, from an advisory mirror on disk and nothing else.

Without an advisory source the check is *unavailable*, never clean. Safety 3.7 is kept from the network (a proxy that
refuses), from the user's account (which would replace the mirror) and from any policy file (which could ignore
findings). It exits 64 with findings; exit code and report are both read.
"""

import json
import shutil
import site
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import process
from harness.errors import ToolError
from harness.frozen import dataclass, replace
from harness.model import Cause, Finding, Measurement, Outcome, Unit
from harness.scanners import advisories, requirements
from harness.scanners.environment import tool_environment
from harness.scanners.interface import BrokenToolError, Report, Scan, exited
from harness.scanners.interface import counted as number
from harness.scanners.requirements import Requirements

_FOUND = 64
_NOWHERE = "http://127.0.0.1:9"
"""A proxy on the discard port: whatever Safety would send is refused at once, on this machine."""
_BUILD = "build a mirror with `gonogo advisories build --osv RECORDS --out FOLDER` and name it in"
_KEY = "`gates.security.safety.advisories`"


@dataclass(frozen=True)
class SafetyScan:
    """What to check: requirement files relative to `app`, against the mirror at `mirror` (``None``: none configured).

    `max_age` (seconds, 0 for any) and `min_records` say what the mirror must be to be believed; `ignore` are
    advisory ids, or aliases of theirs, that do not count. `budget` is in seconds.
    """

    app: Path
    requirements: tuple[str, ...]
    mirror: Path | None
    work: Path
    budget: float
    max_age: float = 0.0
    min_records: int = 1
    ignore: tuple[str, ...] = ()


def scan(what: SafetyScan, *, now: datetime | None = None) -> Scan:
    """Check every pinned requirement.

    Raises:
        ToolError: a requirement file is missing; the mirror is damaged; Safety is missing.
        BrokenToolError: Safety broke, skipped a package, or its report and exit code disagree.
    """
    if what.mirror is None or not what.mirror.is_dir() or not any(what.mirror.iterdir()):
        where = "none is configured" if what.mirror is None else f"{what.mirror} is missing or empty"
        return _unavailable(f"no advisory source: {where}", f"{_BUILD} {_KEY}")
    info = advisories.read_mirror(what.mirror)
    listed = requirements.read(what.app, what.requirements)
    facts = _facts(info, listed, what)
    if unmet := _unmet(info, what, now or datetime.now(UTC)):
        return replace(_unavailable(unmet, f"{_BUILD} {_KEY}, from newer or more records"), facts=facts)
    if not listed.pins and not listed.unchecked:
        return Scan(
            Outcome.INCONCLUSIVE,
            f"{', '.join(listed.files) or 'no requirement file'}: no package is listed",
            "name the application's pinned requirement files in `gates.security.safety.requirements`",
            Cause.NOTHING_CHECKED,
            facts=facts,
        )
    if not listed.pins:
        return _judge(what, listed, [], facts, ())
    job, report = _run(what, what.mirror, listed)
    reports = (Report(report, "application/json"), Report(job.stderr))
    return _judge(what, listed, _read(job, report, listed, reports), facts, reports)


def _unavailable(reason: str, hint: str) -> Scan:
    return Scan(Outcome.INCONCLUSIVE, reason, hint, Cause.UNAVAILABLE)


def _facts(info: advisories.MirrorInfo, listed: Requirements, what: SafetyScan) -> dict[str, str]:
    return {
        "tool": f"safety {_version()}",
        "advisory_source": info.source,
        "advisory_date": info.date.isoformat(),
        "advisory_records": str(info.records),
        "advisory_sha256": info.sha256,
        "requirement_files": ", ".join(listed.files),
        "packages_listed": str(len(listed.pins) + len(listed.unchecked)),
        "ignore": ", ".join(what.ignore) or "none",
    }


def _version() -> str:
    try:
        return metadata.version("safety")
    except metadata.PackageNotFoundError as error:
        raise ToolError(
            "Safety is not installed for the gate's interpreter", hint="pip install 'gonogo[gate]'"
        ) from error


def _unmet(info: advisories.MirrorInfo, what: SafetyScan, now: datetime) -> str:
    """Why the mirror is not to be believed, if so."""
    if info.records < what.min_records:
        return (
            f"the advisory source holds {info.records} records, the profile wants at least {what.min_records}"
        )
    age = now - info.date
    if what.max_age and age > timedelta(seconds=what.max_age):
        limit = timedelta(seconds=what.max_age)
        return (
            f"the advisory source is {age.days} days old ({info.date:%Y-%m-%d}), the profile allows {limit}"
        )
    if what.max_age and age < timedelta(days=-1):
        return f"the advisory source is dated in the future ({info.date:%Y-%m-%d}), so its age says nothing"
    return ""


def _run(what: SafetyScan, mirror: Path, listed: Requirements) -> tuple[process.Finished, Path]:
    out = what.work / "safety"
    shutil.rmtree(out, ignore_errors=True)
    home = out / "home"
    home.mkdir(parents=True)
    pins, report = out / "pins.txt", out / "safety.json"
    pins.write_text("".join(f"{name}=={version}\n" for name, version in sorted(_pinned(listed))))
    job = process.run(
        [
            *(sys.executable, "-P", "-m", "safety", "--disable-optional-telemetry", "check"),
            *(
                "--db",
                str(mirror.resolve()),
                "--file",
                str(pins),
                "--output",
                "json",
                "--save-json",
                str(report),
            ),
            "--disable-audit-and-monitor",
        ],
        cwd=out,  # no policy file of the application's here
        output=out,
        name="safety",
        budget=what.budget,
        env=_environment(home),
    )
    exited(job, "Safety", what.budget)
    return job, report


def _environment(home: Path) -> dict[str, str]:
    """No account, no configuration of the user's or the system's, no way out."""
    proxies = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    without = ("SAFETY_", "XDG_", *proxies, *(name.upper() for name in proxies))
    return tool_environment(
        without=without,
        HOME=str(home),
        SAFETY_SYSTEM_CONFIG_PATH=str(home),
        PYTHONUSERBASE=site.getuserbase(),
        **{name.upper(): _NOWHERE for name in proxies[:3]},
        **dict.fromkeys(proxies[:3], _NOWHERE),
    )


def _pinned(listed: Requirements) -> set[tuple[str, str]]:
    return {(pin.name, pin.version) for pin in listed.pins}


def _read(
    job: process.Finished, report: Path, listed: Requirements, reports: Sequence[Report]
) -> list[Mapping[str, Any]]:
    """The vulnerabilities that a whole report lists."""
    from packaging.utils import canonicalize_name

    def broke(why: str) -> BrokenToolError:
        return BrokenToolError(
            f"Safety ended with exit code {job.exit_code}{why}",
            hint="is safety 3.7.0 installed for the gate's interpreter? `pip install 'gonogo[gate]'`",
            diagnosis=job.tail(),
            reports=reports,
        )

    if job.exit_code not in (0, _FOUND):
        raise broke("")
    try:
        data = json.loads(report.read_text())
        checked = {
            (canonicalize_name(entry["name"]), entry["specifier"].removeprefix("=="))
            for package in data["scanned_packages"].values()
            for entry in package["requirements"]
        }
        found: list[Mapping[str, Any]] = [*data["vulnerabilities"], *data["ignored_vulnerabilities"]]
        for entry in found:
            _ = entry["vulnerability_id"], entry["package_name"], entry["analyzed_version"]
    except (OSError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise broke(f" and left no whole report ({error!r})") from error
    if skipped := _pinned(listed) - checked:
        raise broke(f", but skipped {', '.join(f'{name}=={version}' for name, version in sorted(skipped))}")
    if data["announcements"]:
        raise broke(f" and complained: {data['announcements'][0].get('message', '')}")
    if bool(data["vulnerabilities"]) != (job.exit_code == _FOUND):
        raise broke(f", but its report lists {len(data['vulnerabilities'])} vulnerabilities")
    return found


def _judge(
    what: SafetyScan,
    listed: Requirements,
    found: Sequence[Mapping[str, Any]],
    facts: dict[str, str],
    reports: tuple[Report, ...],
) -> Scan:
    known = advisories.aliases(what.mirror) if what.mirror and found else {}
    ignored = [entry for entry in found if known[entry["vulnerability_id"]] & set(what.ignore)]
    counted = [entry for entry in found if entry not in ignored]
    if unused := set(what.ignore) - {name for entry in ignored for name in known[entry["vulnerability_id"]]}:
        facts["ignore_without_effect"] = ", ".join(sorted(unused))
    findings = (
        *(_finding(entry, listed, known) for entry in counted),
        *(replace(_finding(entry, listed, known), severity="ignored", counts=False) for entry in ignored),
        *(Finding("not-checked", f"{u.text}: {u.why}", "error", u.path, u.line) for u in listed.unchecked),
    )
    checked = len(_pinned(listed))
    seen = Scan(
        findings=findings,
        measurements=(
            Measurement.of("packages", checked, Unit.COUNT, sample=checked),
            Measurement.of("vulnerabilities", len(counted), Unit.COUNT, sample=checked),
        ),
        facts={**facts, "packages_checked": str(checked), "ignored": str(len(ignored))},
        reports=reports,
    )
    if listed.unchecked:
        first = listed.unchecked[0]
        return replace(
            seen,
            outcome=Outcome.ERROR,
            reason=f"not checked: {number(len(listed.unchecked), 'requirement')}, first {first.text!r} "
            f"({first.path}:{first.line}, {first.why})"
            + (
                f"; {number(len(counted), 'known vulnerability', 'known vulnerabilities')} in the others"
                if counted
                else ""
            ),
            hint="pin every package with ==, e.g. with `pip freeze`, `pip-compile` or `uv pip compile`",
        )
    if counted:
        names = sorted({f"{entry['package_name']} {entry['analyzed_version']}" for entry in counted})
        return replace(
            seen,
            outcome=Outcome.FAILED,
            reason=f"{number(len(counted), 'known vulnerability', 'known vulnerabilities')} "
            f"in {number(len(names), 'package')}: {', '.join(names[:5])}" + (" …" if len(names) > 5 else ""),
            hint="upgrade to a version that fixes them (see the findings), or ignore a reviewed id in the profile",
        )
    return seen


def _finding(entry: Mapping[str, Any], listed: Requirements, known: Mapping[str, frozenset[str]]) -> Finding:
    name, version, id_ = entry["package_name"], entry["analyzed_version"], entry["vulnerability_id"]
    pin = next((pin for pin in listed.pins if (pin.name, pin.version) == (name, version)), None)
    others = ", ".join(sorted(known[id_] - {id_}))
    fixed = ", ".join(entry.get("fixed_versions") or ()) or "no version"
    text = " ".join(str(entry.get("advisory") or "").split())
    message = f"{name} {version}{f' ({others})' if others else ''}, fixed in {fixed}: {text[:300]}"
    aliases = tuple(sorted(known[id_] - {id_}))
    return Finding(id_, message, "", pin.path if pin else "", pin.line if pin else 0, aliases)
