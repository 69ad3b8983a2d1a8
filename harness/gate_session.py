"""The session of one gate: turns pytest items into checks and writes what they came to into the ledger.

Registered by `harness.plugin` in processes that the supervisor started, the xdist workers among them; whoever runs
a check writes its result, so nothing depends on a report crossing processes.
"""

import importlib.util
import json
import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from harness import codec, fixtures
from harness.aws.faults import Fault
from harness.errors import GonogoError
from harness.fixtures import CHECK, CONTEXT, Check, Ended
from harness.frozen import replace
from harness.gate_retry import MOST, keep_apart, may_be_tried_again, together
from harness.gates import GATES, resolve
from harness.gates.context_file import read
from harness.masking import mask
from harness.model import Cause, CheckResult, Outcome
from harness.run import ledger
from harness.run.session import suite_folders
from harness.run.watcher import become_subreaper
from harness.waivers import SOURCE, marked

_SEEN = pytest.StashKey[list[tuple[str, pytest.CallInfo[None]]]]()
_NOT_APPLICABLE = pytest.StashKey[bool]()
_SETUP, _CALL = "setup", "call"


class GateSession:
    """The hooks of one gate's session."""

    def __init__(self, config: pytest.Config) -> None:
        become_subreaper()
        self._context = read(Path(config.getoption("--gonogo-context")))
        self._worker = hasattr(config, "workerinput")
        self._first = not self._worker or config.workerinput["workerid"] == "gw0"  # type: ignore[attr-defined]
        self._excluded: list[str] = []
        self._deselected: list[str] = []
        config.stash[CONTEXT] = self._context
        config.pluginmanager.register(fixtures, "gonogo-fixtures")
        self._parameters = self._collect_parameters()
        self._register_conftests(config)
        if not self._worker:
            self._prepare()

    # Before collection

    def _collect_parameters(self) -> dict[str, list[tuple[str, Any]]]:
        context = self._context
        found = context.profile.gates[context.gate].parameters(context.profile, context.phase)
        images = [(name, (name, reference)) for name, reference in sorted(context.images.items())]
        return {**{name: list(values) for name, values in found.items()}, "image": images}

    def _register_conftests(self, config: pytest.Config) -> None:
        """The suites' own fixtures. No other conftest is read: a repository's may change the process we judge in."""
        for number, folder in enumerate(suite_folders(self._context)):
            path = folder / "conftest.py"
            if not path.is_file():
                continue
            spec = importlib.util.spec_from_file_location(f"gonogo_suite_{number}_conftest", path)
            if spec is None or spec.loader is None:
                raise pytest.UsageError(f"{path} cannot be imported")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            config.pluginmanager.register(module, f"gonogo-suite-{number}")

    def _prepare(self) -> None:
        """What the gate finds out once, before its checks; a failure is the gate's, with its reason."""
        target = GATES[self._context.gate].prepare
        if not target:
            return
        try:
            facts = resolve(target)(self._context)
        except GonogoError as error:
            self._broken(f"before its checks: {error.message}")
            raise pytest.UsageError(str(error)) from error
        (self._context.work / "prepared.json").write_text(json.dumps(facts))
        ledger.append(self._context.ledger, "prepared", gate=self._context.gate, facts=facts)

    def _broken(self, reason: str) -> None:
        ledger.append(self._context.ledger, "broken", gate=self._context.gate, reason=mask(reason))

    # Collection

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a function once for each declared thing whose fixture it names."""
        wanted = [marker.args[0] for marker in metafunc.definition.iter_markers("when")]
        for name, values in self._parameters.items():
            if name in metafunc.fixturenames:
                chosen = [(i, value) for i, value in values if all(getattr(value, attr) for attr in wanted)]
                metafunc.parametrize(name, [value for _, value in chosen], ids=[i for i, _ in chosen])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A suite file that does not import is a broken gate, named."""
        if report.failed:
            self._broken(
                f"{report.nodeid} cannot be collected: {str(report.longrepr).strip().splitlines()[-1]}"
            )

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        """Leave out what the profile leaves out, and notice whatever else is left out."""
        items[:] = [item for item in items if self._applies(item)]
        self._refuse_doubles(items)
        self._refuse_odd_retries(items)
        before = [check_id(self._context.gate, item) for item in items]
        yield
        kept = {check_id(self._context.gate, item) for item in items}
        self._deselected += [check for check in before if check not in kept]

    def _applies(self, item: pytest.Item) -> bool:
        context = self._context
        parameters = getattr(item, "callspec", None)
        if parameters is not None and any(_is_empty(value) for value in parameters.params.values()):
            return False
        if any(context.phase not in marker.args for marker in item.iter_markers("phase")):
            return False
        excluded = set(context.profile.gates[context.gate].exclude_markers)
        if context.profile.aws.access == "read-only":
            excluded.add("destructive")
        if excluded.intersection(marker.name for marker in item.iter_markers()):
            self._excluded.append(check_id(context.gate, item))
            return False
        return True

    def _refuse_doubles(self, items: list[pytest.Item]) -> None:
        seen: dict[str, pytest.Item] = {}
        for item in items:
            check = check_id(self._context.gate, item)
            if (other := seen.setdefault(check, item)) is not item:
                self._broken(f"{item.path} and {other.path} both hold the check {check}; rename one")
                raise pytest.UsageError(f"two checks are called {check}")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Announce what will run, before it runs."""
        if self._first and (session.items or not _is_xdist_controller(session.config)):
            ledger.append(
                self._context.ledger,
                "collected",
                gate=self._context.gate,
                checks=[check_id(self._context.gate, item) for item in session.items],
                deselected=self._deselected,
                excluded=self._excluded,
            )

    # Running

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Run the check, as often as it may be, and write what it came to; pytest hears of the last try only."""
        context = self._context
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        tries: list[CheckResult] = []
        while True:
            result, reports = self._try(item, nextitem)
            tries.append(result)
            if len(tries) > self._retries(item) or not may_be_tried_again(result, _error(item)):
                break
            check = item.stash[CHECK]
            tries[-1] = keep_apart(result, context.folder, check.own_folder, len(tries))
            ledger.append(context.ledger, "attempt", gate=context.gate, result=codec.dump(tries[-1]))
            fixtures.forget(item)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        ledger.append(
            context.ledger, "check", gate=context.gate, result=codec.dump(self._marked(item, together(tries)))
        )
        return True

    def _try(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> tuple[CheckResult, list[pytest.TestReport]]:
        """One try, with a record of its own and fresh fixtures of the function's scope."""
        context = self._context
        item.stash[CHECK] = Check(
            check_id(context.gate, item),
            context.folder,
            context.gate,
            resource=_resource(item),
            title=_title(item),
        )
        item.stash[_SEEN] = []
        started, clock = datetime.now(UTC), time.monotonic()
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        result = replace(_result(item), started=started, duration=round(time.monotonic() - clock, 4))
        return result, reports

    def _retries(self, item: pytest.Item) -> int:
        marker = item.get_closest_marker("retries")
        gate: int = self._context.profile.gates[self._context.gate].retries
        return gate if marker is None else int(marker.args[0])

    def _refuse_odd_retries(self, items: list[pytest.Item]) -> None:
        for item in items:
            marker = item.get_closest_marker("retries")
            if marker is not None and not (len(marker.args) == 1 and marker.args[0] in range(MOST + 1)):
                check = check_id(self._context.gate, item)
                self._broken(f"{check}: retries takes one number, from 0 to {MOST}")
                raise pytest.UsageError(f"{check}: odd retries")

    def _marked(self, item: pytest.Item, result: CheckResult) -> CheckResult:
        """The result with the waivers that cover it."""
        context = self._context
        images = {
            subject.name: f"sha256:{subject.digest['sha256']}"
            for subject in context.subjects
            if subject.name != SOURCE and "sha256" in subject.digest
        }
        return marked(
            result,
            context.profile.waivers,
            context.started,
            images,
            of_findings=item.stash[CHECK].of_findings,
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Remember how each part of the check ended."""
        report = yield
        if call.excinfo is not None or report.outcome != "passed":
            item.stash[_SEEN].append((report.outcome, call))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """An xdist worker that crashed took its check with it; the controller says so."""
        if report.when not in (_SETUP, _CALL, "teardown") and report.failed:
            check = check_name(self._context.gate, report.nodeid)
            result = CheckResult(
                check, self._context.gate, Outcome.ERROR, reason="the process that ran this check crashed"
            )
            ledger.append(self._context.ledger, "check", gate=self._context.gate, result=codec.dump(result))

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Say that the session came to its end; a session that does not say so did not finish."""
        if not self._worker:
            ledger.append(
                self._context.ledger, "session_finished", gate=self._context.gate, exit_status=int(exitstatus)
            )


def check_id(gate: str, item: pytest.Item) -> str:
    """The id of the check that an item is: ``<gate>.<module>.<function>[<resource>]``."""
    return check_name(gate, f"{item.path.name}::{item.nodeid.split('::', 1)[-1]}")


def check_name(gate: str, nodeid: str) -> str:
    """The id of the check behind a pytest node id."""
    path, _, rest = nodeid.partition("::")
    names, bracket, resource = rest.partition("[")
    parts = [Path(path).stem, *names.split("::")]
    plain = [part.removeprefix("test_").removeprefix("Test") for part in parts]
    return ".".join([gate, *plain]) + bracket + resource


def _is_empty(value: object) -> bool:
    """Whether a parameter stands for "there is nothing of this kind" (pytest's own marker for an empty set)."""
    return type(value).__name__ == "NotSetType"


def _is_xdist_controller(config: pytest.Config) -> bool:
    return config.pluginmanager.hasplugin("dsession")


def _resource(item: pytest.Item) -> str:
    _, bracket, resource = item.nodeid.partition("[")
    return resource[:-1] if bracket else ""


def _title(item: pytest.Item) -> str:
    """The first line of the check's docstring; its name in words where it has none."""
    function = getattr(item, "function", None)
    doc = (getattr(function, "__doc__", None) or "").strip()
    return doc.splitlines()[0] if doc else item.name.partition("[")[0].removeprefix("test_").replace("_", " ")


def _error(item: pytest.Item) -> BaseException | None:
    """What ended the last try, where it did not pass."""
    seen = item.stash[_SEEN]
    return seen[0][1].excinfo.value if seen and seen[0][1].excinfo is not None else None


def _result(item: pytest.Item) -> CheckResult:
    """What a check came to: the first part that did not pass says it, a broken teardown after a pass as well."""
    check = item.stash[CHECK]
    seen = item.stash[_SEEN]
    if not seen:
        return check.result(Outcome.PASSED)
    outcome, call = seen[0]
    if call.excinfo is None:
        return check.result(Outcome.ERROR, f"pytest says {outcome}, and no exception tells why")
    try:
        return _of_exception(check, call.excinfo.value, call.excinfo)
    except ValueError as error:  # an outcome that cannot be, such as a skip with a cause that is none
        return check.result(Outcome.ERROR, str(error), hint="end the check with one of the model's causes")


def _of_exception(
    check: Check, error: BaseException, info: pytest.ExceptionInfo[BaseException]
) -> CheckResult:
    match error:
        case Ended():
            return check.result(error.outcome, error.reason, hint=error.hint, cause=error.cause)
        case Fault():
            return check.result(error.outcome, error.message, hint=error.hint, cause=error.cause)
        case GonogoError():
            return check.result(Outcome.ERROR, error.message, hint=error.hint)
        case pytest.skip.Exception():
            return check.result(
                Outcome.INCONCLUSIVE,
                f"skipped without a cause: {error}",
                hint="end it with check.skip(Cause…, reason): a skip says why the proof could not be had",
                cause=Cause.NOTHING_CHECKED,
            )
        case AssertionError() | pytest.fail.Exception():
            lines = str(error).strip().splitlines() or ["an assertion without a message failed"]
            check.evidence("traceback.txt", str(info.getrepr(style="short")))
            check.diagnose(lines[1:20])
            check.diagnose([f"at {_where(info)}"])
            return check.result(Outcome.FAILED, lines[0], hint=check.hint)
        case _:
            check.evidence("traceback.txt", str(info.getrepr(style="short")))
            check.diagnose([f"at {_where(info)}"])
            return check.result(
                Outcome.ERROR,
                f"{type(error).__name__}: {error}".strip(),
                hint="the check itself broke; its traceback is in the evidence",
            )


def _where(info: pytest.ExceptionInfo[BaseException]) -> str:
    entry = info.traceback[-1]
    return f"{entry.path}:{entry.lineno + 1}"
