"""Asking for a verdict and telling the answer: what `verify`, `guard` and others share. No command line parser is needed here."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from harness.errors import ExitCode, GonogoError, OutputError, UsageError, VerdictError
from harness.frozen import replace
from harness.model import Decision, Phase

if TYPE_CHECKING:
    from harness.profile import Profile
    from harness.verdict.record_format import EmergencyOverride
    from harness.verdict.verify import Examined, Verified


def answer(
    profile: str,
    image: Sequence[str],
    *,
    source: str = "",
    phase: str = "pre-deploy",
    verdict: Path | None = None,
    profiles: str = "profiles",
    require_evidence: bool = False,
    accept_override: bool = False,
    as_json: bool = False,
    store: str = "",
    run: str = "",
) -> int:
    """Ask, tell the answer, and give the exit code: all of ``gonogo verify`` but its command line.

    Raises:
        GonogoError: asked wrongly.
    """

    def verify() -> int:
        verified = ask(
            profile,
            image,
            source=source,
            phase=phase,
            file=verdict,
            profiles=profiles,
            require_evidence=require_evidence,
            accept_override=accept_override,
            store=store,
            run=run,
        )
        if as_json:
            show_json(_accepted(verified))
        else:
            print_accepted(verified)
        return ExitCode.GO

    return answered(verify, as_json=as_json)


def answered(command: Callable[[], int], *, as_json: bool) -> int:
    """The exit code of a command about a verdict; why it is refused is told, as JSON where that was asked for.

    Raises:
        GonogoError: asked wrongly.
    """
    try:
        return command()
    except GonogoError as error:
        if not as_json and not isinstance(error, VerdictError):
            raise
        print_refusal(error, as_json=as_json)
        return error.exit_code


def ask(
    profile: str,
    images: Sequence[str],
    *,
    source: str,
    phase: str,
    file: Path | None,
    profiles: str,
    require_evidence: bool,
    accept_override: bool = False,
    store: str = "",
    run: str = "",
) -> "Verified":
    """Hold the verdict on file, or in a store, against the profile as its files say it, this moment, and what is to be
    deployed.

    Raises:
        GonogoError: refused, or asked wrongly.
    """
    from harness.gates import question
    from harness.verdict.origin import verdict_from
    from harness.verdict.verify import verify as verify_verdict

    when = read_phase(phase)
    subjects = read_images(images)
    environment = load(profile, profiles)
    with verdict_from(environment, when, file=file, store=store, run=run) as origin:
        asked = question(
            environment,
            when,
            now=datetime.now(UTC),
            subjects=subjects,
            source=source,
            require_evidence=require_evidence,
            accept_override=accept_override,
        )
        verified = verify_verdict(origin.path, asked, origin.kept)
    return replace(verified, origin=origin.name)


def load(name: str, profiles: str) -> "Profile":
    """The profile as its files say it: what overrides a run must not override the one who checks it."""
    from harness.gates import tables
    from harness.profile.loader import load_profile
    from harness.profile.overrides import without_overrides
    from harness.profile.sources import own_folder

    environ = without_overrides(os.environ)
    return load_profile(name, tables(), folder=own_folder(profiles), environ=environ)


def stored(profile: "Profile", phase: Phase) -> Path:
    """Where the newest verdict of a profile and phase is."""
    from harness.verdict.store import FILE, folder_of

    return folder_of(Path(profile.reports.path), profile.name, phase) / FILE


def read_phase(text: str) -> Phase:
    """Read ``--phase``."""
    try:
        return Phase(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a phase", hint=f"one of {', '.join(Phase)}") from None


def read_images(texts: Sequence[str]) -> dict[str, str]:
    """Read ``--image NAME@sha256:…``.

    Raises:
        UsageError: one names no digest, or two name the same image.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, mark, digest = text.partition("@")
        if not mark:
            name, _, digest = text.partition("=")
        if not name or not digest.startswith("sha256:"):
            raise UsageError(
                f"--image {text}: a deploy is verified by digest, not by a name that can move",
                hint=f"write --image {name.partition(':')[0] or 'NAME'}@sha256:… with the digest that is deployed",
            )
        if found.setdefault(name, digest) != digest:
            raise UsageError(f"--image {name} is given twice, with two digests", hint="give it once")
    return found


def print_accepted(verified: "Verified", *, to_stderr: bool = False) -> None:
    """One line for the answer, then what it rests on."""
    standing = verified.permission.standing
    print_verdict(verified, "OVERRIDDEN" if standing else "GO", to_stderr=to_stderr)
    if standing:
        from harness.verdict.override import told

        text = f"  override {told(standing.override, standing.expires)}"
        say(f"  the verdict is {verified.verdict.decision}", "red", to_stderr=to_stderr)
        say(text, "red", to_stderr=to_stderr)
    for each in verified.permission.approvals:
        comment = f": {each.comment}" if each.comment else ""
        say(f"  approved by {each.by} at {_time(each.at)}{comment}", to_stderr=to_stderr)


