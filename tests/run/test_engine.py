"""A gate run as a whole: whatever a suite or a repository does, it ends as the rules say."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine_parts import Repo
from harness.model import Decision, GateOutcome, GateRun, SessionEnd
from harness.verdict.statement import Verdict

GOOD = """
def test_good():
    pass
"""
Outcomes = Callable[[Verdict], dict[str, str]]


def _ends(verdict: Verdict) -> dict[str, SessionEnd]:
    return {run.gate: run.end for run in verdict.record.runs}


def test_a_good_run_is_go(repo: Repo, outcomes: Outcomes) -> None:
    done = repo.gate()
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcomes(repo.verdict) == {"subject.source.committed": "passed", "smoke.mine.good": "passed"}
    assert repo.verdict.decision is Decision.GO
    assert "GO" in done.stdout


def test_pytest_with_our_option_is_the_same_run(repo: Repo, outcomes: Outcomes) -> None:
    # A repository's own configuration reaches the surrounding pytest only.
    repo.write("pytest.ini", "[pytest]\naddopts = -k nothing\n")
    repo.write("conftest.py", "import os\nos.environ['AWS_ENDPOINT_URL'] = 'http://127.0.0.1:9'\n")
    done = repo.pytest("--gonogo", "p")
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcomes(repo.verdict)["smoke.mine.good"] == "passed"


def test_a_root_conftest_and_addopts_do_not_reach_the_checks(repo: Repo, outcomes: Outcomes) -> None:
    repo.write("pytest.ini", "[pytest]\naddopts = -k nothing\n")
    repo.write("conftest.py", "raise RuntimeError('never imported')\n")
    repo.write("suites/conftest.py", "raise RuntimeError('never imported')\n")
    repo.suite(
        GOOD, "def test_environment():\n    import os\n    assert 'PYTEST_ADDOPTS' not in os.environ\n"
    )
    done = repo.gate(environ={"PYTEST_ADDOPTS": "-k nothing"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcomes(repo.verdict)["smoke.mine.environment"] == "passed"


def test_a_selection_around_a_gate_run_is_refused(repo: Repo) -> None:
    done = repo.pytest("--gonogo", "p", "-k", "nothing")
    assert done.returncode == 64
    assert "-k" in done.stderr
    assert not repo.verdict_file.exists()


def test_a_failing_check_is_no_go(repo: Repo, outcomes: Outcomes) -> None:
    repo.suite(GOOD, "def test_bad():\n    assert 1 == 2, 'one is not two'\n")
    assert repo.gate().returncode == 10
    assert outcomes(repo.verdict)["smoke.mine.bad"] == "failed"
    assert "one is not two" in [reason.text for reason in repo.verdict.decided.reasons]


def test_a_bug_in_a_check_is_an_error(repo: Repo, outcomes: Outcomes) -> None:
    repo.suite(GOOD, "def test_bug():\n    raise KeyError('x')\n")
    assert repo.gate().returncode == 12
    assert outcomes(repo.verdict)["smoke.mine.bug"] == "error"


def test_a_broken_teardown_is_an_error(repo: Repo, outcomes: Outcomes) -> None:
    repo.suite(
        GOOD,
        "import pytest\n@pytest.fixture\ndef thing():\n    yield\n    raise OSError('left behind')\n"
        "def test_uses_it(thing):\n    pass\n",
    )
    assert repo.gate().returncode == 12
    assert outcomes(repo.verdict)["smoke.mine.uses_it"] == "error"


def test_a_bare_skip_proves_nothing(repo: Repo, outcomes: Outcomes) -> None:
    repo.suite(GOOD, "import pytest\ndef test_skips():\n    pytest.skip('not today')\n")
    assert repo.gate().returncode == 11
    assert outcomes(repo.verdict)["smoke.mine.skips"] == "inconclusive"


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_check_that_exits_the_process_is_an_error(repo: Repo, workers: int) -> None:
    repo.suite(GOOD, "import os\ndef test_exits():\n    os._exit(0)\n")
    done = repo.gate("--set", f"gates.smoke.workers={workers}")
    assert done.returncode == 12
    assert repo.verdict.decided.decision is Decision.ERROR


def test_workers_give_the_same_verdict(repo: Repo, outcomes: Outcomes) -> None:
    repo.suite(GOOD, *(f"def test_n{n}(check):\n    check.measure('n', {n}, sample=1)\n" for n in range(8)))
    assert repo.gate().returncode == 0
    alone = repo.verdict
    assert repo.gate("--set", "gates.smoke.workers=2").returncode == 0
    shared = repo.verdict
    assert outcomes(alone) == outcomes(shared)
    assert alone.decided.decision is shared.decided.decision is Decision.GO
    assert sorted(_run(alone, "smoke").collected) == sorted(_run(shared, "smoke").collected)


def test_a_check_that_hangs_is_ended_with_its_children(repo: Repo) -> None:
    repo.suite(
        GOOD,
        "import subprocess, sys, time\ndef test_hangs():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        "    open('child.pid', 'w').write(str(child.pid))\n    time.sleep(60)\n",
    )
    assert repo.gate("--set", "gates.smoke.budget=3s").returncode == 12
    assert _ends(repo.verdict)["smoke"] is SessionEnd.BUDGET
    assert not Path(f"/proc/{(repo.root / 'child.pid').read_text()}").exists()


def test_a_check_that_eats_memory_is_ended(repo: Repo) -> None:
    repo.suite(
        GOOD, "def test_eats():\n    held = []\n    while True:\n        held.append(bytearray(5_000_000))\n"
    )
    assert repo.gate("--set", "gates.smoke.memory=250MB").returncode == 12
    assert _ends(repo.verdict)["smoke"] is SessionEnd.MEMORY


def test_a_deleted_suite_file_is_not_run(repo: Repo) -> None:
    (repo.root / "suites/smoke/test_mine.py").unlink()
    assert repo.gate().returncode == 11
    assert "smoke.mine.good" in repo.verdict.decided.missing


def test_a_suite_file_that_does_not_import_is_an_error_that_names_it(repo: Repo) -> None:
    repo.suite("import no_such_module\n")
    assert repo.gate().returncode == 12
    assert any("test_mine.py" in reason.text for reason in repo.verdict.decided.reasons)


def test_two_files_with_one_check_are_an_error(repo: Repo) -> None:
    repo.write("suites/smoke/nested/test_mine.py", GOOD)
    assert repo.gate().returncode == 12
    assert any(
        "both hold the check smoke.mine.good" in reason.text for reason in repo.verdict.decided.reasons
    )


def test_a_suite_that_deselects_is_noticed(repo: Repo) -> None:
    repo.suite(GOOD, "def test_other():\n    pass\n")
    repo.write(
        "suites/smoke/conftest.py",
        "def pytest_collection_modifyitems(items):\n    items[:] = [i for i in items if 'other' not in i.name]\n",
    )
    assert repo.gate().returncode == 11
    assert _run(repo.verdict, "smoke").deselected == ("smoke.mine.other",)


def test_markers_that_the_profile_excludes_may_be_go(repo: Repo, outcomes: Outcomes) -> None:
    repo.suite(GOOD, "import pytest\n@pytest.mark.slow\ndef test_long():\n    raise OSError\n")
    assert repo.gate("--set", 'gates.smoke.exclude_markers=["slow"]').returncode == 0
    assert "smoke.mine.long" not in outcomes(repo.verdict)


def test_destructive_checks_are_left_out_where_access_is_read_only(repo: Repo, outcomes: Outcomes) -> None:
    repo.suite(GOOD, "import pytest\n@pytest.mark.destructive\ndef test_writes():\n    pass\n")
    assert repo.gate().returncode == 0
    assert "smoke.mine.writes" not in outcomes(repo.verdict)
    assert repo.gate("--set", "aws.access=read-write").returncode == 0
    assert outcomes(repo.verdict)["smoke.mine.writes"] == "passed"


def _two_layers(repo: Repo) -> None:
    text = repo.write("profiles/p.toml", "").parent.joinpath("p.toml")
    text.write_text(
        'description = "two layers"\n[phases]\npre-deploy = [["smoke"], ["unit"]]\n'
        '[gates.smoke]\nrequired_checks = ["mine.good"]\n'
    )


def test_a_failed_layer_blocks_the_next(repo: Repo) -> None:
    _two_layers(repo)
    repo.suite("def test_good():\n    assert False, 'no'\n")
    assert repo.gate().returncode == 10
    verdicts = {gate.gate: gate for gate in repo.verdict.decided.gates}
    assert verdicts["unit"].outcome is GateOutcome.BLOCKED
    assert verdicts["unit"].decision is Decision.NO_GO
    assert repo.gate("--keep-going").returncode == 12
    assert _ends(repo.verdict)["unit"] is SessionEnd.COMPLETED


def test_some_gates_only_are_at_best_inconclusive(repo: Repo) -> None:
    _two_layers(repo)
    assert repo.gate("--gate", "smoke").returncode == 11
    assert "partial" in [reason.code for reason in repo.verdict.decided.reasons]


def test_try_gives_no_verdict_and_not_in_ci(repo: Repo) -> None:
    assert repo.run("try", "smoke", "--profile", "p").returncode == 0
    repo.suite("def test_good():\n    assert False, 'no'\n")
    assert repo.run("try", "smoke", "--profile", "p").returncode == 1
    assert not list(repo.root.rglob("verdict.intoto.json"))
    refused = repo.run("try", "smoke", "--profile", "p", environ={"CI": "true"})
    assert refused.returncode == 64
    assert "gonogo gate" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--phase", "predeploy"), "did you mean 'pre-deploy'"),
        (("--phase", "post-deploy"), "no gates in phase"),
        (("--gate", "smok"), "did you mean 'smoke'"),
        (("--gate", "load"), "has no gate 'load'"),
        (("--image", "api"), "NAME=TAG"),
        (("--image", "api=v1"), "knows no image"),
        (("--set", "gates.smok.budget=1s"), "did you mean 'smoke'"),
        (("--fault", "db-down"), "no stand-in"),
    ],
)
def test_wrong_usage_says_what_to_do_and_begins_nothing(
    repo: Repo, arguments: tuple[str, ...], said: str
) -> None:
    done = repo.gate(*arguments)
    assert done.returncode == 64
    assert said in done.stderr
    assert "→" in done.stderr
    assert not (repo.root / "reports").exists()


def test_json_is_all_that_stdout_has(repo: Repo) -> None:
    answer = json.loads(repo.gate("--json").stdout)
    assert answer["decision"] == "GO"
    assert answer["exit_code"] == 0
    assert answer["gates"] == {"subject": "pass", "smoke": "pass"}
    assert Path(answer["files"]["verdict"]).is_file()


@pytest.mark.parametrize("place", ["9" * 300, "a-file", "no/" + "\N{SNOWMAN}" * 90])
def test_a_run_does_not_begin_where_it_cannot_write(repo: Repo, place: str) -> None:
    (repo.root / "a-file").write_text("")
    done = repo.gate("--set", f'reports.path="{place}"')
    assert done.returncode == 12
    assert "the run cannot begin there: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_run_leaves_a_pending_verdict_over_yesterdays_go(repo: Repo) -> None:
    assert repo.gate().returncode == 0
    repo.suite(GOOD, "def test_waits():\n    open('up', 'w').close()\n    import time; time.sleep(60)\n")
    child = _start(repo)
    _wait_for(repo.root / "up", child)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert repo.verdict.decision is Decision.PENDING


def test_an_interrupted_run_says_so(repo: Repo) -> None:
    repo.suite(GOOD, "def test_waits():\n    open('up', 'w').close()\n    import time; time.sleep(60)\n")
    child = _start(repo)
    _wait_for(repo.root / "up", child)
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 12
    assert _ends(repo.verdict)["smoke"] is SessionEnd.INTERRUPTED


def test_a_run_that_was_overtaken_does_not_replace_the_newer_verdict(repo: Repo) -> None:
    repo.suite(
        GOOD,
        "import time\nfrom pathlib import Path\ndef test_waits():\n    if Path('up').exists():\n        return\n"
        "    Path('up').touch()\n    while not Path('go').exists():\n        time.sleep(0.02)\n",
    )
    older = _start(repo)
    _wait_for(repo.root / "up", older)
    assert repo.gate().returncode == 0
    newer = repo.verdict.info.run_id
    (repo.root / "go").touch()
    assert older.wait(30) == 0
    assert repo.verdict.info.run_id == newer


def _run(verdict: Verdict, gate: str) -> GateRun:
    return next(run for run in verdict.record.runs if run.gate == gate)


def _start(repo: Repo) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "gate", "--profile", "p"],
        cwd=repo.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _wait_for(path: Path, child: "subprocess.Popen[bytes]") -> None:
    while not path.exists():
        assert child.poll() is None, "the run ended early"
        os.sched_yield()


def test_a_secret_of_a_check_reaches_no_file(repo: Repo) -> None:
    secret = "kx9-canary-7Qw"
    repo.suite(
        GOOD,
        f"from harness.masking import register\nSECRET = {secret[:6]!r} + {secret[6:]!r}\n"
        "def test_leaks():\n    register(SECRET)\n    print(SECRET)\n    assert SECRET == 'x', f'it is {SECRET}'\n"
        "def test_breaks():\n    raise OSError(SECRET)\n",
    )
    done = repo.gate()
    assert done.returncode == 12
    assert secret not in done.stdout + done.stderr
    told = [path for path in (repo.root / "reports").rglob("*") if path.is_file()]
    assert told
    assert not [path for path in told if secret.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    "broken",
    ["check.measure('n', '5')", "check.measure('n', 5, 'seconds')", "check.skip('because', 'of this')"],
)
def test_a_check_that_misuses_its_record_is_one_broken_check(
    repo: Repo, outcomes: Outcomes, broken: str
) -> None:
    repo.suite(GOOD, f"def test_misuses(check):\n    {broken}\n")
    assert repo.gate().returncode == 12
    assert outcomes(repo.verdict) == {
        "subject.source.committed": "passed",
        "smoke.mine.good": "passed",
        "smoke.mine.misuses": "error",
    }


@pytest.mark.parametrize("arguments", [("--set", "app.path=nowhere"), ("--profiles", "nowhere")])
def test_what_cannot_begin_leaves_the_last_verdict_alone(repo: Repo, arguments: tuple[str, str]) -> None:
    assert repo.gate().returncode == 0
    before = repo.verdict_file.read_bytes()
    assert repo.gate(*arguments).returncode == 64
    assert repo.verdict_file.read_bytes() == before
