"""The policy behind a verdict as one digest: what was demanded, not where it was found."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from harness import __version__
from harness.codec import canonical, dump
from harness.model import ExpectedCheck, ExpectedGate
from harness.profile import Profile

LEFT_OUT = ("description", "reports.", "suites.")
"""Settings that demand nothing: words for people, where reports go, where further suites are."""


def policy_document(
    profile: Profile, gates: Iterable[ExpectedGate], checks: Iterable[ExpectedCheck]
) -> dict[str, Any]:
    """What a run of this profile demands, as canonical JSON values: every setting, the defaults included, in its
    one written form, the waivers, the gates and checks that must report, and the version that judges them.

    Places are left out, so that moving an endpoint or a folder is no other policy. Whether AWS itself is asked or
    something at another endpoint is no place: a stand-in's answer must not count for an environment.
    """
    settings = {
        key: value
        for key, value in profile.values().items()
        if key not in profile.places and not key.startswith(LEFT_OUT)
    }
    return {
        "profile": profile.name,
        "version": __version__,
        "settings": settings,
        "own_endpoint": bool(profile.aws.endpoint_url),
        "waivers": [dump(waiver) for waiver in sorted(profile.waivers, key=lambda each: each.id)],
        "gates": [dump(gate) for gate in gates],
        "checks": [dump(check) for check in checks],
    }


def policy_digest(document: Mapping[str, Any]) -> str:
    """The sha256 of a policy document, in hexadecimal."""
    return hashlib.sha256(canonical(document)).hexdigest()
