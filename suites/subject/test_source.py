"""The source that is released."""

from harness.fixtures import Check
from harness.gates.context import GateContext
from harness.model import Cause
from harness.scanners.source_tree import SOURCE, state


def test_committed(context: GateContext, check: Check) -> None:
    """The source is what one commit names, and stays the same while the run is under way."""
    found = state(context.app, reports=context.root / context.profile.reports.path)
    check.subject(found.subject)
    check.fact("tree", "dirty" if found.dirty else "clean")
    check.fact("commit", found.commit or "none")
    known = next((subject for subject in context.subjects if subject.name == SOURCE), None)
    if known is not None and dict(known.digest) != dict(found.subject.digest):
        check.diagnose([f"changed: {name}" for name in found.changed[:20]])
        named = f" (not committed now: {', '.join(found.changed[:3])})" if found.changed else ""
        check.error(
            f"the source changed while the run was under way, so no one tree was proven{named}",
            hint="run again and leave the tree alone meanwhile; a test that writes into it needs another folder",
        )
    if not found.dirty:
        return
    check.fact("changed_files", len(found.changed))
    check.diagnose([f"not committed: {name}" for name in found.changed[:20]])
    if context.profile.app.require_clean:
        what = f"{len(found.changed)} files that no commit names" if found.changed else "no commit to name it"
        check.inconclusive(
            Cause.UNCOMMITTED,
            f"the source has {what}",
            hint="commit (or ignore) what is there; this profile demands a clean tree",
        )
