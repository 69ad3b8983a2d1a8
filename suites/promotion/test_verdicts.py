"""The environments that come before this one: what they decided about this very release."""

from pathlib import Path
from tempfile import TemporaryDirectory

from harness.errors import ExitCode, VerdictError
from harness.fixtures import Check
from harness.gates.context import GateContext
from harness.gates.promotion import asked_of, store_of
from harness.model import Cause, Phase
from harness.verdict.history import last_go
from harness.verdict.refusal import Refusal


def test_is_go(place: tuple[str, Phase], context: GateContext, check: Check) -> None:
    """The last run there that is about this release is a GO, which a deploy step there would accept."""
    name, phase = place
    (profile,) = (other for other in context.predecessors if other.name == name)
    asked, store = asked_of(context, profile, phase), store_of(context, profile)
    check.fact("store", store.uri)
    try:
        with TemporaryDirectory() as folder:
            found = last_go(store, asked, Path(folder))
            raw = found.path.read_bytes()
    except VerdictError as refused:
        told = f"{name}/{phase}: {refused.message}"
        if refused.code == Refusal.MISSING or refused.exit_code is ExitCode.PENDING:
            check.inconclusive(Cause.UNAVAILABLE, told, hint=refused.hint)
        check.fail(f"{told} ({refused.code})", hint=refused.hint)
    verdict = found.verdict
    check.evidence("verdict.intoto.json", raw, "application/vnd.in-toto+json")
    check.fact("run", verdict.info.run_id)
    check.fact("sha256", verdict.sha256)
    check.fact("policy", verdict.info.policy_digest)
    check.fact("signed by", ", ".join(found.signers) or "nobody whom the profile names")
    check.fact("until", f"{found.expires:%Y-%m-%d %H:%M:%S} UTC")
