"""One copy of the application that faults are put into: its files, its runs, and what the verifier says of them."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import GonogoError, VerdictError
from harness.frozen import dataclass, field
from harness.gates import question, tables
from harness.masking import mask
from harness.model import Phase
from harness.profile import Profile
from harness.profile.loader import load_profile
from harness.scanners import source_tree
from harness.selftest import sample, toml
from harness.selftest.aws_double import Answer, serving
from harness.selftest.fault import GO, Came
from harness.selftest.tools import MODE
from harness.verdict import store
from harness.verdict.evidence import run_home
from harness.verdict.origin import verdict_from
from harness.verdict.record_format import About, Approval, Record
from harness.verdict.records import attach, sign
from harness.verdict.statement import Verdict, parse
from harness.verdict.verify import verify

if TYPE_CHECKING:
    from harness.selftest.lab import Lab

PHASE = Phase.PRE_DEPLOY
_BUDGET = 150.0
"""Seconds after which a gate run in a copy is ended; those of its gates are far below."""
_NOT_INHERITED = ("AWS_", "GONOGO_", "LOCUST_", "PYTEST_", "SAFETY_", "GIT_", "SELFTEST_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
RUNNER, APPROVER, COMMANDER, STRANGER = "selftest", "approver", "commander", "stranger"
"""Who signs verdicts, who approves, who overrides, and whom nobody named."""
SOON = timedelta(seconds=1)
"""How long after a run approvers say what they say, and the wait timer where there is one."""
LASTS = timedelta(minutes=10)
"""What their profiles allow approvals and overrides."""
CARRIER = "smoke"
"""The gate that carries checks of the self-test's own: it has none of its own where no endpoint is declared."""
GOOD = '''
def test_good(check):
    """Something was looked at."""
    check.measure("seen", 3, sample=3)
    check.evidence("seen.txt", "3 of 3")
'''
"""A check that passes."""


@dataclass(frozen=True)
class Done:
    """A gate run that is over; `output` is masked."""

    code: int
    output: str


