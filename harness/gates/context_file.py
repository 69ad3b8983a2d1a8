"""A gate's context as a file: written by the supervisor, read by the gate's session."""

import json
from pathlib import Path

from harness import codec
from harness.gates import tables
from harness.gates.context import GateContext
from harness.model import Phase, Subject
from harness.profile.loader import rebuild


def write(context: GateContext, path: Path) -> None:
    """Write everything the session needs; profiles hold no secrets, so neither does this file."""
    content = {
        "run_id": context.run_id,
        "gate": context.gate,
        "phase": context.phase,
        "attempt": context.attempt,
        "root": str(context.root),
        "folder": str(context.folder),
        "images": dict(context.images),
        "subjects": [codec.dump(subject) for subject in context.subjects],
        "profile": {"name": context.profile.name, "resolved": context.profile.resolved},
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False))


def read(path: Path) -> GateContext:
    """Read it back, the profile validated again."""
    content = json.loads(path.read_text())
    return GateContext(
        run_id=content["run_id"],
        gate=content["gate"],
        phase=Phase(content["phase"]),
        profile=rebuild(content["profile"]["resolved"], content["profile"]["name"], tables()),
        root=Path(content["root"]),
        folder=Path(content["folder"]),
        images=content["images"],
        subjects=tuple(codec.load(Subject, subject) for subject in content["subjects"]),
        attempt=content["attempt"],
    )
