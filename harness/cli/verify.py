"""``gonogo verify``: may what is about to be deployed go, by the verdict on file?"""

from harness.cli.asked import answer
from harness.cli.options import (
    AcceptOverride,
    AsJson,
    File,
    Images,
    PhaseName,
    ProfileName,
    Profiles,
    RequireEvidence,
    RunId,
    Source,
    Store,
)


def verify(
    profile: ProfileName,
    image: Images,
    source: Source = "",
    phase: PhaseName = "pre-deploy",
    verdict: File = None,
    profiles: Profiles = "profiles",
    require_evidence: RequireEvidence = False,
    accept_override: AcceptOverride = False,
    as_json: AsJson = False,
    store: Store = "",
    run: RunId = "",
) -> int:
    """Accept or refuse the verdict for exactly what is about to be deployed. Only exit code 0 lets a deploy go on.

    0 GO, 10 NO_GO, 11 INCONCLUSIVE, 12 ERROR, 13 PENDING, or not approved, 14 not usable, 15 not GO and an emergency
    override exists, 64 wrong usage.
    """
    return answer(
        profile,
        image,
        source=source,
        phase=phase,
        verdict=verdict,
        profiles=profiles,
        require_evidence=require_evidence,
        accept_override=accept_override,
        as_json=as_json,
        store=store,
        run=run,
    )
