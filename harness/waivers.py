"""Which waivers hold, and what they cover. Pure: a run uses it to mark its results, deciding to judge the marks anew.

A waiver excuses a failure by name, for a time; it never turns one into a pass. Only failures can be waived: an error, a
skip, what is inconclusive and what did not report are no results that anyone could accept. So denied access, which is
an error, cannot; nor can a leaked secret, nor what the gate ``subject`` finds, because a verdict without knowing what
it is about is none.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from harness.frozen import replace
from harness.model import CheckResult, Finding, Outcome, Record, SessionEnd, Waiver

SUBJECT = "subject"
"""The gate whose checks cannot be waived."""
SOURCE = "source"
"""The subject that is no image."""
SECRET = "secret"  # noqa: S105 - the word itself
"""The severity of a finding that is a leaked secret."""
SECRET_RULES = frozenset({"B105", "B106", "B107", "S105", "S106", "S107"})
"""Rules of Bandit and Ruff that find secrets in source."""
_ADVISORIES = ("CVE-", "GHSA-", "PYSEC-", "OSV-")
ANY = "*"


def is_over(waiver: Waiver, at: datetime | None) -> bool:
    """Whether it does not hold at a moment; at a moment that nobody knows, none holds."""
    return at is None or not waiver.created <= at < waiver.expires


def is_about(waiver: Waiver, images: Mapping[str, str]) -> bool:
    """Whether a run that judges these images (name -> ``sha256:…``) is in its scope."""
    name, _, digest = waiver.image.partition("@")
    return not name or (name in images and digest in ("", images[name]))


def names_check(waiver: Waiver, check: str) -> bool:
    """Whether its check is this one, or its pattern of resources matches this one's."""
    if waiver.check == check:
        return True
    head, bracket, pattern = waiver.check.partition("[")
    start = f"{head}{bracket}"
    if ANY not in pattern or not check.startswith(start):
        return False
    return _matches(pattern.split(ANY), check.removeprefix(start))


def _matches(parts: list[str], text: str) -> bool:
    """Whether `text` is the parts in order, with anything between them."""
    first, *inner, last = parts
    if not (text.startswith(first) and text.endswith(last) and len(text) >= len(first) + len(last)):
        return False
    text = text[len(first) : len(text) - len(last)]
    for part in inner:
        _, found, text = text.partition(part) if part else ("", ANY, text)
        if not found:
            return False
    return True


def names_finding(waiver: Waiver, finding: Finding) -> bool:
    """Whether it is a waiver of this finding."""
    known = waiver.finding in (finding.rule, *finding.aliases)
    return bool(waiver.finding) and known and waiver.path in ("", finding.path)


def is_secret(finding: Finding) -> bool:
    """Whether a finding is a leaked secret."""
    return finding.severity.lower() == SECRET or finding.rule in SECRET_RULES


def can_be_waived(result: CheckResult) -> bool:
    """Whether any waiver could cover a result."""
    leaks = any(finding.counts and is_secret(finding) for finding in result.findings)
    return result.outcome is Outcome.FAILED and result.gate != SUBJECT and not leaks


def covering(
    result: CheckResult, waivers: Iterable[Waiver], at: datetime | None, images: Mapping[str, str]
) -> tuple[Waiver, ...]:
    """The waivers that cover a failure: one of its check, or those of every finding that counts against it."""
    if not can_be_waived(result):
        return ()
    held = sorted(
        (each for each in waivers if not is_over(each, at) and is_about(each, images)),
        key=lambda each: each.id,
    )
    for waiver in held:
        if waiver.check and names_check(waiver, result.id):
            return (waiver,)
    found = [
        next((each for each in held if names_finding(each, finding)), None)
        for finding in result.findings
        if finding.counts
    ]
    whole = [each for each in found if each is not None]
    return tuple(dict.fromkeys(whole)) if len(whole) == len(found) else ()


def marked(
    result: CheckResult,
    waivers: Iterable[Waiver],
    at: datetime | None,
    images: Mapping[str, str],
    *,
    of_findings: bool,
) -> CheckResult:
    """A result with the waivers that cover it, and its findings with theirs.

    Args:
        result: what a check came to.
        waivers: those of the environment.
        at: when the run started.
        images: what the run judges, name -> ``sha256:…``.
        of_findings: whether its findings are all there is against it, so that waiving them is enough.
    """
    held = [each for each in waivers if not is_over(each, at) and is_about(each, images)]
    if not held or not can_be_waived(result):
        return result
    found = covering(result, held, at, images)
    if any(each.finding for each in found) and not of_findings:
        found = ()
    return replace(
        result,
        findings=tuple(_marked(finding, held) for finding in result.findings),
        waiver=",".join(each.id for each in found),
    )


def _marked(finding: Finding, held: Iterable[Waiver]) -> Finding:
    names = sorted(each.id for each in held if names_finding(each, finding))
    return replace(finding, waiver=names[0]) if names and finding.counts else finding


def images_of(results: Iterable[CheckResult]) -> dict[str, str]:
    """The images that a run judges, as its gate ``subject`` found them: name -> ``sha256:…``."""
    return {
        subject.name: f"sha256:{subject.digest.get('sha256', '')}"
        for result in results
        if result.gate == SUBJECT and result.outcome is Outcome.PASSED
        for subject in result.subjects
        if subject.name != SOURCE
    }


def is_unused(waiver: Waiver, record: Record) -> bool:
    """Whether it covered nothing although the run came to where it could have."""
    used = {id_ for result in record.results for id_ in result.waivers}
    used |= {finding.waiver for result in record.results for finding in result.findings}
    if waiver.id in used or not is_about(waiver, images_of(record.results)):
        return False
    ran = {run.gate for run in record.runs if run.end is SessionEnd.COMPLETED}
    wanted = {waiver.check.partition(".")[0]} if waiver.check else {gate.name for gate in record.gates}
    return bool(wanted) and wanted <= ran


def breadth(waiver: Waiver) -> str:
    """Why it may cover more than was meant; empty where it is narrow enough."""
    if waiver.check.partition("[")[2].strip(ANY) == "]":
        return "it covers every resource of the check, those of tomorrow included"
    if waiver.finding and not waiver.path and not waiver.finding.startswith(_ADVISORIES):
        return "it covers the rule in every file"
    return ""


def told(waiver: Waiver) -> str:
    """``W-7 (ana, until 2026-12-01 00:00 UTC: the fix comes with 1.4)``."""
    return f"{waiver.id} ({waiver.owner}, until {waiver.expires:%Y-%m-%d %H:%M} UTC: {waiver.reason})"
