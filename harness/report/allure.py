"""``allure-results/``: every check as an Allure result, and the decision as one of its own.

Written from the ledger, not by allure-pytest: where pytest's outcome and ours differ (waived, inconclusive, not
run) Allure must never look better than the verdict. So only what could go with a release is passed or skipped;
everything else is failed or broken, and the result ``Decision`` fails whenever the decision is not GO.
"""

import hashlib
import json
import mimetypes
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from allure_commons import model2

from harness.model import CheckResult, Decided, Decision, Evidence, Record, ThresholdResult
from harness.report import load
from harness.report.files import inside, write_folder
from harness.report.svg import standalone
from harness.report.text import bounded, clean, figure, finding_line, one_line
from harness.report.view import Case, State, View, view
from harness.threshold import show
from harness.verdict.info import RunInfo

NAME = "allure-results"
_LINES = 2000
_TITLES = {
    State.WAIVED: "Waived",
    State.INCONCLUSIVE: "Inconclusive: it ran and proves nothing",
    State.NOT_RUN: "Not run: an expected check did not report",
    State.BLOCKED: "Blocked by an earlier gate",
    State.ERROR: "Error: a gate or a tool broke",
    State.FAILED: "Failed",
}


def render(folder: Path, info: RunInfo, record: Record, decided: Decided) -> Path:
    """Write the folder ``allure-results``."""
    seen = view(record, decided)

    def fill(target: Path) -> None:
        writer = _Writer(folder, target, info)
        writer.decision(seen)
        for number, case in enumerate(seen.cases):
            writer.case(case, number)
        writer.surroundings(seen)

    return write_folder(folder / NAME, fill)


