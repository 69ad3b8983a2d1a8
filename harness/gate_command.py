"""The gate command, whole: profile, placeholder, stand-in, gates, verdict, reports. One function for every caller.

``gonogo gate``, ``gonogo try`` and ``pytest --gonogo`` all end in `main`; they differ in how they read a
`Request`, and in nothing else.
"""

import getpass
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__, codec
from harness.errors import ExitCode, GonogoError, UsageError
from harness.frozen import replace
from harness.gate_request import Request, Run, validate
from harness.gates import ALWAYS, plan, tables
from harness.gates.context import GateContext
from harness.model import Decided, Decision, Record
from harness.plain_files import is_folder
from harness.profile.digest import policy_digest, policy_document
from harness.profile.loader import bind
from harness.report import render_all
from harness.report.terminal import LiveView, summary
from harness.resources import shipped
from harness.run import ledger
from harness.run.supervisor import Supervisor, subjects
from harness.run.watcher import supervised
from harness.scanners import source_tree
from harness.verdict import info as verdict_info
from harness.verdict import store
from harness.verdict.info import RunInfo
from harness.verdict.permission import applies
from harness.verdict.publication import Publication, begin, publish
from harness.verdict.reading import encode
from harness.verdict.signing import sign_verdict, starter
from harness.verdict.statement import build, placeholder

if TYPE_CHECKING:
    from rich.console import Console

EXIT = {
    Decision.GO: ExitCode.GO,
    Decision.NO_GO: ExitCode.NO_GO,
    Decision.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    Decision.ERROR: ExitCode.ERROR,
    Decision.PENDING: ExitCode.PENDING,
}


def main(request: Request) -> int:
    """Run the gates and return the exit code; expected errors are printed here, with what to do."""
    try:
        run = validate(request)
        return supervised(lambda: _guarded(run))
    except GonogoError as error:
        print(f"gonogo: {error}", file=sys.stderr)  # noqa: T201 - the command's own voice
        return error.exit_code


def _guarded(run: Run) -> int:
    """The run, in its own process; what it may raise on purpose is told like any other error."""
    try:
        return _execute(run)
    except GonogoError as error:
        if is_folder(run.folder):
            ledger.append(run.folder / ledger.NAME, "aborted", reason=error.message)
        print(f"gonogo: {error}", file=sys.stderr)  # noqa: T201
        return ExitCode.ERROR if error.exit_code is ExitCode.GO else error.exit_code


def _execute(run: Run) -> int:
    from rich.console import Console

    # With --json, stdout belongs to the machine that reads it.
    console = Console(stderr=run.request.as_json)
    title = f"{run.profile.name} {run.phase}  run {run.run_id}"
    with (
        LiveView(console, run.gates, title=title, folder=run.folder) as view,
        _environment(run, view) as bound,
    ):
        decided, record, info = _gates(bound, view)
        info = replace(info, starter=starter(run.signers, run.profile.policy.signing))
        published = Publication(newest=True)
        if not run.request.trial:
            raw = sign_verdict(encode(build(info, record, decided)), run.signers, run.profile.policy.signing)
            published = publish(run.home, run.series, run.run_id, raw, run.store)
    files = render_all(run.folder, info, record, decided)
    if not run.request.trial:
        home = run.home if published.newest else run.folder
        files = {"verdict": home / store.FILE, **files}
    waits = run.profile.approval if applies(run.profile.approval, run.phase) else None
    summary(console, info, record, decided, files, trial=run.request.trial, approval=waits)
    store.prune(run.home, run.profile.reports.keep)
    code = int(decided.decision is not Decision.GO) if run.request.trial else EXIT[decided.decision]
    if published.failure is not None:
        code = ExitCode.ERROR
        _tell_unpublished(console, run, published.failure)
    elif not published.newest:
        console.print("A later run has begun; its verdict is the newest, not this one.", style="yellow")
    if run.request.as_json:
        _print_json(run, decided, files, code, published)
    return code


def _tell_unpublished(console: "Console", run: Run, failure: GonogoError) -> None:
    """Whatever was decided: where others look, this run is not over, so nobody may rely on it."""
    from rich.text import Text

    uri = run.store.uri if run.store else ""
    region = run.profile.store.region or run.profile.aws.region
    lines = (
        f"The verdict is not in {uri}: {failure.message}",
        f"  → {failure.hint}",
        f"  → then: gonogo verdicts publish {run.folder} --store {uri} --region {region}",
    )
    for line in lines:
        console.print(Text(line, style="bold red"), soft_wrap=True)


def _print_json(
    run: Run, decided: Decided, files: Mapping[str, Path], code: int, published: Publication
) -> None:
    answer = {
        "decision": decided.decision,
        "exit_code": int(code),
        "run_id": run.run_id,
        "profile": run.profile.name,
        "phase": run.phase,
        "gates": {gate.gate: gate.outcome for gate in decided.gates},
        "reasons": [codec.dump(reason) for reason in decided.reasons],
        "files": {name: str(path) for name, path in files.items()},
        "store": run.store.uri if run.store else None,
        "newest": published.newest,
        "not_published": published.failure.message if published.failure else None,
    }
    print(json.dumps(answer, indent=1))  # noqa: T201 - what --json asks for


