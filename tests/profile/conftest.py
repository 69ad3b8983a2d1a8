"""Profiles written to a folder of the test's own, loaded with the product's real tables."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.gates import tables as product_tables
from harness.profile import Profile, Tables
from harness.profile.loader import load_profile

Load = Callable[..., Profile]


@pytest.fixture(scope="session")
def tables() -> Tables:
    return product_tables()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def writer(name: str, text: str) -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        return path

    return writer


@pytest.fixture
def load(tmp_path: Path, tables: Tables) -> Load:
    def loader(
        name: str, *overrides: str, environ: Mapping[str, str] | None = None, folder: Path = tmp_path
    ) -> Profile:
        return load_profile(name, tables, folder=folder, overrides=overrides, environ=environ or {})

    return loader
