"""Where the shipped suites, profiles and example are: in the wheel, or in the checkout of an editable install.

An editable install must use the checkout's own, never a stale copy, so the checkout is looked for first.
"""

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def shipped(name: str) -> Path:
    """The folder ``suites``, ``profiles`` or ``examples/storefront``.

    Raises:
        FileNotFoundError: the installation is broken.
    """
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    installed = _PACKAGE / "_shipped" / name
    if installed.is_dir():
        return installed
    raise FileNotFoundError(installed)