@contextmanager
def _environment(run: Run, view: LiveView) -> Iterator[Run]:
    """The run with its placeholder written, its stand-in up and its profile bound to real places."""
    if not run.profile.local.stand_in:
        bound = replace(run, profile=bind(run.profile, tables(), run.environ))
        _begin(bound)
        yield bound
        return
    example = {**run.environ, "STOREFRONT": str(shipped("examples/storefront"))}
    _begin(replace(run, profile=bind(run.profile, tables(), {**_NOWHERE, **example})))
    with _stand_in(run, view) as places:
        environ = {**example, **places}
        yield replace(run, profile=bind(run.profile, tables(), environ), environ=environ)


def _begin(run: Run) -> None:
    """From here on nothing reads as GO until this run's own verdict does; also where beginning itself fails."""
    newest = run.home / store.FILE
    try:
        try:
            info = _info(run)
            run.folder.mkdir(parents=True, exist_ok=True)
            if not run.request.trial:
                begin(run.home, run.series, run.run_id, encode(placeholder(info)), run.store)
        except BaseException:
            newest.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise store.StoreError(
            f"{run.home}: the run cannot begin there: {error.strerror}",
            hint="make the folder writable, or set reports.path to another; a verdict that lies there is an earlier run's",
        ) from error
    _open_ledger(run)


_NOWHERE = dict.fromkeys(("AWS_ENDPOINT_URL", "WEB_ENDPOINT", "API_ENDPOINT"), "http://127.0.0.1:1")
"""Places that only the stand-in knows; until it is up the profile is bound to a port where nobody listens."""


@contextmanager
def _stand_in(run: Run, view: LiveView) -> Iterator[Mapping[str, str]]:
    from harness import local

    if run.request.stand_in:
        yield local.attach(Path(run.request.stand_in)).environ
        return
    view.note(
        "starting the embedded stand-in"
        + (f" with {', '.join(run.request.faults)}" if run.request.faults else "")
    )
    started = time.monotonic()
    with local.running(
        run.profile, run.folder / "stand-in", faults=run.request.faults, images=run.images
    ) as info:
        view.note(f"the stand-in is up after {time.monotonic() - started:.1f} s")
        yield info.environ


def _open_ledger(run: Run) -> None:
    ledger.append(
        run.folder / ledger.NAME,
        "run",
        run_id=run.run_id,
        profile=run.profile.name,
        phase=run.phase,
        policy=codec.dump(verdict_info.rules(run.profile)),
        gates=[codec.dump(gate) for gate in run.gates],
        checks=[codec.dump(check) for check in run.checks],
        partial=run.partial,
        started=run.started.isoformat(),
    )


def _gates(run: Run, view: LiveView) -> tuple[Decided, Record, RunInfo]:
    info = _info(run)
    context = GateContext(
        run_id=run.run_id,
        gate=ALWAYS,
        phase=run.phase,
        profile=run.profile,
        root=run.root,
        folder=run.folder,
        images=run.images,
        subjects=info.subjects,
        started=run.started,
        counterparts=tuple(bind(other, tables(), run.environ) for other in run.counterparts),
        predecessors=run.predecessors,
    )
    supervisor = Supervisor(
        context,
        run.gates,
        view,
        selected=run.selected,
        keep_going=run.request.keep_going,
        environ=run.environ,
    )
    # Nothing that runs could change what an unreadable file of waivers comes to.
    decided = supervisor.decided() if run.profile.waivers_problem else supervisor.run()
    found = subjects(info.subjects, supervisor.book.results)
    return (
        decided,
        supervisor.book.record(),
        info.ended(datetime.now(UTC), run.profile.policy.max_age, found),
    )


def _info(run: Run) -> RunInfo:
    app = (run.root / run.profile.app.path).resolve()
    if not is_folder(app):
        raise UsageError(
            f"app.path: {app} is not a folder", hint="set app.path to the application's repository"
        )
    document = policy_document(run.profile, *plan(run.profile, run.phase))
    return RunInfo(
        run_id=run.run_id,
        profile=run.profile.name,
        phase=run.phase,
        resource_uri=verdict_info.resource_uri(run.profile),
        subjects=(source_tree.state(app, reports=run.root / run.profile.reports.path).subject,),
        started=run.started,
        policy_digest=policy_digest(document),
        policy_uri=verdict_info.policy_uri(run.profile),
        version=__version__,
        started_by=os.environ.get("GITHUB_ACTOR") or _user(),
        partial=run.partial,
        stand_in=verdict_info.emulated(run.profile),
        images=run.images,
        overrides=verdict_info.overrides(run.profile),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
