"""Which profiles a fault concerns."""

from collections.abc import Callable

from harness.profile import Profile


def runs(gate: str) -> Callable[[Profile], str]:
    """Those that run `gate` in some phase; the others are told so."""

    def why_not(profile: Profile) -> str:
        run = any(gate in layer for layers in profile.phases.values() for layer in layers)
        return "" if run else f"profile {profile.name!r} runs no gate {gate!r}"

    return why_not
