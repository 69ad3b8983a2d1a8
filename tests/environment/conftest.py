"""`staging`'s shape in an emulator, behind a proxy that records what it is asked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aws_parts import (  # noqa: F401 - fixtures
    credentials,
    database,
    guarded_url,
    no_inherited_aws,
    owner,
    stack_url,
)
from breakages.parts import World, only, profile_of, world
from recording_proxy import Proxy, recording

Behind = Callable[..., Any]


@pytest.fixture
def behind(tmp_path: Path, database: Any) -> Behind:  # noqa: F811
    """``behind(url, account, clients, *overrides)``: provision at `url`, and judge through a proxy in front of it.

    With `kinds` only the resources of these are judged.
    """

    @contextmanager
    def enter(
        url: str,
        account: str,
        clients: Callable[[str], Any],
        *overrides: str,
        kinds: tuple[str, ...] = (),
    ) -> Iterator[tuple[World, Proxy]]:
        with world(tmp_path, account, url, clients, database) as made, recording(url) as proxy:
            profile = profile_of(tmp_path, account, proxy.url, overrides=overrides)
            if kinds:
                profile = only(profile, kinds)
            yield replace(made, profile=profile), proxy

    return enter
