"""The pytest plugin. Without one of our options it is inert: no heavy import, no hook that runs for a test.

``pytest --gonogo staging`` *is* a gate run: it takes over before anything is collected, and the exit code is the
verdict's. ``--gonogo-context`` makes this process the session of one gate; only the supervisor passes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

_SELECTIONS = ("-k", "-m", "--deselect", "--ignore", "--ignore-glob", "--lf", "--ff", "--last-failed", "--sw")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options; all carry the prefix, so that no other plugin's option is meant."""
    group = parser.getgroup("gonogo", "gonogo: may this release go?")
    group.addoption("--gonogo", metavar="PROFILE", default=None, help="run the gates of PROFILE and decide")
    group.addoption(
        "--gonogo-phase", metavar="PHASE", default="pre-deploy", help="pre-deploy (default), post-deploy"
    )
    group.addoption(
        "--gonogo-image", metavar="NAME=TAG", action="append", default=[], help="an image of the release"
    )
    group.addoption(
        "--gonogo-set", metavar="KEY=VALUE", action="append", default=[], help="override one profile key"
    )
    group.addoption(
        "--gonogo-gates", metavar="A,B", default="", help="only these gates (at best INCONCLUSIVE)"
    )
    group.addoption(
        "--gonogo-keep-going", action="store_true", help="run later layers although an earlier failed"
    )
    group.addoption(
        "--gonogo-store", metavar="URI", default="", help="keep the verdict here as well (see `gonogo gate`)"
    )
    group.addoption(
        "--gonogo-context", metavar="FILE", default=None, help="be the session of one gate (internal)"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Turn this pytest run into a gate run."""
    profile = config.getoption("--gonogo")
    if profile is None or config.getoption("--gonogo-context") is not None:
        return None
    from harness.gate_command import main
    from harness.gate_request import Request

    request = Request(
        profile=profile,
        phase=config.getoption("--gonogo-phase"),
        images=tuple(config.getoption("--gonogo-image")),
        overrides=tuple(config.getoption("--gonogo-set")),
        gates=tuple(name for name in config.getoption("--gonogo-gates").split(",") if name),
        keep_going=config.getoption("--gonogo-keep-going"),
        store=config.getoption("--gonogo-store"),
        refused=_selections(config.invocation_params.args),
    )
    return main(request)


def pytest_configure(config: pytest.Config) -> None:
    """Become the session of a gate, where the supervisor says so."""
    if config.getoption("--gonogo-context", None) is not None:
        from harness.gate_session import GateSession

        config.pluginmanager.register(GateSession(config), "gonogo-gate-session")


def _selections(arguments: Sequence[object]) -> tuple[str, ...]:
    """Selections given on the command line: a gate run knows none, and must not look as if it obeyed one."""
    texts = [str(argument) for argument in arguments]
    return tuple(text for text in texts if any(text == s or text.startswith(f"{s}=") for s in _SELECTIONS))
