"""``gonogo guard … -- COMMAND…``: verify, then become the command. Nothing but GO ever starts it."""

import os
import signal
import sys
from typing import Annotated, NoReturn

import typer

from harness.cli.asked import ask, print_accepted, print_refusal
from harness.cli.options import (
    AcceptOverride,
    File,
    Images,
    PhaseName,
    ProfileName,
    Profiles,
    RequireEvidence,
    RunId,
    Source,
    Store,
)
from harness.errors import UsageError, VerdictError


def guard(
    profile: ProfileName,
    image: Images,
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND…", help="What to run on GO; no shell is involved.")
    ],
    source: Source = "",
    phase: PhaseName = "pre-deploy",
    verdict: File = None,
    profiles: Profiles = "profiles",
    require_evidence: RequireEvidence = False,
    store: Store = "",
    run: RunId = "",
    accept_override: AcceptOverride = False,
) -> int:
    """Verify the verdict and, only on GO, run the command in this process's place; its exit code is then the answer.

    Refused, the exit code is that of `gonogo verify`, and the command is not started.
    """
    if not command[0]:
        raise UsageError(
            "the command to run has no name", hint="write it after --: gonogo guard … -- ./deploy.sh"
        )
    try:
        verified = ask(
            profile,
            image,
            source=source,
            phase=phase,
            file=verdict,
            profiles=profiles,
            require_evidence=require_evidence,
            store=store,
            run=run,
            accept_override=accept_override,
        )
    except VerdictError as error:
        print_refusal(error, as_json=False)
        return error.exit_code
    print_accepted(verified, to_stderr=True)
    return _become(command)


def _become(command: list[str]) -> NoReturn:
    """Replace this process. Signals that Python ignores for itself are given back, as `subprocess` does."""
    sys.stdout.flush()
    sys.stderr.flush()
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - without a shell is what is meant
    except OSError as error:
        raise UsageError(
            f"{command[0]}: cannot be run: {error.strerror}", hint="name a program that is on PATH"
        ) from error
