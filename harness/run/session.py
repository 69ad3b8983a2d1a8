"""How the session of a gate is started, so that a user's repository can't bend it.

A gate's session is a pytest process of its own: plugins only by name, our configuration, no ``conftest.py`` but
the suites' own, no inherited options, the working folder not on the import path.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.gates.context import GateContext
from harness.gates.context_file import write as write_context
from harness.process import marked
from harness.resources import shipped

CONFIGURATION = Path(__file__).with_name("gate_session.ini")
_NOT_INHERITED = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER")


def suite_folders(context: GateContext) -> list[Path]:
    """Where the gate's checks are: the shipped folder, then the user's own, if there is one beside it."""
    folders = [shipped("suites") / context.gate, context.root / context.profile.suites.path / context.gate]
    distinct = {folder.resolve(): folder for folder in folders if folder.is_dir()}
    return list(distinct)


def command(context: GateContext, context_file: Path) -> list[str]:
    """The arguments of the gate's session."""
    workers = context.profile.gates[context.gate].workers
    return [
        *(sys.executable, "-P", "-m", "pytest"),
        *(
            "-c",
            str(CONFIGURATION),
            "--rootdir",
            str(context.root),
            "--noconftest",
            "--import-mode=importlib",
        ),
        *("-p", "no:cacheprovider", "-p", "harness.plugin"),
        *(("-p", "xdist.plugin", "-n", str(workers), "--dist", "load") if workers else ()),
        *("--gonogo-context", str(context_file)),
        *(str(folder) for folder in suite_folders(context)),
    ]


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """What the session inherits: everything but pytest's own variables, with plugin autoloading off."""
    kept = {key: value for key, value in base.items() if key not in _NOT_INHERITED}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONUNBUFFERED": "1"}


def start(context: GateContext, environ: Mapping[str, str]) -> tuple["subprocess.Popen[bytes]", str]:
    """Start the gate's session in a process group of its own; its output goes to ``<gate>/session.log``.

    Returns the process, and the mark that it and all it starts carry (see `harness.process.end_tree`).
    """
    inherited, mark = marked(environment(environ))
    context.work.mkdir(parents=True, exist_ok=True)
    path = context.work / "context.json"
    write_context(context, path)
    with (context.work / "session.log").open("wb") as log:
        child = subprocess.Popen(
            command(context, path),
            cwd=context.root,
            env=inherited,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return child, mark
