"""The wheel, installed alone in an empty folder, does the main job; the base install verifies."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from product_parts import IMAGES, QUICK, Product
from tests_environment import environment

CHECKOUT = Path(__file__).resolve().parents[2]
GATES_ONLY = (
    "boto3",
    "botocore",
    "pytest",
    "psutil",
    "psycopg",
    "requests",
    "yaml",
    "locust",
    "coverage",
    "allure_commons",
)


def _run(*arguments: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the built wheel; its dependencies are this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist", cwd=CHECKOUT)
    (wheel,) = (folder / "dist").glob("*.whl")
    _run(sys.executable, "-m", "venv", folder / "env", cwd=folder)
    python = folder / "env" / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    packages = Path(
        _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    )
    # A path entry of a .pth file is not searched for .pth files of its own: our editable install stays out.
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


def test_it_finds_its_own_suites_profiles_and_example(installed: Path, tmp_path: Path) -> None:
    told = _run(
        installed,
        "-c",
        "import harness; from harness.resources import shipped;"
        "print(harness.__file__, shipped('suites'), shipped('profiles'), shipped('examples/storefront'))",
        cwd=tmp_path,
    ).split()
    assert len(told) == 4
    for path in told:
        assert Path(path).is_relative_to(installed.parents[1])


def test_a_checkout_uses_its_own_never_a_copy(tmp_path: Path) -> None:
    told = _run(
        sys.executable,
        "-c",
        "from harness.resources import shipped; print(shipped('suites'), shipped('profiles'))",
        cwd=tmp_path,
    ).split()
    assert told == [str(CHECKOUT / "suites"), str(CHECKOUT / "profiles")]


@pytest.mark.alone
def test_the_wheel_alone_runs_the_local_gate(installed: Path, tmp_path: Path) -> None:
    quick = [part for each in QUICK for part in ("--set", each)]
    told = _run(installed.parent / "gonogo", "gate", "--profile", "local", *IMAGES, *quick, cwd=tmp_path)
    assert "GO (exit 0)" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reports"]


@pytest.mark.alone
@pytest.mark.slow
def test_the_wheel_runs_checks_of_a_repository_beside_it(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "examples" / "own-checks", tmp_path, dirs_exist_ok=True)
    gonogo = installed.parent / "gonogo"
    told = _run(gonogo, "gate", "--profile", "mine", cwd=tmp_path)
    assert "GO (exit 0)" in told
    verdict = tmp_path / "reports" / "mine" / "pre-deploy" / "verdict.intoto.json"
    assert "integration.mine.every_topic_is_declared" in verdict.read_text()
    assert "integration.mine.queue_keeps_up[storefront-local-fifo-dlq.fifo]" in verdict.read_text()
    (tmp_path / "suites" / "integration" / "test_mine.py").unlink()
    done = subprocess.run(
        [str(gonogo), "gate", "--profile", "mine"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 11, "the required check did not report"
    assert "mine.every_topic_is_declared" in done.stdout


def test_the_base_install_is_enough_to_verify_and_to_read_profiles(product: Product) -> None:
    block = f"import sys; sys.modules.update(dict.fromkeys({GATES_ONLY!r}, None));"
    run = "from harness.cli import run; sys.exit(run([sys.argv[1]], sys.argv[1:]))"
    for arguments, code in (
        (("verify", "--profile", "staging", "--source", "0" * 40), 14),
        (("profile", "show", "prod"), 0),
    ):
        done = subprocess.run(
            [sys.executable, "-c", block + run, *arguments],
            cwd=product.root,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
