"""``gonogo approve``: sign that a verdict may be deployed by, or that it may not."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.asked import answered, say, show_json
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
from harness.errors import ExitCode, UsageError, VerdictError
from harness.masking import mask

if TYPE_CHECKING:
    from harness.verdict.override import Standing
    from harness.verdict.record_format import Record
    from harness.verdict.signing import Signer


def approve(
    name: As,
    sign_with: SignWith = "",
    profile: Profile_ = "",
    verdict: Verdict_ = None,
    phase: Phase_ = "",
    profiles: Profiles = "profiles",
    deny: Annotated[bool, typer.Option("--deny", help="Sign that it may not; needs --reason.")] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it may not.")] = "",
    comment: Annotated[
        str, typer.Option("--comment", metavar="TEXT", help="What goes with an approval.")
    ] = "",
    yes: Yes = False,
    as_json: AsJson = False,
    store: Store = "",
) -> int:
    """Approve the verdict on file, or deny it: a signed record beside it, of this verdict and no other.

    What is approved is shown first. Only approvers of the profile may, never who started the run; a verdict that is not
    GO can be approved only where an emergency override of it exists.
    """

    def record() -> int:
        _check_options(deny=deny, reason=reason, comment=comment)
        text = mask(reason or comment)
        with on_file(profile, verdict, phase, profiles, store) as file:
            return _approve(file, name, sign_with, deny=deny, text=text, yes=yes, as_json=as_json)

    return answered(record, as_json=as_json)


def _check_options(*, deny: bool, reason: str, comment: str) -> None:
    from harness.verdict.record_format import LONGEST

    if deny and not reason.strip():
        raise UsageError("a denial says why", hint="--deny --reason TEXT")
    if (deny and comment) or (reason and not deny):
        raise UsageError("an approval has a --comment, a denial a --reason", hint="--deny --reason TEXT")
    if len(reason or comment) > LONGEST:
        raise UsageError(
            f"that is longer than {LONGEST} characters", hint="put the rest elsewhere, and name it"
        )


def _approve(
    file: OnFile, name: str, sign_with: str, *, deny: bool, text: str, yes: bool, as_json: bool
) -> int:
    from harness.verdict.record_format import About, Approval, Denial

    environment, found = file.profile, file.found
    config = named(name, environment.approval.approvers, "approve")
    signer = one_signer(sign_with, config, region=environment.aws.region)
    if not deny:
        _may_approve(file, name, signer)
    show(found, to_stderr=as_json)
    confirm(f"{'Deny' if deny else 'Approve'} this as {name}?", yes=yes)
    about, now = About.of(found.verdict), datetime.now(UTC)
    record = Denial(about, name, now, text) if deny else Approval(about, name, now, text)
    where = add(file, record, signer, environment.approval.approvers)
    code, told = _now(file)
    if as_json:
        show_json(_told(record, where, code, told))
    else:
        say(f"{'denied' if deny else 'approved'} by {name}: {where}", "red" if deny else "green")
        say(f"  {told}", to_stderr=False)
    return ExitCode.GO


def _may_approve(file: OnFile, name: str, signer: "Signer") -> None:
    """Say now what every verifier would say of the approval later.

    Raises:
        VerdictError: the verdict is not GO, or this is who started the run or overrode it.
        UsageError: nothing of this phase is approved.
    """
    from harness.verdict.approval import Starters, WaitingError, overrode
    from harness.verdict.permission import applies
    from harness.verdict.refusal import Refusal

    verdict, config = file.found.verdict, file.profile.approval
    if not applies(config, verdict.info.phase):
        raise UsageError(
            f"a verdict of the phase {verdict.info.phase} needs no approval",
            hint="approve the phase pre-deploy",
        )
    standing = _standing(file)
    starters = Starters.of(verdict, file.found.signers)
    own = signer.keyid in starters.keyids or name.casefold() in starters.names
    if own or overrode(standing.among(file.found.attached) if standing else None, name, signer.keyid):
        raise WaitingError(
            Refusal.SELF_APPROVED,
            f"{name} {'started the run' if own else 'overrode the verdict'}, and so may not approve it",
            verdict,
            hint=f"another must: {', '.join(each.name for each in config.approvers if each.name != name) or 'name one'}",
        )


def _standing(file: OnFile) -> "Standing | None":
    """The override that makes a verdict worth approving which is not GO."""
    from harness.model import Decision
    from harness.verdict import override

    verdict = file.found.verdict
    if verdict.decision is Decision.GO:
        return None
    overrides = override.hold(file.found.attached, verdict)
    return override.require_standing(
        verdict, overrides, file.profile.override, now=datetime.now(UTC), accept=True
    )


def _now(file: OnFile) -> tuple[str, str]:
    """What a deploy step would be told now, with this record among the others."""
    from harness.verdict.permission import held, permit

    found, now = file.found, datetime.now(UTC)
    try:
        attached = held(found.path, found.verdict, file.profile, now, found.kept.run if found.kept else None)
        permit(
            found.verdict,
            attached,
            file.profile,
            signers=found.signers,
            expires=found.expires,
            now=now,
            accept_override=True,
        )
    except VerdictError as error:
        return error.code, f"not deployable yet ({error.code}): {error.message}"
    return "go", "deployable: `gonogo verify` accepts it"


def _told(record: "Record", where: str, code: str, told: str) -> dict[str, Any]:
    return {
        "ok": True,
        "kind": record.kind,
        "by": record.by,
        "at": f"{record.at:%Y-%m-%dT%H:%M:%SZ}",
        "run_id": record.about.run_id,
        "sha256": record.about.sha256,
        "record": where,
        "verify": {"code": code, "reason": told},
    }