class _Writer:
    """Writes the results of one run; file names are derived from what they hold, so equal runs give equal names."""

    def __init__(self, folder: Path, target: Path, info: RunInfo) -> None:
        self._folder = folder
        self._target = target
        self._info = info
        self._started = _millis(info.started)
        self._stopped = max(_millis(info.finished or info.started), self._started)

    def decision(self, seen: View) -> None:
        """The decision, as a result that passes for GO alone."""
        result = self._result("decision", f"Decision: {seen.decision}", "decision", "decision", "decision")
        result.status = model2.Status.PASSED if seen.decision is Decision.GO else _broken(seen.decision)
        told = [f"{r.decision} {r.gate}: {r.text}".replace(" :", ":") for r in seen.general]
        told += [f"{case.state} {case.id}: {case.reason}" for case in seen.failures]
        result.statusDetails = model2.StatusDetails(
            message=f"{seen.decision}: {seen.meaning}",
            trace="\n".join(bounded(tuple(told), _LINES)),
        )
        result.start, result.stop = self._started, self._stopped
        result.labels += _labels(severity="blocker")
        result.steps = [
            self._step(f"{gate.name}: {gate.outcome} {gate.remark}".rstrip(), _of(gate.decision))
            for gate in seen.gates
        ]
        digests = [
            (s.name, f"{kind}:{value}") for s in self._info.subjects for kind, value in s.digest.items()
        ]
        result.parameters = [model2.Parameter(name=clean(name), value=repr(value)) for name, value in digests]
        self._write(result, f"{self._info.run_id}/decision")

    def case(self, case: Case, number: int) -> None:
        """One check."""
        module = case.id.removeprefix(f"{case.gate}.").split(".")[0] if not case.is_gate else "gate"
        resource = case.result.resource if case.result else ""
        title = f"{case.title} [{resource}]" if resource and resource not in case.title else case.title
        result = self._result(case.id, title, case.gate, case.gate, module)
        result.status = _status(case)
        result.statusDetails = model2.StatusDetails(
            message=_message(case),
            trace=clean(case.reason + (f"\n→ {case.hint}" if case.hint else "")) if case.reason else None,
            known=case.state is State.WAIVED or None,
            flaky=bool(case.result and case.result.flaky) or None,
        )
        result.labels += _labels(severity="normal" if case.ok else "critical", tag=str(case.state))
        if case.cause:
            result.labels += _labels(tag=str(case.cause))
        start = _millis(case.result.started) if case.result and case.result.started else self._started
        result.start, result.stop = start, start + (round(case.result.duration * 1000) if case.result else 0)
        if case.result is not None:
            self._seen(case.result, result, number)
            result.attachments += self._charts(case, number)
        self._write(result, f"{self._info.run_id}/{number}/{case.id}")

    def _seen(self, seen: CheckResult, result: Any, number: int) -> None:  # noqa: ANN401 - allure's classes carry no types
        """What a check that reported saw: thresholds, attempts, facts, files."""
        if seen.resource:
            result.labels += _labels(tag=f"resource:{one_line(seen.resource)}")
            result.parameters.append(model2.Parameter(name="resource", value=clean(seen.resource)))
        facts = {f"fact: {name}": value for name, value in seen.facts.items()}
        numbers = {m.metric: f"{show(m.value, m.unit)} ({m.sample:,} samples)" for m in seen.measurements}
        for name, value in {**numbers, **facts}.items():
            # Not excluded, a value that changes would start a history of its own in each run.
            result.parameters.append(model2.Parameter(name=clean(name), value=clean(value), excluded=True))
        result.steps = [self._threshold(each) for each in seen.thresholds]
        for count, attempt in enumerate(seen.attempts, 1):
            name = f"attempt {count}: {attempt.outcome} {attempt.reason}".rstrip()
            result.steps.append(self._step(name, "passed" if attempt.outcome == "passed" else "failed"))
        findings = tuple(map(finding_line, seen.findings))
        for name, lines in (("findings", findings), ("diagnosis", seen.diagnosis)):
            if lines:
                text = "\n".join(bounded(lines, _LINES))
                result.attachments.append(self._attach(f"{number}/{name}", name, text.encode()))
        result.attachments += [each for file in seen.evidence for each in self._evidence(file, number)]

    def surroundings(self, seen: View) -> None:
        """The files that Allure reads beside the results."""
        info = self._info
        environment = {
            "Decision": str(seen.decision),
            "Profile": info.profile,
            "Phase": str(info.phase),
            "Environment": info.resource_uri,
            "Stand-in": "yes" if info.stand_in else "no",
            "Partial": "yes" if info.partial else "no",
            "Policy": f"sha256:{info.policy_digest}",
            "Version": info.version,
            **{f"Image.{name}": image for name, image in info.images.items()},
        }
        lines = [f"{_property(key)}={_property(value)}\n" for key, value in environment.items() if value]
        (self._target / "environment.properties").write_text("".join(lines), encoding="ascii")
        self._json("categories.json", list(_categories()))
        executor = {
            "name": f"gonogo {info.version}",
            "type": "gonogo",
            "buildName": f"{info.profile} {info.phase} {info.run_id}",
            "buildOrder": self._started,
            "reportName": f"{seen.decision}: {info.profile}, {info.phase}",
        }
        self._json("executor.json", executor)

    def _result(self, identity: str, title: str, gate: str, suite: str, story: str) -> Any:  # noqa: ANN401
        """A result with its labels; its history is that of the check's id in this profile and phase."""
        info = self._info
        place = f"{info.profile}/{info.phase}"
        result = model2.TestResult()
        result.name = one_line(title)
        result.fullName = one_line(f"{place}/{identity}")
        result.testCaseId = _history(identity)
        result.historyId = _history(f"{place}/{identity}")
        result.stage = "finished"
        result.titlePath = [place, one_line(suite)]
        result.labels = _labels(
            parentSuite=place, suite=suite, subSuite=story, feature=gate, story=story, framework="gonogo"
        )
        return result

    def _threshold(self, each: ThresholdResult) -> Any:  # noqa: ANN401
        status = {True: "passed", False: "failed", None: "broken"}[each.held]
        actual = figure(each)
        step = self._step(f"{each.threshold}: {actual}", status)
        step.parameters = [
            model2.Parameter(name="actual", value=actual),
            model2.Parameter(name="limit", value=show(each.limit, each.unit)),
            model2.Parameter(name="samples", value=f"{each.sample:,}"),
        ]
        return step

    def _step(self, name: str, status: str) -> Any:  # noqa: ANN401
        return model2.TestStepResult(
            name=one_line(name), status=status, stage="finished", start=self._started, stop=self._started
        )

    def _evidence(self, file: Evidence, number: int) -> Iterator[Any]:
        """A file as an attachment; one that is not there any more is told, never left out."""
        path = inside(self._folder, file.path)
        if path is None:
            gone = f"{file.path} is not in the run's folder; its sha256 was {file.sha256}"
            yield self._attach(f"{number}/{file.path}", f"{file.name} (missing)", clean(gone).encode())
            return
        source = self._name(f"{number}/{file.path}") + _suffix(path, file.media_type)
        shutil.copyfile(path, self._target / source)
        yield model2.Attachment(name=one_line(file.name), source=source, type=file.media_type)

    def _charts(self, case: Case, number: int) -> Iterator[Any]:
        """A load run's decision, and its charts as drawings; why there are none, where there are none."""
        found = load.loaded(self._folder, case)
        if found is None:
            return
        if found.result is None:
            yield self._attach(f"{number}/charts", "no charts", clean(found.why).encode())
            return
        text = "\n".join(bounded(tuple(load.lines(found.result, case)), _LINES))
        yield self._attach(f"{number}/decision", "decision", text.encode())
        for chart in load.drawn(found, case, f"load-{number}"):
            data = standalone(chart.svg).encode()
            yield self._attach(f"{number}/{chart.name}", chart.title, data, ".svg", "image/svg+xml")

    def _attach(
        self, key: str, name: str, data: bytes, suffix: str = ".txt", kind: str = "text/plain"
    ) -> Any:  # noqa: ANN401
        source = f"{self._name(key)}{suffix}"
        (self._target / source).write_bytes(data)
        return model2.Attachment(name=one_line(name), source=source, type=kind)

    def _name(self, key: str) -> str:
        return f"{hashlib.sha256(f'{self._info.run_id}/{key}'.encode(errors='replace')).hexdigest()[:32]}-attachment"

    def _write(self, result: Any, key: str) -> None:  # noqa: ANN401
        from attr import asdict

        digest = hashlib.sha256(key.encode(errors="replace")).hexdigest()
        result.uuid = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
        name = model2.TEST_CASE_PATTERN.format(prefix=result.uuid)
        self._json(name, asdict(result, filter=lambda _, value: value is not None and value != []))

    def _json(self, name: str, data: object) -> None:
        text = json.dumps(data, ensure_ascii=False, indent=1)
        (self._target / name).write_text(text, encoding="utf-8", errors="replace")


