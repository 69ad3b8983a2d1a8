"""Verifying: may this verdict be relied on, here and now, for exactly this release?

The consumer brings its own profile, plan and time; the verdict brings claims. Each claim is held against what the
consumer knows, in a fixed order, and the first that does not hold is the reason, with a code of its own.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harness.errors import UsageError, VerdictError
from harness.frozen import dataclass, replace
from harness.model import Decision, ExpectedCheck, ExpectedGate, Phase, Reason
from harness.policy import NOTES, decide
from harness.profile import Profile
from harness.verdict.evidence import hold_evidence
from harness.verdict.info import CLOCK_SKEW, SOURCE, RunInfo, emulated, image_check, resource_uri, rules
from harness.verdict.on_file import parse_verdict, read_verdict
from harness.verdict.permission import Permission, held, permit
from harness.verdict.refusal import Refusal, RefusedError, not_go
from harness.verdict.statement import Verdict
from harness.verdict.trust import hold_signatures
from harness.verdict.waived import hold_waivers, holds_until, require_readable

if TYPE_CHECKING:
    from harness.verdict.records import Attached

T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """What the consumer asks, all of it from the consumer's own side.

    `subjects` maps each image about to be deployed to its ``sha256:…``; `source` is the digest of the source, or
    empty. `gates` and `checks` are the plan of the consumer's profile, `policy_digest` that profile's.
    """

    profile: Profile
    gates: Sequence[ExpectedGate]
    checks: Sequence[ExpectedCheck]
    policy_digest: str
    phase: Phase
    subjects: Mapping[str, str]
    now: datetime
    source: str = ""
    require_evidence: bool = False
    accept_override: bool = False
    """Whether what is not GO may go all the same where an emergency override stands."""


@dataclass(frozen=True)
class Kept:
    """What a store has of a verdict that lies in a file as well: whoever changes the file does not change this."""

    raw: bytes
    """The verdict, as it was held against the store's newest; the file is not read again."""
    run: Path
    """A copy of the run's folder there: its records count as well as those beside the file."""


@dataclass(frozen=True)
class Examined:
    """A verdict that can be relied on: it says what it says, of this environment, by these rules, and it is not PENDING."""

    verdict: Verdict
    path: Path
    evidence: int
    """Evidence files that were there and held."""
    expires: datetime
    signers: tuple[str, ...]
    """Whose signatures the profile demanded and found; none where it demands none."""
    attached: tuple["Attached", ...]
    """Its records, each held."""
    kept: Kept | None
    """What a store has of it."""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """What its decision rests on; of a GO, what it allows."""
        return tuple(reason for reason in self.verdict.decided.reasons if reason.code not in NOTES)


@dataclass(frozen=True)
class Verified(Examined):
    """A verdict that lets a deploy go on. `reasons` are the skips and waivers its GO rests on.

    Its decision is GO, or else an override stands that was accepted.
    """

    permission: Permission
    """The approvals and the override that it goes by."""
    origin: str = ""
    """Where it came from, where that is not `path`: a store."""


def verify(path: Path, asked: Question, kept: Kept | None = None) -> Verified:
    """Accept the verdict at `path` as a GO for exactly what is asked, or raise the first reason not to.

    Where an override is accepted, a verdict that is not GO goes as well, if an emergency override stands. `kept` is what a
    store has of the same verdict.

    Raises:
        UsageError: nothing was asked for, or a digest is not one.
        VerdictError: refused; `code` is a `Refusal`, `exit_code` says whether it was unusable or not GO.
    """
    _check_question(asked)
    asked = replace(asked, source=asked.source.lower())
    found = examine(path, asked, kept)
    permission = permit(
        found.verdict,
        found.attached,
        asked.profile,
        signers=found.signers,
        expires=found.expires,
        now=asked.now,
        accept_override=asked.accept_override,
    )
    return Verified(
        found.verdict,
        path,
        found.evidence,
        permission.expires,
        found.signers,
        found.attached,
        kept,
        permission,
    )


