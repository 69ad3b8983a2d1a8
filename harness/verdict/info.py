"""What a verdict says about its run: which, where, of what, by which rules. Everything but the findings."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from harness.frozen import dataclass, field, replace
from harness.masking import mask
from harness.model import ExpectedCheck, Phase, Policy, Subject
from harness.profile import Profile

SOURCE = "source"
"""The subject that always exists: the application's source."""
CLOCK_SKEW = timedelta(minutes=1)
"""How far the clocks of those who decide, approve and verify may be apart."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{32,128}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Override:
    """One value of the profile that came from the command line or the environment; `value` is masked."""

    value: str
    source: str


@dataclass(frozen=True)
class Starter:
    """Who started a run, as far as that is proven: the signer of its verdict, by the profile's name of the key."""

    name: str
    keyid: str


@dataclass(frozen=True)
class RunInfo:
    """One run of one profile and phase.

    All times are UTC. `finished` and `expires` are ``None`` until the run is over. `images` are the images that were
    asked for (name -> tag or ``sha256:…``); `subjects` are what they are by their bytes, never empty. `started_by` is
    what the environment claims, which proves nothing; `starter` is whom a signature proves. `stand_in` says that an
    emulator answered instead of AWS.

    Raises:
        ValueError: a value that no run can have; the message names it.
    """

    run_id: str
    profile: str
    phase: Phase
    resource_uri: str
    subjects: tuple[Subject, ...]
    started: datetime
    policy_digest: str
    policy_uri: str
    version: str
    finished: datetime | None = None
    expires: datetime | None = None
    attempt: int = 1
    started_by: str = ""
    starter: Starter | None = None
    partial: bool = False
    stand_in: bool = False
    images: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, Override] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("run id", self.run_id), ("profile", self.profile)):
            if not _NAME.fullmatch(value):
                msg = f"{name} {value!r} is not a name that a folder can have"
                raise ValueError(msg)
        if not _DIGEST.fullmatch(self.policy_digest):
            msg = f"policy digest {self.policy_digest!r} is not 64 hexadecimal digits"
            raise ValueError(msg)
        if self.starter and not (self.starter.name and self.starter.keyid):
            msg = "who started the run is proven by a name and a key"
            raise ValueError(msg)
        if self.attempt < 1:
            msg = f"attempt {self.attempt} is not a positive number"
            raise ValueError(msg)
        self._check_subjects()
        self._check_times()

    def _check_subjects(self) -> None:
        if not self.subjects:
            msg = "a verdict without a subject speaks of nothing"
            raise ValueError(msg)
        names = [subject.name for subject in self.subjects]
        if len(set(names)) != len(names) or not all(names):
            msg = f"subjects need names of their own, not {names}"
            raise ValueError(msg)
        for subject in self.subjects:
            if not subject.digest or not all(_HEX.fullmatch(value) for value in subject.digest.values()):
                msg = f"subject {subject.name!r} has no digest in hexadecimal: {dict(subject.digest)}"
                raise ValueError(msg)

    def _check_times(self) -> None:
        for name, time in (
            ("started", self.started),
            ("finished", self.finished),
            ("expires", self.expires),
        ):
            if time is not None and time.utcoffset() != timedelta(0):
                msg = f"{name} {time} is not in UTC"
                raise ValueError(msg)
        if (self.finished is None) != (self.expires is None):
            msg = "finished and expires belong together"
            raise ValueError(msg)
        if self.finished and self.expires and not self.started <= self.finished < self.expires:
            msg = f"the times are out of order: {self.started}, {self.finished}, {self.expires}"
            raise ValueError(msg)

    def ended(self, finished: datetime, max_age: float, subjects: tuple[Subject, ...] = ()) -> "RunInfo":
        """The same run, over; `max_age` is the policy's, in seconds. `subjects` replace those known at the start."""
        return replace(
            self,
            finished=finished,
            expires=finished + timedelta(seconds=max_age),
            subjects=subjects or self.subjects,
        )

    @property
    def told_starter(self) -> str:
        """Who started it, and what that rests on: ``ci (proven by key 5f70bf18a086…), for dana (unproven)``."""
        claimed = f"{self.started_by or 'unknown'} (unproven)"
        if self.starter is None:
            return claimed
        proven = f"{self.starter.name} (proven by key {self.starter.keyid[:12]}…)"
        return f"{proven}, for {claimed}" if self.started_by else proven

    @property
    def level(self) -> str:
        """What a GO attests, as a VSA ``verifiedLevels`` value of our own: ``GONOGO_STAGING_PRE_DEPLOY``."""
        return re.sub(r"[^A-Z0-9]+", "_", f"GONOGO_{self.profile}_{self.phase}".upper())

    def subject(self, name: str) -> Subject | None:
        """The subject of that name."""
        return next((subject for subject in self.subjects if subject.name == name), None)


def resource_uri(profile: Profile) -> str:
    """Where a profile's environment is: ``aws://123456789012/us-east-1/staging``. Both sides derive it."""
    return f"aws://{profile.aws.account}/{profile.aws.region}/{profile.name}"


def policy_uri(profile: Profile) -> str:
    """The name of a profile's policy; its digest says which version."""
    return f"urn:gonogo:policy:{profile.name}"


def rules(profile: Profile) -> Policy:
    """The rules of a profile as deciding takes them."""
    return Policy(
        profile.policy.skips.decisions(),
        profile.policy.max_flaky,
        tuple(sorted(profile.waivers, key=lambda each: each.id)),
        profile.waivers_problem,
    )


def overrides(profile: Profile) -> dict[str, Override]:
    """A profile's overridden values, masked, as a verdict records them."""
    return {
        key: Override(mask(str(setting.value)), setting.source)
        for key, setting in sorted(profile.overrides().items())
    }


def emulated(profile: Profile) -> bool:
    """Whether the profile itself says that its environment is an emulator."""
    return profile.local.stand_in or bool(profile.aws.endpoint_url)


def image_check(name: str) -> ExpectedCheck:
    """The check that an image asked for must have; expected of a run beside its profile's plan."""
    return ExpectedCheck(f"subject.images.resolve[{name}]", "subject", name)
