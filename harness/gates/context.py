"""What the session of a gate is told: who released what, where, and under which profile. Travels as one JSON file."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from harness.frozen import dataclass, replace
from harness.model import Phase, Subject
from harness.profile import Profile


@dataclass(frozen=True)
class GateContext:
    """The surroundings of one gate's session.

    `root` is the folder the command ran in, `app` the application's repository, `folder` the run's own folder;
    `images` are the images asked for (name -> tag or ``sha256:…``), `subjects` what is known of their bytes so far.
    """

    run_id: str
    gate: str
    phase: Phase
    profile: Profile
    root: Path
    folder: Path
    images: Mapping[str, str]
    subjects: tuple[Subject, ...] = ()
    attempt: int = 1
    started: datetime | None = None
    """When the run started: the moment at which waivers must hold."""
    counterparts: tuple[Profile, ...] = ()
    """Profiles of other environments that this one is compared with, bound to their places."""
    predecessors: tuple[Profile, ...] = ()
    """Profiles of the environments that come before this one, as their files say them: by these their verdicts are judged."""

    @property
    def app(self) -> Path:
        """The application's repository."""
        return (self.root / self.profile.app.path).resolve()

    @property
    def work(self) -> Path:
        """This gate's own folder in the run: evidence and raw output of its tools."""
        return self.folder / self.gate

    @property
    def ledger(self) -> Path:
        """The run's ledger."""
        return self.folder / "ledger.jsonl"

    def image_digest(self, image: str) -> str:
        """The ``sha256:…`` that this run found for an image's tag; empty while it is not known."""
        for subject in self.subjects:
            if subject.name == image and "sha256" in subject.digest:
                return f"sha256:{subject.digest['sha256']}"
        return ""

    def of_gate(self, gate: str) -> "GateContext":
        """The same run, told to another gate."""
        return replace(self, gate=gate)