def examine(path: Path, asked: Question, kept: Kept | None = None) -> Examined:
    """Accept the verdict at `path` as one to be relied on, whatever it decides, or raise the first reason not to.

    Raises:
        VerdictError: refused, or PENDING.
    """
    verdict = read_verdict(path) if kept is None else parse_verdict(path, kept.raw)
    if verdict.decision is Decision.PENDING:
        raise not_go(verdict)
    signers = _signatures(verdict, asked)
    for rule in _RULES:
        rule(verdict, asked)
    attached = held(path, verdict, asked.profile, asked.now, kept.run if kept else None)
    evidence = hold_evidence(path, verdict, require=asked.require_evidence)
    if decide(verdict.record) != verdict.decided:
        raise RefusedError(
            Refusal.NOT_DERIVABLE,
            f"the stated {verdict.decision} does not follow from the verdict's own record",
            verdict,
            hint="run the gates again; a verdict is never repaired by hand",
        )
    expires = holds_until(verdict, asked.profile, _expiry(verdict.info, asked.profile))
    return Examined(verdict, path, evidence, expires, signers, attached, kept)


def _check_question(asked: Question) -> None:
    if not asked.subjects and not asked.source:
        raise UsageError(
            "nothing was asked for: a verdict is a GO for certain bytes only",
            hint="name what is about to be deployed: --image NAME@sha256:…, or --source COMMIT",
        )
    for name, digest in asked.subjects.items():
        if not is_digest(digest):
            raise UsageError(
                f"image {name}: {digest!r} is not a digest",
                hint=f"a tag can move; write --image {name}@sha256:… with the 64 digits of what is deployed",
            )
    if asked.source and not _is_hex(asked.source.lower().removeprefix("sha256:"), (40, 64)):
        raise UsageError(
            f"source {asked.source!r} is not a full commit id or digest",
            hint="write all 40 (or 64) digits, as `git rev-parse HEAD` does",
        )


def is_digest(text: str) -> bool:
    """Whether it reads ``sha256:`` and 64 hexadecimal digits."""
    return text.startswith("sha256:") and _is_hex(text.removeprefix("sha256:"), (64,))


def _is_hex(text: str, lengths: tuple[int, ...]) -> bool:
    return len(text) in lengths and all(char in "0123456789abcdef" for char in text)


def _signatures(verdict: Verdict, asked: Question) -> tuple[str, ...]:
    """Before anything that a verdict says is believed, but for PENDING, which no signature makes better."""
    try:
        return hold_signatures(verdict.envelope, asked.profile.policy.signing)
    except VerdictError as error:
        raise RefusedError(Refusal(error.code), error.message, verdict, hint=error.hint) from None


def _subjects(verdict: Verdict, asked: Question) -> None:
    app = asked.profile.app
    if app.require_images and (unnamed := [name for name in app.images if name not in verdict.info.images]):
        raise RefusedError(
            Refusal.SUBJECT,
            f"the verdict does not speak of image {', '.join(unnamed)}, which profile {asked.profile.name} releases",
            verdict,
            hint="run the gates with " + " ".join(f"--image {name}=…" for name in app.images),
        )
    for name, digest in asked.subjects.items():
        subject = verdict.info.subject(name)
        if subject is None or name not in verdict.info.images:
            known = ", ".join(sorted(verdict.info.images)) or "none"
            raise RefusedError(
                Refusal.SUBJECT,
                f"the verdict does not speak of image {name}; its images: {known}",
                verdict,
                hint=f"run the gates with --image {name}=…",
            )
        stated = f"sha256:{subject.digest.get('sha256', '')}"
        if stated != digest:
            raise RefusedError(
                Refusal.SUBJECT,
                f"image {name}: the verdict is about {stated}, not {digest}",
                verdict,
                hint="deploy what was judged, or judge what is deployed",
            )
    if asked.source:
        source = verdict.info.subject(SOURCE)
        found = set(source.digest.values()) if source else set()
        if asked.source.removeprefix("sha256:") not in found:
            tree = source is not None and "gitCommit" not in source.digest
            raise RefusedError(
                Refusal.SOURCE,
                f"source: the verdict is about {'a tree that was not committed, ' if tree else ''}"
                f"{', '.join(sorted(found)) or 'none'}, not {asked.source}",
                verdict,
                hint="commit, then run the gates again" if tree else "run the gates on this commit",
            )


def _environment(verdict: Verdict, asked: Question) -> None:
    info, expected = verdict.info, resource_uri(asked.profile)
    if (info.profile, info.resource_uri) != (asked.profile.name, expected):
        raise RefusedError(
            Refusal.ENVIRONMENT,
            f"the verdict is about {info.profile} at {info.resource_uri}, not {asked.profile.name} at {expected}",
            verdict,
            hint=f"run the gates with --profile {asked.profile.name}",
        )
    if info.stand_in and not emulated(asked.profile):
        raise RefusedError(
            Refusal.STAND_IN,
            f"an emulator answered for {info.resource_uri}",
            verdict,
            hint="run the gates against the environment itself",
        )


