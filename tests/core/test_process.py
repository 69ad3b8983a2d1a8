"""Real programs, really ended: budgets, memory, stubborn children, daemons, interrupts."""

import fcntl
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from harness import process
from harness.errors import ToolError
from harness.process import MARK, Bound, Finished, end_tree, marked, readable, run, tree_memory

SLEEP = "import time; time.sleep(120)"
IGNORE = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
# A daemon by the book: forked twice, in a session of its own; it says its number and stays.
DAEMON = """
import os, sys, time
{before}
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {inside}
        with open(sys.argv[1] + ".new", "w") as file:
            file.write(str(os.getpid()))
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        time.sleep(120)
    os._exit(0)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
{after}
"""


def daemon(before: str = "pass", inside: str = "pass", after: str = "pass") -> str:
    return DAEMON.format(before=before, inside=inside, after=after)


class Jobs:
    """Starts Python programs as jobs in a folder, and ends whatever a failing test would leave behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = folder / "pid"

    def __call__(
        self, code: str, *, budget: float = 30.0, memory: int = 0, **rest: dict[str, str]
    ) -> Finished:
        return run(
            [sys.executable, "-S", "-c", code, str(self.said)],
            cwd=self.folder,
            output=self.folder / "out",
            name="job",
            budget=budget,
            memory=memory,
            env=rest.get("env"),
        )

    @property
    def pid(self) -> int:
        return int(self.said.read_text())


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Jobs]:
    jobs = Jobs(tmp_path)
    yield jobs
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(jobs.pid, signal.SIGKILL)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# --- A program that ends by itself ----------------------------------------------------------------------------


def test_output_exit_code_and_duration(job: Jobs) -> None:
    done = job("import sys; print('said'); print('and warned', file=sys.stderr); sys.exit(3)")
    assert (done.exit_code, done.ended) == (3, "exited")
    assert done.stdout == job.folder / "out" / "job.out"
    assert (done.stdout.read_text(), done.stderr.read_text()) == ("said\n", "and warned\n")
    assert done.argv[0] == sys.executable
    assert 0 < done.duration < 30


def test_a_signal_is_a_negative_exit_code(job: Jobs) -> None:
    assert job("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").exit_code == -signal.SIGSEGV


def test_the_tail_is_of_stderr_or_else_of_stdout(job: Jobs) -> None:
    assert job("print(*range(30), sep='\\n')").tail(3) == ("27", "28", "29")
    assert job("import sys; print('out'); print('err', file=sys.stderr)").tail() == ("err",)
    assert job("pass").tail() == ()
    huge = job("import sys; sys.stdout.buffer.write(b'x' * 200_000 + b'\\nlast \\xff')")
    assert huge.tail(1) == ("last \ufffd",)
    assert sum(map(len, huge.tail())) < 70_000


def test_its_input_is_empty_and_its_group_its_own(job: Jobs) -> None:
    done = job("import os, sys; print(repr(sys.stdin.read()), os.getpgrp() == os.getpid())")
    assert done.stdout.read_text() == "'' True\n"


def test_the_environment_is_the_one_given_with_the_mark(job: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INHERITED", "yes")
    code = f"import os; print(sorted(set(os.environ) - {{'LC_CTYPE'}}), bool(os.environ.get({MARK!r})))"
    assert job(code, env={"ONLY": "this"}).stdout.read_text() == f"['ONLY', {MARK!r}] True\n"
    assert job("import os; print(os.environ['INHERITED'])").stdout.read_text() == "yes\n"


def test_peak_memory_is_recorded_with_and_without_a_bound(job: Jobs) -> None:
    code = (
        "import time; held = bytearray(60_000_000); held[::4096] = b'x' * len(held[::4096]); time.sleep(0.8)"
    )
    assert job(code).memory > 50_000_000
    assert job(code, memory=10**9).memory > 50_000_000


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["no-such-program-here"], "job: cannot start no-such-program-here (No such file or directory)"),
        (["/"], "job: cannot start / (Permission denied)"),
        ([sys.executable, "nul\0"], f"job: cannot start {sys.executable} (embedded null byte)"),
    ],
)
def test_a_program_that_cannot_be_started_is_named(argv: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        run(argv, cwd=tmp_path, output=tmp_path, name="job", budget=5)
    assert caught.value.message == message
    assert "install" in caught.value.hint


def test_a_missing_folder_is_not_blamed_on_the_program(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"the folder .*gone does not exist"):
        run([sys.executable], cwd=tmp_path / "gone", output=tmp_path, name="job", budget=5)


# --- Bounds ----------------------------------------------------------------------------------------------------


def test_a_budget_ends_the_program_and_keeps_how(job: Jobs) -> None:
    done = job(SLEEP, budget=0.3)
    assert (done.ended, done.exit_code) == ("budget", -signal.SIGTERM)
    assert done.duration < 2


def test_a_program_that_may_end_in_order_does(job: Jobs) -> None:
    code = (
        "import signal, sys, time\n"
        "def bye(*_): print('tidied up', flush=True); time.sleep(0.2); sys.exit(7)\n"
        "signal.signal(signal.SIGTERM, bye)\n" + SLEEP
    )
    done = job(code, budget=0.5)
    assert (done.ended, done.exit_code, done.stdout.read_text()) == ("budget", 7, "tidied up\n")


def test_a_program_that_ignores_being_asked_is_ended(job: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.2)
    done = job(f"{IGNORE}; {SLEEP}", budget=0.5)
    assert (done.ended, done.exit_code) == ("budget", -signal.SIGKILL)


def test_a_stopped_program_is_ended(job: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.2)
    done = job("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", budget=0.3)
    assert (done.ended, done.exit_code) == ("budget", -signal.SIGKILL)


def test_a_memory_bound_ends_the_program_at_once(job: Jobs) -> None:
    grow = "held = []\nwhile True: held.append(b'x' * 5_000_000)"
    done = job(f"{IGNORE}\n{grow}", memory=150_000_000)
    assert (done.ended, done.exit_code) == ("memory", -signal.SIGKILL)
    assert done.memory > 150_000_000


def test_a_memory_bound_holds_for_children_too(job: Jobs) -> None:
    child = "held = b'x' * 200_000_000; import time; time.sleep(120)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {child!r}])"
    assert job(code, memory=150_000_000).ended == "memory"


# --- No survivor -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(daemon(after=SLEEP), id="a daemon"),
        pytest.param(daemon(before=IGNORE, after=SLEEP), id="a daemon deaf to being asked"),
        pytest.param(daemon(after="os._exit(0)"), id="a daemon whose program is over"),
        pytest.param(daemon(after="os.kill(os.getpid(), 9)"), id="a daemon whose program was killed"),
        pytest.param(
            "import os, sys, time\n"
            "if os.fork() == 0:\n"
            "    open(sys.argv[1], 'w').write(str(os.getpid()))\n"
            "    time.sleep(120)\n"
            "while not os.path.exists(sys.argv[1]) or not open(sys.argv[1]).read():\n"
            "    time.sleep(0.01)\n",
            id="a child left in the group",
        ),
        pytest.param(
            daemon(
                inside="os.environ.clear(); [os.close(fd) for fd in range(3)]",
                after="os._exit(0)",
            ),
            id="a daemon that cleared what it can of its environment",
        ),
    ],
)
def test_nothing_a_program_started_outlives_it(job: Jobs, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.2)
    job(code, budget=1.5)
    assert job.said.exists()
    assert not lives(job.pid)


def test_a_program_that_forks_while_it_is_ended_does_not_get_away(job: Jobs) -> None:
    code = (
        "import os, sys, time\n"
        "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "end = time.monotonic() + 60\n"
        "while time.monotonic() < end:\n"
        "    time.sleep(0.01)\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.setsid()\n"
    )
    environment, mark = marked(os.environ)
    with subprocess.Popen([sys.executable, "-S", "-c", code, str(job.said)], env=environment) as child:
        while not job.said.exists():
            time.sleep(0.01)
        end_tree(child.pid, mark=mark)
    assert [p.pid for p in psutil.process_iter() if mark in _environment(p)] == []


def _environment(process: psutil.Process) -> str:
    try:
        return process.environ().get(MARK, "") if process.status() != psutil.STATUS_ZOMBIE else ""
    except psutil.Error:
        return ""


def test_jobs_inside_a_job_belong_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    environment, outer = marked({})
    assert environment == {MARK: outer}
    monkeypatch.setenv(MARK, outer)
    environment, inner = marked({"A": "b"})
    assert inner.startswith(f"{outer}/")
    with subprocess.Popen(
        [sys.executable, "-S", "-c", SLEEP], env=environment, start_new_session=True
    ) as child:
        _until(lambda: _environment(psutil.Process(child.pid)) == inner)
        end_tree(_gone(), mark="0" * 32)
        end_tree(_gone(), mark=outer[:-1])
        assert child.poll() is None
        end_tree(_gone(), mark=outer)
        assert child.wait() == -signal.SIGKILL


def _gone() -> int:
    """The number of a process that is over."""
    with subprocess.Popen([sys.executable, "-S", "-c", "pass"]) as child:
        pass
    return child.pid


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.01)


def test_ending_what_is_over_does_nothing() -> None:
    end_tree(_gone())
    end_tree(_gone(), grace=5.0, mark="nobody")
    assert tree_memory(_gone()) == 0


def test_ending_takes_no_exit_code_away() -> None:
    for grace, code in ((0.0, -signal.SIGKILL), (5.0, -signal.SIGTERM)):
        with subprocess.Popen([sys.executable, "-S", "-c", SLEEP], start_new_session=True) as child:
            end_tree(child.pid, grace=grace)
            assert child.wait() == code


def test_looking_for_what_is_left_costs_little() -> None:
    pid = _gone()
    started = time.perf_counter()
    for _ in range(10):
        end_tree(pid, mark="nobody")
    assert (time.perf_counter() - started) / 10 < 0.1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_ends_the_tree(
    job: Jobs, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    before = set(psutil.Process().children())
    broken = Bound.broken

    def interrupted(self: Bound) -> object:
        if job.said.exists():
            raise error
        return broken(self)

    monkeypatch.setattr(Bound, "broken", interrupted)
    with pytest.raises(error):
        job(daemon(after=SLEEP))
    assert not lives(job.pid)
    assert set(psutil.Process().children()) <= before


def test_ctrl_c_ends_the_tree(job: Jobs) -> None:
    """The real thing: a signal to this process while it waits."""

    def press() -> None:
        _until(job.said.exists)
        os.kill(os.getpid(), signal.SIGINT)

    # Started in the background of a script, the tests have inherited that Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    finger = threading.Thread(target=press)
    finger.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            job(daemon(after=SLEEP))
    finally:
        finger.join()
        signal.signal(signal.SIGINT, before)
    assert not lives(job.pid)


def test_a_bound_knows_a_child_that_was_reaped_already() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", "pass"], start_new_session=True)
    child.wait()
    assert Bound(child.pid, budget=5).wait(child) == "exited"


def test_a_bound_says_which_of_its_bounds_is_broken() -> None:
    own = os.getpid()
    assert Bound(own, budget=60).broken() is None
    assert Bound(own, budget=0).broken() == "budget"
    assert Bound(own, budget=60, memory=1).broken() == "memory"
    roomy = Bound(own, budget=60, memory=10**12)
    assert roomy.broken() is None
    assert roomy.peak > 1_000_000


def test_descriptors_of_any_number_can_be_waited_for() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    reads, writes = os.pipe()
    try:
        high = fcntl.fcntl(reads, fcntl.F_DUPFD, 1500)
        try:
            assert readable([reads, high], 0.0) == []
            os.write(writes, b"x")
            assert readable([reads, high]) == [reads, high]
        finally:
            os.close(high)
    finally:
        os.close(reads)
        os.close(writes)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_is_at_its_end_can_be_read() -> None:
    reads, writes = os.pipe()
    os.close(writes)
    assert readable([reads], 5.0) == [reads]
    os.close(reads)
