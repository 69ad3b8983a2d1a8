"""What a deploy step's call costs in imports, and that reading it without a parser is reading it as typer does."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import harness
from harness.cli import asked, main, run, typed
from harness.cli.direct import plain
from harness.errors import ExitCode, ProfileError
from release_parts import DIGEST, Releases
from signing_parts import Signer

DEFAULTS = {
    name: each.default
    for name, each in inspect.signature(asked.answer).parameters.items()
    if each.default is not each.empty
}


def as_typer_reads(given: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any] | None:
    """The arguments that typer hands over; nothing where it hands none."""
    found: list[dict[str, Any]] = []

    def answer(profile: str, image: list[str], **more: Any) -> int:
        found.append({"profile": profile, "image": list(image), **more})
        return 0

    monkeypatch.setattr("harness.cli.verify.answer", answer)
    typed.run(["verify"], given)
    return found[0] if found else None


VALUES = [
    "staging",
    "api@sha256:aa",
    "web=sha256:bb",
    "x.json",
    "a/b c",
    "",
    "-",
    "-x",
    "--json",
    "post-deploy",
    "s3://b/p",
    "ü",
    "=",
]
OPTIONS = ["--profile", "-p", "--image", "--source", "--phase", "--verdict", "--profiles", "--store", "--run"]
FLAGS = ["--json", "--require-evidence", "--accept-override"]
part = st.one_of(
    st.tuples(st.sampled_from(OPTIONS), st.sampled_from(VALUES)),
    st.builds(lambda name, value: (f"{name}={value}",), st.sampled_from(OPTIONS), st.sampled_from(VALUES)),
    st.tuples(st.sampled_from(FLAGS)),
    st.tuples(
        st.sampled_from(
            ["--help", "-h", "--", "--prof", "--jso", "-pstaging", "--json=1", "--nope", "staging"]
        )
    ),
)
usual = st.sampled_from([("--profile", "staging"), ("-p", "staging"), ("--profile=staging",)])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(part, max_size=5), st.none() | usual, st.randoms(use_true_random=False))
def test_what_is_read_without_typer_is_what_typer_reads(
    parts: list[tuple[str, ...]], profile: tuple[str, ...] | None, chance: Any
) -> None:
    parts = [*parts, profile] if profile else parts
    chance.shuffle(parts)
    arguments = ["verify", *(word for each in parts for word in each)]
    mine = plain(arguments)
    if mine is None:
        return
    with pytest.MonkeyPatch.context() as patch:
        other = as_typer_reads(arguments, patch)
    assert other == {**DEFAULTS, **mine}


def test_plain_calls_are_read() -> None:
    images = ["--image", f"api@{DIGEST}", f"--image=web@{DIGEST}"]
    found = plain(
        ["verify", "-p", "staging", *images, "--verdict=v.json", "--phase", "post-deploy", "--json"]
    )
    assert found == {
        "profile": "staging",
        "image": [f"api@{DIGEST}", f"web@{DIGEST}"],
        "verdict": Path("v.json"),
        "phase": "post-deploy",
        "as_json": True,
    }


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["verify"],
        ["guard", "-p", "staging"],
        ["verify", "--help"],
        ["verify", "-p", "staging", "--help"],
        ["verify", "-p"],
        ["verify", "-p", "staging", "--source"],
        ["verify", "-p", "staging", "--source", "--json"],
        ["verify", "-p", "a", "--profile", "b"],
        ["verify", "-p=staging"],
        ["verify", "-p", "staging", "--json", "--json"],
        ["verify", "-p", "staging", "extra"],
    ],
)
def test_all_else_is_left_to_typer(given: list[str]) -> None:
    assert plain(given) is None


def test_every_option_of_verify_is_read_plainly() -> None:
    """An option that only typer knew would make a deploy step pay for typer."""
    for name, default in DEFAULTS.items():
        option = {"as_json": "--json"}.get(name, f"--{name.replace('_', '-')}")
        value = [] if default is False else ["x"]
        found = plain(["verify", "-p", "staging", option, *value])
        assert found is not None, option
        assert name in found


@pytest.mark.parametrize("error", [KeyboardInterrupt, EOFError])
def test_an_interruption_is_no_go(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: Any, **__: Any) -> int:
        raise error

    monkeypatch.setattr(asked, "answer", stopped)
    assert run(["verify"], ["verify", "-p", "staging"]) == ExitCode.ERROR
    assert capsys.readouterr().err.strip() == "gonogo: interrupted"


def test_wrong_usage_ends_alike_with_and_without_typer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: Any, **__: Any) -> int:
        raise ProfileError("there is no profile 'x'", hint="write another")

    monkeypatch.setattr(asked, "answer", refused)
    monkeypatch.setattr("harness.cli.verify.answer", refused)
    arguments = ["verify", "-p", "x"]
    assert run(["verify"], arguments) == typed.run(["verify"], arguments) == ExitCode.USAGE
    first, second = capsys.readouterr().err.strip().split("gonogo: ")[1:]
    assert first.strip() == second.strip()


HEAVY = {
    *(
        "_pytest",
        "asyncio",
        "boto3",
        "botocore",
        "click",
        "concurrent",
        "dataclasses",
        "email",
        "gevent",
        "http",
    ),
    *(
        "inspect",
        "jinja2",
        "locust",
        "logging",
        "multiprocessing",
        "psutil",
        "pydantic",
        "pydantic_core",
        "pytest",
    ),
    *("requests", "rich", "securesystemslib", "shutil", "socket", "ssl", "subprocess", "tarfile", "tempfile"),
    *("typer", "unittest", "urllib3", "uuid", "yaml"),
}
OURS = {
    "harness.cli.typed",
    "harness.cli.verify",
    "harness.process",
    "harness.report",
    "harness.run",
    "harness.verdict.bundle",
    "harness.verdict.stores",
}
PROBE = """
import json, sys
from harness.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print(json.dumps([end.code or 0, sorted(sys.modules)]))
"""


def _imported(folder: Path, *arguments: str) -> tuple[int, set[str]]:
    """The exit code and the modules of a process that runs `gonogo`, without what the environment adds at the start."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV"))}
    environment["PYTHONPATH"] = str(Path(harness.__file__).parents[1])
    bare = subprocess.run(
        [sys.executable, "-c", "import json, sys; print(json.dumps(sorted(sys.modules)))"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    return code, set(modules) - set(json.loads(bare.stdout))


def test_a_deploy_step_imports_what_verifying_takes_and_no_more(tmp_path: Path) -> None:
    """A signed GO: what costs a deploy step its time is what it imports, so that this is what is held."""
    signer = Signer.make("ci")
    releases = Releases(tmp_path)
    key = signer.key.text
    releases.write_profile(f'\n[[policy.signing.signers]]\nname = "ci"\nkey = "{key}"\n')
    run_id, _ = releases.begin()
    from harness.verdict.envelope import PAYLOAD_TYPE, seal

    (tmp_path / "v.json").write_bytes(seal(releases.verdict(run_id), PAYLOAD_TYPE, [signer]))
    code, modules = _imported(
        tmp_path, "verify", "-p", "mine", f"--image=api@{DIGEST}", "--verdict", "v.json"
    )
    assert code == 0
    assert "cryptography" in {name.partition(".")[0] for name in modules}
    assert not {name for name in modules if name.partition(".")[0] in HEAVY}
    assert not {name for name in modules for ours in OURS if name == ours or name.startswith(f"{ours}.")}
    kinds = {name for name in modules if name.startswith("harness.aws.")}
    assert "harness.aws.rds" not in kinds, "a kind that no profile names is known by its name"


def verify_in(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", "verify", "-p", "mine", f"--image=api@{DIGEST}"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_what_a_profile_names_is_imported_and_a_wrong_name_is_still_told(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    releases.write_profile('\n[[rds.instances]]\nidentifer = "main"\n')
    done = verify_in(tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "rds.instances[0].identifer: unknown key 'identifer'; did you mean 'identifier'?" in done.stderr
    releases.write_profile("\n[[rds.instnces]]\n")
    done = verify_in(tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "rds.instnces: unknown key 'instnces'; did you mean 'instances'?" in done.stderr


@pytest.mark.parametrize("given", [["verify", "-p", "dev", "--source", "a" * 40], ["verify", "-p=dev"]])
def test_a_bug_is_an_error_with_its_traceback_and_no_secret(
    given: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python alone would end with 1, which is one of pytest's codes."""

    def broken(*_: object, **__: object) -> int:
        raise RuntimeError("of postgresql://ana:hunter22@db/shop")

    for name in ("harness.cli.asked.answer", "harness.cli.verify.answer"):
        monkeypatch.setattr(name, broken)
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == ExitCode.ERROR
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "RuntimeError: of postgresql://ana:****@db" in told
    assert told.endswith("this is a bug in gonogo; nothing is decided\n  → report it, with the lines above\n")


def test_a_reader_that_stops_reading_is_no_bug() -> None:
    """As with ``| head``: there is nobody left to be told."""
    reads, writes = os.pipe()
    os.close(reads)
    lines = "import sys; from harness.cli import main; sys.stdout.reconfigure(line_buffering=True); main()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", lines, "profile", "show", "prod"],
            stdout=writes, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip
    finally:
        os.close(writes)
    assert (done.returncode, done.stderr) == (ExitCode.ERROR, "")