def _phase(verdict: Verdict, asked: Question) -> None:
    if verdict.info.phase is not asked.phase:
        raise RefusedError(
            Refusal.PHASE,
            f"the verdict is about {verdict.info.phase}, not {asked.phase}",
            verdict,
            hint=f"run the gates with --phase {asked.phase}",
        )


def _policy(verdict: Verdict, asked: Question) -> None:
    info = verdict.info
    require_readable(verdict, asked.profile)
    if info.policy_digest != asked.policy_digest:
        changed = ", ".join(f"{key} ({each.source})" for key, each in info.overrides.items())
        raise RefusedError(
            Refusal.POLICY,
            f"the verdict was decided by policy {info.policy_digest[:12]}, "
            f"profile {asked.profile.name} has {asked.policy_digest[:12]}"
            + (f"; the run overrode {changed}" if changed else ""),
            verdict,
            hint="run the gates with the profile as it is here, without overrides, and with this version",
        )
    if verdict.record.policy != rules(asked.profile):
        raise RefusedError(
            Refusal.POLICY,
            "the verdict's record holds other rules than the policy it names",
            verdict,
            hint="run the gates again; a verdict is never repaired by hand",
        )


def _waivers(verdict: Verdict, asked: Question) -> None:
    hold_waivers(verdict, asked.profile, asked.now)


def _expiry(info: RunInfo, profile: Profile) -> datetime:
    """The earlier of what the verdict says and what the consumer's policy allows."""
    by_policy = (info.finished or info.started) + timedelta(seconds=profile.policy.max_age)
    return min(info.expires or by_policy, by_policy)


def _age(verdict: Verdict, asked: Question) -> None:
    made = verdict.info.finished or verdict.info.started
    if made > asked.now + CLOCK_SKEW:
        raise RefusedError(
            Refusal.FROM_THE_FUTURE,
            f"the verdict is from {made:%Y-%m-%d %H:%M:%S} UTC, and it is {asked.now:%Y-%m-%d %H:%M:%S} UTC",
            verdict,
            hint="set the clocks right",
        )
    expires = _expiry(verdict.info, asked.profile)
    if asked.now >= expires:
        raise RefusedError(
            Refusal.EXPIRED,
            f"the verdict expired at {expires:%Y-%m-%d %H:%M:%S} UTC",
            verdict,
            hint="run the gates again",
        )


def _complete(verdict: Verdict, asked: Question) -> None:
    """The plan is the consumer's own, with one check for each image that the run was asked about."""
    wanted = (*asked.checks, *(image_check(name) for name in verdict.info.images))
    for code, difference in (
        (Refusal.EXPECTED_GATES, _difference(asked.gates, verdict.record.gates, lambda gate: gate.name)),
        (Refusal.EXPECTED_CHECKS, _difference(wanted, verdict.record.checks, lambda check: check.id)),
    ):
        if difference:
            raise RefusedError(
                code,
                f"the {code.value.removeprefix('expected_')} that the verdict accounts for are not those of "
                f"profile {asked.profile.name}, {asked.phase}: {difference}",
                verdict,
                hint="run the gates with the profile as it is here",
            )
    if verdict.record.partial:
        raise RefusedError(
            Refusal.PARTIAL,
            "only some of the gates were asked to run",
            verdict,
            hint="run all gates: without --gate",
        )


def _difference(wanted: Sequence[T], stated: Sequence[T], name: Callable[[T], str]) -> str:
    """What is missing, what is more, what is not the same; empty where both are equal as sets without repeats."""
    ours, theirs = {name(each): each for each in wanted}, {name(each): each for each in stated}
    times = Counter(map(name, stated))
    parts = {
        "missing": [key for key in ours if key not in theirs],
        "unknown here": [key for key in theirs if key not in ours],
        "not the same": [key for key in ours if key in theirs and ours[key] != theirs[key]],
        "named twice": [key for key in theirs if times[key] > 1],
    }
    return "; ".join(f"{what} {', '.join(keys[:5])}" for what, keys in parts.items() if keys)


_RULES: tuple[Callable[[Verdict, Question], None], ...] = (
    _subjects,
    _environment,
    _phase,
    _policy,
    _waivers,
    _age,
    _complete,
)