def _status(case: Case) -> str:
    """Allure's word for a case. A blocked gate is broken; its checks are skipped, so that one cause is told once."""
    if case.state is State.FAILED:
        return str(model2.Status.FAILED)
    if case.state is State.PASSED:
        return str(model2.Status.PASSED)
    if case.ok or (case.state is State.BLOCKED and not case.is_gate):
        return str(model2.Status.SKIPPED)
    return str(model2.Status.BROKEN)


def _broken(decision: Decision) -> str:
    return str(model2.Status.FAILED if decision is Decision.NO_GO else model2.Status.BROKEN)


def _of(decision: Decision) -> str:
    return str(model2.Status.PASSED) if decision is Decision.GO else _broken(decision)


def _message(case: Case) -> str:
    cause = f" ({case.cause})" if case.cause else ""
    flaky = " (flaky)" if case.result and case.result.flaky else ""
    return one_line(f"{case.state}{cause}{flaky}" + (f": {case.reason}" if case.reason else ""))


def _categories() -> Iterator[dict[str, object]]:
    """Problems sorted by what they are; our messages begin with the state."""
    yield {"name": "Decision", "messageRegex": "^(NO_GO|INCONCLUSIVE|ERROR|PENDING): .*"}
    yield {
        "name": "Skipped, which the profile does not allow",
        "matchedStatuses": ["broken"],
        "messageRegex": "^skipped.*",
    }
    yield {"name": "Skipped, allowed", "matchedStatuses": ["skipped"], "messageRegex": "^skipped.*"}
    for state, title in _TITLES.items():
        yield {"name": title, "messageRegex": f"^{state}[ :(].*"}


def _labels(**labels: str) -> list[Any]:
    return [model2.Label(name=name, value=one_line(value)) for name, value in labels.items()]


def _property(text: str) -> str:
    """Escape for a Java properties file, ASCII only."""
    special = {"\\": "\\\\", "=": "\\=", ":": "\\:", " ": "\\ ", "#": "\\#", "!": "\\!"}
    units = "".join(special.get(char, char) for char in one_line(text)).encode("utf-16-be")
    codes = [int.from_bytes(units[index : index + 2], "big") for index in range(0, len(units), 2)]
    return "".join(chr(code) if code < 127 else f"\\u{code:04x}" for code in codes)


def _suffix(path: Path, media_type: str) -> str:
    return path.suffix if path.suffix.isascii() else mimetypes.guess_extension(media_type) or ""


def _history(identity: str) -> str:
    return hashlib.md5(identity.encode(errors="replace"), usedforsecurity=False).hexdigest()


def _millis(time: datetime) -> int:
    return round(time.timestamp() * 1000)
