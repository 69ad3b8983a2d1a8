"""``gonogo override``: sign that a release goes in an emergency although its verdict is not GO."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from harness.cli.asked import answered, override_json, say, show_json
from harness.cli.options import AsJson, Profiles, Store
from harness.cli.record import (
    As,
    OnFile,
    Phase_,
    Profile_,
    SignWith,
    Verdict_,
    Yes,
    add,
    confirm,
    named,
    on_file,
    one_signer,
    show,
)
from harness.errors import ExitCode, ThresholdError, UsageError
from harness.masking import mask


def override(
    name: As,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why it cannot wait.", show_default=False)
    ],
    incident: Annotated[
        str, typer.Option("--incident", metavar="ID", help="The incident it belongs to.", show_default=False)
    ],
    expires: Annotated[
        str, typer.Option("--expires", metavar="4h", help="How long it lasts.", show_default=False)
    ],
    sign_with: SignWith = "",
    profile: Profile_ = "",
    verdict: Verdict_ = None,
    phase: Phase_ = "",
    profiles: Profiles = "profiles",
    yes: Yes = False,
    as_json: AsJson = False,
    store: Store = "",
) -> int:
    """Override the verdict on file in an emergency: a signed record of who, why, until when, and of what was not GO.

    The decision stays what it is: `gonogo verify` answers 15, and 0 only with --accept-override; where the profile
    demands approval, it is still demanded, of somebody else.
    """

    def record() -> int:
        why, what = _said("reason", reason), _said("incident", incident)
        with on_file(profile, verdict, phase, profiles, store) as file:
            return _override(file, name, sign_with, (why, what, _lasts(expires, file)), yes, as_json)

    return answered(record, as_json=as_json)


def _said(option: str, text: str) -> str:
    from harness.verdict.record_format import LONGEST

    if not text.strip() or len(text) > LONGEST:
        raise UsageError(
            f"--{option} {'is empty' if not text.strip() else f'is longer than {LONGEST} characters'}",
            hint="say it in a line: it is what remains of the emergency",
        )
    return mask(text)


def _lasts(text: str, file: OnFile) -> timedelta:
    from harness.profile.units import write_duration
    from harness.threshold import parse_duration

    longest = file.profile.override.max
    try:
        seconds = parse_duration(text)
    except ThresholdError as error:
        raise UsageError(f"--expires {error.message}", hint=error.hint) from None
    if not timedelta(0) < timedelta(seconds=seconds) <= timedelta(seconds=longest):
        raise UsageError(
            f"--expires {text}: profile {file.profile.name!r} allows an override of {write_duration(longest)} at most",
            hint=f"--expires {write_duration(longest)}, or less",
        )
    return timedelta(seconds=seconds)


def _override(
    file: OnFile, name: str, sign_with: str, said: tuple[str, str, timedelta], yes: bool, as_json: bool
) -> int:
    from harness.model import Decision
    from harness.verdict.override import bypassed, digests
    from harness.verdict.record_format import About, EmergencyOverride

    environment, found = file.profile, file.found
    info = found.verdict.info
    config = named(name, environment.override.signers, "override")
    if found.verdict.decision is Decision.GO:
        raise UsageError("the verdict is GO: there is nothing to override", hint="deploy it")
    signer = one_signer(sign_with, config, region=environment.aws.region)
    show(found, to_stderr=as_json)
    confirm(f"Override this as {name}?", yes=yes)
    (reason, incident, lasts), now = said, datetime.now(UTC)
    record = EmergencyOverride(
        About.of(found.verdict),
        name,
        now,
        reason,
        incident,
        now + lasts,
        digests(found.verdict),
        bypassed(found.verdict),
    )
    where = add(file, record, signer, environment.override.signers)
    if as_json:
        show_json(
            {
                "ok": True,
                "kind": record.kind,
                "run_id": info.run_id,
                "sha256": found.verdict.sha256,
                "record": where,
                "override": override_json(record, record.expires),
            }
        )
    else:
        say(f"overridden by {name} until {record.expires:%Y-%m-%dT%H:%M:%SZ}: {where}", "red")
        say(f"  bypassed: {', '.join(each.name for each in record.bypassed)}", "red")
        say("  the verdict stays what it is; `gonogo verify --accept-override` lets it go")
    return ExitCode.GO