@dataclass
class Copy:
    """One copy: a folder with an application, a profile of the user's name, and suites of its own."""

    lab: "Lab"
    root: Path
    gates: tuple[str, ...]
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Gate -> what is laid over its table."""
    more: dict[str, Any] = field(default_factory=dict)
    """What is laid over the profile."""
    environ: dict[str, str] = field(default_factory=dict)
    late: dict[str, Callable[[], None]] = field(default_factory=dict)
    """Gate -> what is done last before a run begins, when the application is what is released."""
    until: ExitStack = field(default_factory=ExitStack)
    """What is served to it until `close`."""

    def close(self) -> None:
        """End what is served."""
        self.until.close()

    def serve(self, table: Mapping[str, Answer]) -> str:
        """Serve an AWS account of its own; returns where it answers."""
        url, _ = self.until.enter_context(serving(table))
        return url

    def set(self, gate: str, **settings: Any) -> None:  # noqa: ANN401
        """Lay settings over a gate's table."""
        self.settings.setdefault(gate, {}).update(settings)

    def write_profile(self) -> None:
        """Write the profile that the copy is run and judged by."""
        given = self.lab.profile
        policy = dict(given.resolved.get("policy", {}))
        kept = {
            name: policy[name] for name in ("max_age", "max_flaky", "waiver_days", "skips") if name in policy
        }
        tables = {
            gate: {"budget": "90s", **self.lab.table(gate), **self.settings.get(gate, {})}
            for gate in (*self.gates, *({"unit"} - {*self.gates}))
        }
        values: dict[str, Any] = {
            "description": "The self-test's copy",
            "app": {"path": "app", "require_clean": given.app.require_clean},
            "aws": {"account": given.aws.account or "000000000000", "region": given.aws.region},
            "policy": {**kept, "signing": {"signers": [self.lab.signer(RUNNER)]}},
            "phases": {str(PHASE): [list(self.gates)]},
            "gates": tables,
        }
        for name, value in self.more.items():
            values[name] = {**values[name], **value} if isinstance(values.get(name), dict) else value
        self.write(f"profiles/{given.name}.toml", toml.dump(values))

    def carry(self, *functions: str, **settings: Any) -> None:  # noqa: ANN401
        """Give the carrier these checks beside one that passes and must report."""
        self.set(CARRIER, required_checks=["selftest.good"], **settings)
        self.suite(CARRIER, GOOD, *functions)

    def write(self, path: str, text: str) -> Path:
        """Write a file of the copy."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def suite(self, gate: str, *functions: str, name: str = "test_selftest.py") -> None:
        """Write checks of the copy's own, beside the shipped ones."""
        self.write(f"suites/{gate}/{name}", "\n".join(functions))

    def tools(self, *names: str, mode: str = "") -> None:
        """Put stand-ins (`harness.selftest.tools`) in the place of programs that a gate starts."""
        for name in names:
            call = (
                f"import sys\nfrom harness.selftest.tools import {name}\n\nsys.exit({name}(sys.argv[1:]))\n"
            )
            self.write(f"tools/{name}/__main__.py", call)
            self.write(f"tools/{name}/__init__.py", "")
        self.environ["PYTHONPATH"] = str(self.root / "tools")
        if mode:
            self.environ[MODE] = f"{self.environ.get(MODE, '')} {mode}".strip()

    @property
    def home(self) -> Path:
        """``reports/<profile>/<phase>``."""
        return store.folder_of(self.root / "reports", self.lab.profile.name, PHASE)

    @property
    def verdict_file(self) -> Path:
        """The newest verdict."""
        return self.home / store.FILE

    def environment(self) -> dict[str, str]:
        """What a run in this copy inherits: nothing that configures it or leads elsewhere."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_NOT_INHERITED) and name.lower() not in _PROXIES
        }
        own = {"CI": "", "NO_COLOR": "1", "COLUMNS": "200", "HOME": str(self.root), "TMPDIR": str(self.root)}
        nobody = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
        given = {**self.lab.environ, **self.environ}
        paths = [each["PYTHONPATH"] for each in (self.lab.environ, self.environ) if "PYTHONPATH" in each]
        return {**kept, **own, **nobody, **given, **({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})}

    def command(self, *arguments: str) -> list[str]:
        """The gate command."""
        key = self.lab.base / "selftest.key"
        return [
            *(sys.executable, "-m", "harness.cli", "gate", "--profile", self.lab.profile.name),
            *("--phase", str(PHASE), "--sign-with", f"file:{key}", *arguments),
        ]

    def start(self, *arguments: str, limit: int = 0) -> "subprocess.Popen[str]":
        """Begin a gate run; with `limit`, no file of it can grow beyond so many bytes, as on a full disk."""
        self.write_profile()
        if self.lab.profile.app.require_clean:
            sample.commit(self.root / "app")
        for arrange in self.late.values():
            arrange()
        inherited = self.environment()
        if limit:  # measured runs write files of their own, which the limit would damage
            inherited = {name: value for name, value in inherited.items() if not name.startswith("COV")}
        full = f"import os,resource,sys;resource.setrlimit(resource.RLIMIT_FSIZE,({limit},{limit}));os.execv(sys.argv[1],sys.argv[1:])"
        return subprocess.Popen(
            [*((sys.executable, "-c", full) if limit else ()), *self.command(*arguments)],
            cwd=self.root,
            env=inherited,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def gate(self, *arguments: str, limit: int = 0) -> Done:
        """A gate run, to its end."""
        return finish(self.start(*arguments, limit=limit))

    def verdict(self) -> Verdict | None:
        """What stands where a deploy step looks; ``None`` where nothing does that can be read."""
        try:
            return parse(self.verdict_file.read_bytes())
        except (OSError, VerdictError):
            return None

    @property
    def over(self) -> datetime:
        """When its run was over.

        Raises:
            GonogoError: it is not, or its verdict cannot be read.
        """
        verdict = self.verdict()
        if verdict is None or verdict.info.finished is None:
            raise GonogoError("the run has left no verdict", hint="see the control")
        return verdict.info.finished

    @property
    def run_home(self) -> Path:
        """The folder of its run: records and evidence are there."""
        verdict = self.verdict()
        return run_home(self.verdict_file, verdict.info.run_id if verdict else "")

    def add(self, record: Record, by: str) -> None:
        """Put a record of its verdict beside it, signed by one of `Lab.keys`."""
        attach(self.run_home, sign(record, self.lab.keys[by]))

    def approve(self, by: str, *, name: str = "") -> None:
        """Approve its verdict, in the name of the key's owner or another one."""
        if (verdict := self.verdict()) is not None:
            self.add(Approval(About.of(verdict), name or by, self.over + SOON), by)

    def asked(self) -> Profile:
        """The profile as its files say it, this moment: the consumer's."""
        return load_profile(self.lab.profile.name, tables(), folder=self.root / "profiles", environ={})

    def verify(
        self,
        *,
        now: datetime | None = None,
        source: str = "",
        images: Mapping[str, str] | None = None,
        require_evidence: bool = False,
        accept_override: bool = False,
        store: Path | None = None,
        file: Path | None = None,
    ) -> Came:
        """Ask the verifier about the newest verdict, as a deploy step would about this application's bytes.

        With `store`, about the newest in that folder store, or about `file`, which must be it.
        """
        own = source_tree.state(self.root / "app", reports=self.root / "reports").subject.digest
        profile = self.asked()
        asked = question(
            profile,
            PHASE,
            now=now or datetime.now(UTC),
            subjects=images or {},
            source=source or next(iter(own.values())),
            require_evidence=require_evidence,
            accept_override=accept_override,
        )
        given = file if store else self.verdict_file
        try:
            with verdict_from(profile, PHASE, file=given, store=str(store or "")) as origin:
                verify(origin.path, asked, origin.kept)
        except VerdictError as refusal:
            return Came(refusal.code, told=str(refusal))
        return Came(GO)

    def came(self, done: Done | None = None, *, gate: str = "") -> Came:
        """What a run in this copy came to, by what is left of it; with `gate`, what that gate came to."""
        verdict, answer = self.verdict(), self.verify()
        if verdict is None:
            return Came(answer.answer, told=f"{done.output if done else ''}\n{answer.told}")
        told = "\n".join(
            [*_told(verdict, gate), *([] if gate else [done.output if done else "", answer.told])]
        )
        gates = {each.gate: each.decision for each in verdict.decided.gates}
        return Came(answer.answer, str(gates.get(gate, "") if gate else verdict.decision), told)


def finish(child: "subprocess.Popen[str]") -> Done:
    """Wait for a run; one that does not end is killed, and what it started ends with it.

    Raises:
        GonogoError: it had to be killed.
    """
    try:
        output, _ = child.communicate(timeout=_BUDGET)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise GonogoError(f"the gate run did not end within {_BUDGET:.0f} s", hint="run it again") from None
    return Done(child.returncode, mask(output))


def _told(verdict: Verdict, gate: str) -> Iterable[str]:
    reasons = (
        verdict.decided.reasons if not gate else [r for r in verdict.decided.reasons if r.gate in ("", gate)]
    )
    yield from (f"{reason.code}: {reason.text}" for reason in reasons)
    for result in verdict.record.results:
        if gate in ("", result.gate):
            yield f"{result.id} {result.outcome}: {result.reason}"
    for run in verdict.record.runs:
        if gate in ("", run.gate):
            yield f"{run.gate} {run.end}: {run.detail}"
