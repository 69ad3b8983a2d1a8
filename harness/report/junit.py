"""``junit.xml``: a test suite for each gate, a test case for each check, and the decision as a case of its own.

A CI that only knows JUnit must not see more green than the verdict: what did not report, what was inconclusive and
a skip that the profile does not allow are errors, and the case ``decision`` fails whenever the decision is not GO.
"""

from pathlib import Path
from xml.etree import ElementTree as ET

from harness.model import Decided, Decision, Record
from harness.report.files import write
from harness.report.text import EXIT_TEXT, bounded, clean, figure, one_line
from harness.report.view import Case, GateView, State, View, view
from harness.verdict.info import RunInfo

NAME = "junit.xml"
_LINES = 200


def render(folder: Path, info: RunInfo, record: Record, decided: Decided) -> Path:
    """Write ``junit.xml``."""
    seen = view(record, decided)
    root = ET.Element("testsuites", name=f"gonogo {info.profile} {info.phase}")
    suites = [_decision(info, seen), *(_gate(info, gate) for gate in seen.gates)]
    root.extend(suites)
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in suites):.3f}")
    ET.indent(root)
    return write(folder / NAME, ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _decision(info: RunInfo, seen: View) -> ET.Element:
    case = ET.Element(
        "testcase", classname=f"gonogo.{info.profile}.{info.phase}", name="decision", time="0.000"
    )
    if seen.decision is not Decision.GO:
        told = "\n".join(f"{reason.decision}: {clean(reason.text)}" for reason in seen.general)
        problems = "\n".join(f"{case.state}: {case.id}: {clean(case.reason)}" for case in seen.failures)
        kind = "error" if seen.decision is Decision.ERROR else "failure"
        message = f"{seen.decision}: {EXIT_TEXT[seen.decision]}"
        element = ET.SubElement(case, kind, type=str(seen.decision), message=message)
        element.text = _text(told, problems) or message
    out = ET.SubElement(case, "system-out")
    digests = (f"{s.name} {kind}:{value}" for s in info.subjects for kind, value in s.digest.items())
    out.text = _text(f"decision {seen.decision}", f"run {info.run_id}", *digests)
    return _suite("gonogo", info, [case])


def _gate(info: RunInfo, gate: GateView) -> ET.Element:
    suite = _suite(gate.name, info, [_case(info, case) for case in gate.cases])
    if gate.verdict:
        suite.set("time", f"{gate.verdict.duration:.3f}")
    properties = ET.Element("properties")
    for name, value in (("outcome", gate.outcome), ("decision", gate.decision), ("remark", gate.remark)):
        if value:
            ET.SubElement(properties, "property", name=name, value=one_line(str(value)))
    suite.insert(0, properties)
    return suite


def _suite(name: str, info: RunInfo, cases: list[ET.Element]) -> ET.Element:
    def having(kind: str) -> str:
        return str(sum(case.find(kind) is not None for case in cases))

    suite = ET.Element(
        "testsuite",
        name=one_line(name),
        tests=str(len(cases)),
        failures=having("failure"),
        errors=having("error"),
        skipped=having("skipped"),
        timestamp=info.started.strftime("%Y-%m-%dT%H:%M:%S"),
        time=f"{sum(float(case.get('time', '0')) for case in cases):.3f}",
    )
    suite.extend(cases)
    return suite


def _case(info: RunInfo, case: Case) -> ET.Element:
    element = ET.Element(
        "testcase",
        classname=one_line(f"gonogo.{info.profile}.{info.phase}.{case.gate}"),
        name=one_line(case.id),
        time=f"{case.result.duration if case.result else 0.0:.3f}",
    )
    kind = _kind(case)
    if kind:
        told = ET.SubElement(element, kind, message=_message(case))
        if kind != "skipped":
            told.set("type", str(case.cause or case.state))
        told.text = _details(case)
    if numbers := _numbers(case):
        ET.SubElement(element, "system-out").text = numbers
    return element


def _kind(case: Case) -> str:
    """The JUnit element that says what a case came to; empty for a pass.

    The checks of a blocked gate are skipped: the gate's own case is the error, and one cause is told once.
    """
    match case.state:
        case State.PASSED:
            return ""
        case State.FAILED:
            return "failure"
        case State.WAIVED:
            return "skipped"
        case State.SKIPPED:
            return "skipped" if case.allowed else "error"
        case State.BLOCKED:
            return "error" if case.is_gate else "skipped"
        case State.ERROR | State.INCONCLUSIVE | State.NOT_RUN:
            return "error"


def _message(case: Case) -> str:
    cause = f" ({case.cause})" if case.cause else ""
    return one_line(f"{case.state}{cause}: {case.reason}", 1000)


def _details(case: Case) -> str:
    result = case.result
    findings = (
        [f"{finding.path}:{finding.line}: {finding.rule} {finding.message}" for finding in result.findings]
        if result
        else []
    )
    diagnosis = result.diagnosis if result else ()
    return _text(
        case.reason, f"→ {case.hint}" if case.hint else "", *bounded((*findings, *diagnosis), _LINES)
    )


def _numbers(case: Case) -> str:
    result = case.result
    if result is None:
        return ""
    judged = [f"{each.threshold}: {figure(each)} ({each.sample} samples)" for each in result.thresholds]
    tried = [f"attempt {n}: {a.outcome} {a.reason}" for n, a in enumerate(result.attempts, 1)]
    files = [f"evidence {each.path} sha256:{each.sha256}" for each in result.evidence]
    return _text(*judged, *tried, *(f"{key}: {value}" for key, value in result.facts.items()), *files)


def _text(*parts: str) -> str:
    return "\n".join(clean(part) for part in parts if part)