def print_verdict(found: "Examined", answer: str, *, to_stderr: bool = False) -> None:
    """What a verdict is about and what it says."""
    info = found.verdict.info
    say(
        f"{answer}: {info.profile} {info.phase}, run {info.run_id}, until {_time(found.expires)}",
        "green" if answer == "GO" else "red",
        to_stderr=to_stderr,
    )
    for subject in info.subjects:
        digest = ", ".join(f"{kind}:{value}" for kind, value in subject.digest.items())
        say(f"  {subject.name} {digest}", to_stderr=to_stderr)
    if found.signers:
        say(f"  signed by {', '.join(found.signers)}", to_stderr=to_stderr)
    elif found.verdict.envelope:
        say(
            "  signed, which is not judged: the profile names no signers (see `gonogo keys`)",
            "yellow",
            to_stderr=to_stderr,
        )
    for reason in found.reasons:
        allowed = reason.decision is Decision.GO
        say(
            f"  {'allowed' if allowed else reason.decision}: {reason.gate} {reason.text}",
            "yellow" if allowed else "red",
            to_stderr=to_stderr,
        )


def print_refusal(error: GonogoError, *, as_json: bool) -> None:
    """One line for the reason, one for what to do."""
    code = error.code if isinstance(error, VerdictError) else "usage"
    if as_json:
        show_json(_refused(error, code))
        return
    say(f"REFUSED ({code}): {error.message}", "red", to_stderr=True)
    say(f"  → {error.hint}", to_stderr=True)


def show_json(content: dict[str, Any]) -> None:
    """Print one JSON object, whatever stdout's encoding is.

    Raises:
        OutputError: it cannot be written.
    """
    _print(json.dumps(content, indent=2), sys.stdout)


def say(text: str, colour: str = "", *, to_stderr: bool = False) -> None:
    """Print one line, in colour on a terminal; rich is imported only there.

    Control characters are shown as such: what a file says must not become a line or a terminal command of its own.

    Raises:
        OutputError: it cannot be written.
    """
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    stream = sys.stderr if to_stderr else sys.stdout
    if not stream.isatty():
        _print(text, stream)
        return
    from rich.console import Console
    from rich.text import Text

    Console(file=stream, highlight=False).print(Text(text, style=colour), soft_wrap=True)


def _print(text: str, stream: TextIO) -> None:
    try:
        print(text, file=stream)
    except OSError as error:
        raise OutputError(
            f"what was found could not be written: {error.strerror}", hint="look at where the output goes"
        ) from error


def _accepted(verified: "Verified") -> dict[str, Any]:
    info, permission = verified.verdict.info, verified.permission
    standing = permission.standing
    return {
        "ok": True,
        "code": "overridden" if standing else "go",
        "exit_code": int(ExitCode.GO),
        "decision": verified.verdict.decision,
        "run_id": info.run_id,
        "reason": f"{'an accepted emergency override' if standing else 'GO'} for {info.profile} {info.phase}",
        "allowed": [reason.text for reason in verified.reasons if reason.decision is Decision.GO],
        "subjects": {subject.name: dict(subject.digest) for subject in info.subjects},
        "expires": _time(verified.expires),
        "evidence_checked": verified.evidence,
        "verdict": verified.origin,
        "sha256": verified.verdict.sha256,
        "signers": list(verified.signers),
        "started_by": info.told_starter,
        "approvals": [
            {"by": each.by, "at": _time(each.at), "comment": each.comment} for each in permission.approvals
        ],
        "override": override_json(standing.override, standing.expires) if standing else None,
    }


def _refused(error: GonogoError, code: str) -> dict[str, Any]:
    from harness.verdict.approval import WaitingError
    from harness.verdict.override import OverriddenError
    from harness.verdict.refusal import RefusedError

    known = error.verdict if isinstance(error, RefusedError) else None
    more: dict[str, Any] = {}
    if isinstance(error, OverriddenError):
        more["override"] = override_json(error.override, error.expires)
    if isinstance(error, WaitingError) and (waits := error.waits):
        until = {"not_before": _time(waits.not_before)}
        more["waits"] = until | {"approvals": waits.approvals, "required": waits.required}
    return {
        "ok": False,
        "code": code,
        "exit_code": int(error.exit_code),
        "decision": known.decision if known else None,
        "run_id": known.info.run_id if known else None,
        "reason": error.message,
        "hint": error.hint,
    } | more


def override_json(override: "EmergencyOverride", expires: datetime) -> dict[str, Any]:
    """An emergency override: who, why, until when, and what of the verdict it sets aside."""
    return {
        "by": override.by,
        "at": _time(override.at),
        "reason": override.reason,
        "incident": override.incident,
        "expires": _time(expires),
        "bypassed": [
            {"gate": each.gate, "check": each.check, "decision": each.decision} for each in override.bypassed
        ],
    }


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
