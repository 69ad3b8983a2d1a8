"""A gate's context as a file: written by the supervisor, read by the gate's session."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from harness import codec
from harness.frozen import replace
from harness.gates import tables
from harness.gates.context import GateContext
from harness.model import Phase, Subject, Waiver
from harness.profile import Profile
from harness.profile.loader import rebuild


def write(context: GateContext, path: Path) -> None:
    """Write everything the session needs; profiles hold no secrets, so neither does this file."""
    content = {
        "run_id": context.run_id,
        "gate": context.gate,
        "phase": context.phase,
        "attempt": context.attempt,
        "started": context.started.isoformat() if context.started else "",
        "root": str(context.root),
        "folder": str(context.folder),
        "images": dict(context.images),
        "subjects": [codec.dump(subject) for subject in context.subjects],
        "profile": _dump(context.profile),
        "counterparts": [_dump(other) for other in context.counterparts],
        "predecessors": [_dump(other) for other in context.predecessors],
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False))


def read(path: Path) -> GateContext:
    """Read it back, the profile validated again."""
    content = json.loads(path.read_text())
    return GateContext(
        run_id=content["run_id"],
        gate=content["gate"],
        phase=Phase(content["phase"]),
        profile=_load(content["profile"]),
        root=Path(content["root"]),
        folder=Path(content["folder"]),
        images=content["images"],
        subjects=tuple(codec.load(Subject, subject) for subject in content["subjects"]),
        attempt=content["attempt"],
        started=datetime.fromisoformat(content["started"]) if content["started"] else None,
        counterparts=tuple(_load(other) for other in content["counterparts"]),
        predecessors=tuple(_load(other) for other in content["predecessors"]),
    )


def _dump(profile: Profile) -> dict[str, Any]:
    waivers = [codec.dump(waiver) for waiver in profile.waivers]
    problem = profile.waivers_problem
    return {
        "name": profile.name,
        "resolved": profile.resolved,
        "waivers": waivers,
        "waivers_problem": problem,
    }


def _load(data: Mapping[str, Any]) -> Profile:
    waivers = tuple(codec.load(Waiver, waiver) for waiver in data["waivers"])
    made = rebuild(data["resolved"], data["name"], tables())
    return replace(made, waivers=waivers, waivers_problem=data["waivers_problem"])
