"""What a profile is made of. Gates and AWS services hand in tables of these classes; unknown keys are errors."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from harness.errors import ThresholdError
from harness.frozen import dataclass
from harness.model import Cause, Decision, ExpectedCheck, Phase, Unit
from harness.profile.public_key import read_key
from harness.profile.units import write_duration, write_rate, write_size
from harness.shapes import AfterValidator, Field, Mark, Shape, model_validator
from harness.threshold import AnyRule, Threshold, parse, parse_any, parse_duration, parse_quantity


class Place:
    """Marks a key that says *where* something is (an endpoint, a path): recorded, but not part of the policy digest."""


PLACE = Place()


@dataclass(frozen=True)
class Reference:
    """Marks a key whose text, unless empty, must be a key of the profile's table `table`."""

    table: tuple[str, ...]


IMAGE = Reference(("app", "images"))
"""The name of an image, as a key of ``[app] images``."""


class Written(Mark):
    """Marks a value that a profile holds as text with a unit or an operator: how it is read and written back.

    In Python such a value may be given as what it is read to (``300.0`` seconds); in a profile it may not, because
    a bare 5 does not say five of what. With `plain` the value is of the annotated type itself, a number; else it is an object
    (a threshold) that only the text can make.
    """

    def __init__(
        self,
        read: Callable[[str], object],
        write: Callable[[Any], str],
        pattern: str,
        examples: tuple[str, ...],
        *,
        plain: bool = True,
    ) -> None:
        self.read = read
        self.write = write
        self.pattern = pattern
        self.examples = examples
        self.plain = plain

    def meaning(self, value: Any, *, strict: bool) -> Any:  # noqa: ANN401
        """What the text means."""
        if isinstance(value, str):
            try:
                return self.read(value)
            except ThresholdError as error:
                msg = f"{error.message}; {error.hint}"
                raise ValueError(msg) from error
        if strict:
            msg = f"must be text such as {' or '.join(map(repr, self.examples))}"
            raise ValueError(msg)
        return value

    def text(self, value: Any) -> str:  # noqa: ANN401
        """The text that means it."""
        return self.write(value)

    def schema(self) -> dict[str, Any]:
        """The written form."""
        return {"type": "string", "pattern": self.pattern, "examples": list(self.examples)}


def _size(value: str) -> int:
    quantity = parse_quantity(value)
    if quantity.unit is not Unit.BYTES:
        raise ThresholdError(f"{value!r} is not a size", hint="write it as 512MB or 2GB")
    return int(quantity.value)


def _rate(value: str) -> float:
    quantity = parse_quantity(value)
    if quantity.unit is not Unit.PER_SECOND:
        raise ThresholdError(f"{value!r} is not a rate", hint="write it as 50/s")
    return float(quantity.value)


_NUMBER = r"^\s*\d+(\.\d+)?\s*"
DURATION = Written(parse_duration, write_duration, _NUMBER + r"(ms|s|m|h|d)\s*$", ("30s", "5m", "24h"))
SIZE = Written(_size, write_size, _NUMBER + r"(B|KB|MB|GB)\s*$", ("512MB", "2GB"))
RATE = Written(_rate, write_rate, _NUMBER + r"/[sm]\s*$", ("50/s",))


_METRIC = r"^\s*([a-z][a-z0-9_.]*\s*)"
_LIMIT = r"(>=|<=|==|<|>)\s*"


def rule(metric: str = "") -> Written:
    """Metadata for a key that holds one rule on a known metric, as in ``coverage = ">= 80%"``."""
    return Written(
        lambda text: parse(text, metric=metric),
        lambda threshold: threshold.text,
        _METRIC + ("?" if metric else "") + _LIMIT + r"\d",
        (">= 80%",) if metric else ("success_rate >= 95%", "avg_response_time < 2s"),
        plain=False,
    )


Duration = Annotated[float, DURATION]
"""A length of time, in seconds; written ``30s``, ``5m``, ``24h``."""
Size = Annotated[int, SIZE]
"""A number of bytes; written ``512MB``, ``2GB``."""
Rate = Annotated[float, RATE]
"""A frequency per second; written ``50/s``."""
Rule = Annotated[Threshold, rule()]
"""A threshold that names its metric."""
BASELINE_RULE = Written(
    parse_any,
    lambda threshold: threshold.text,
    _METRIC + _LIMIT + r"(\d|baseline\b)",
    ("success_rate >= 95%", "p95 <= baseline + 10%"),
    plain=False,
)
LoadRule = Annotated[AnyRule, BASELINE_RULE]
"""A threshold that names its metric, with a limit or a baseline and a tolerance."""


class Section(Shape):
    """A table of a profile: frozen, and a key it does not know is an error."""


class AppConfig(Section):
    """``[app]``: what is released, on disk."""

    path: Annotated[str, PLACE] = "."
    """The application's repository, relative to the folder the command runs in."""
    python: Annotated[str, PLACE] = ""
    """The interpreter that runs its unit tests, relative to `path`; empty: the interpreter of the gate."""
    images: dict[str, str] = Field(default_factory=dict)
    """Image name -> ECR repository."""
    require_clean: bool = False
    """Whether a working tree with uncommitted changes may be GO."""
    require_images: bool = False
    """Whether a verdict is only of use that speaks of every one of `images`."""


class AwsConfig(Section):
    """``[aws]``: the account that the environment lives in."""

    account: str = Field(default="", pattern=r"^(\d{12})?$", fits="the 12 digits of an AWS account")
    region: str = "us-east-1"
    access: Literal["read-only", "read-write"] = "read-only"
    endpoint_url: Annotated[str, PLACE] = ""
    """Where the API answers, for an emulator; empty: AWS itself."""
    calls: Rate = Field(default=50.0, gt=0)
    """How many requests a second a gate sends to AWS at most, retries included."""
    operations: list[
        Annotated[
            str,
            Field(
                pattern=r"^[a-z0-9-]+:[A-Z][A-Za-z0-9]+$",
                fits="an operation by its service and name, such as sns:ListTopics",
            ),
        ]
    ] = Field(default_factory=list)
    """Operations (``dynamodb:DescribeTable``) that checks of your own may call beside the shipped ones'."""


class LocalConfig(Section):
    """``[local]``: whether the run brings its own environment."""

    stand_in: bool = False
    """Start the embedded stand-in, provisioned from this profile, unless one is already attached."""


class SkipRules(Section):
    """``[policy.skips]``: what each cause of a skip leads to; ``allow`` is GO with the skip in its reasons."""

    absent: Literal["allow", "INCONCLUSIVE", "NO_GO", "ERROR"] = "allow"
    no_credentials: Literal["allow", "INCONCLUSIVE", "NO_GO", "ERROR"] = "INCONCLUSIVE"
    unreachable: Literal["allow", "INCONCLUSIVE", "NO_GO", "ERROR"] = "INCONCLUSIVE"
    not_emulated: Literal["allow", "INCONCLUSIVE", "NO_GO", "ERROR"] = "ERROR"
    no_baseline: Literal["allow", "INCONCLUSIVE", "NO_GO", "ERROR"] = "allow"
    """Allowed as shipped, because a first run has no earlier one to be compared with."""

    def decisions(self) -> dict[Cause, Decision]:
        """The rules as `harness.policy` takes them."""
        return {
            Cause(key): Decision.GO if value == "allow" else Decision(value)
            for key, value in self.model_dump().items()
        }


KeyText = Annotated[str, AfterValidator(lambda text: read_key(text).text if text else "")]
"""A public key, kept as one line of base64: a policy digest must not change with the line breaks of a file."""


class SignerConfig(Section):
    """One who may sign: by a key, or by an identity that Sigstore's certificates name."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$", fits="a name of letters, digits and . _ @ -")
    """What messages call the signer."""
    key: KeyText = ""
    """The public key: a PEM file, named by its path from this file's folder, or the PEM itself."""
    identity: str = ""
    """In place of a key: the certificate's subject, as ``https://github.com/…/gate.yml@refs/heads/main``."""
    issuer: str = ""
    """Who vouches for the identity, as ``https://token.actions.githubusercontent.com``."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "SignerConfig":
        if bool(self.key) == bool(self.identity) or bool(self.identity) != bool(self.issuer):
            msg = f"signer {self.name!r} has either a key, or an identity and its issuer"
            raise ValueError(msg)
        return self


def different_keys(signers: Iterable[SignerConfig]) -> None:
    """Refuse a key, or an identity, under two names, and a name in two spellings of its case: one would count for two.

    Raises:
        ValueError: there is one.
    """
    known: dict[str, str] = {}
    names: dict[str, str] = {}
    for signer in signers:
        if (name := names.setdefault(signer.name.casefold(), signer.name)) != signer.name:
            msg = f"{name!r} and {signer.name!r} differ in case only; write one name in one way"
            raise ValueError(msg)
        key = signer.key or f"{signer.identity} of {signer.issuer}"
        if (other := known.setdefault(key, signer.name)) != signer.name:
            msg = f"{other!r} and {signer.name!r} have the same key; one that signs counts once"
            raise ValueError(msg)


class SigningConfig(Section):
    """``[policy.signing]``: who must sign a verdict of this environment; with no signers, nobody must."""

    threshold: int = Field(default=1, ge=1)
    """How many of the signers must have signed."""
    signers: list[SignerConfig] = Field(default_factory=list)

    @model_validator(mode="after")
    def _can_be_met(self) -> "SigningConfig":
        different_keys(self.signers)
        if self.threshold > max(1, len(self.signers)):
            msg = f"threshold {self.threshold} cannot be met by {len(self.signers)} signers"
            raise ValueError(msg)
        return self


class PolicyConfig(Section):
    """``[policy]``: the rules a verdict is decided and accepted by."""

    max_age: Duration = Field(default=86400.0, ge=0.001)
    """How long a verdict may be used."""
    max_flaky: int = Field(default=0, ge=0)
    """How many checks may need more than one try."""
    waivers: str = Field(
        default="waivers.toml", pattern=r"waivers\.toml$", fits="a name that ends in waivers.toml"
    )
    """The file of the waivers, from the folder of the profiles; only the default one need not exist."""
    waiver_days: int = Field(default=90, ge=1, le=366)
    """How many days after it was created a waiver may hold at most."""
    skips: SkipRules = SkipRules()
    signing: SigningConfig = SigningConfig()


class ApprovalConfig(Section):
    """``[approval]``: what a GO of the phase pre-deploy waits for before anything deploys."""

    required: int = Field(default=0, ge=0)
    """How many of the approvers must approve; who started the run does not count."""
    approvers: list[SignerConfig] = Field(default_factory=list)
    """Who may approve or deny, by the keys they sign with."""
    wait: Duration = Field(default=0.0, ge=0)
    """How long after the run is over nothing deploys, however early it was approved."""
    max_age: Duration = Field(default=86400.0, gt=0)
    """How long an approval counts."""

    @model_validator(mode="after")
    def _can_be_met(self) -> "ApprovalConfig":
        different_keys(self.approvers)
        if self.approvers and not self.required:
            msg = "approvers are named, and none is required; write how many: required = 1"
            raise ValueError(msg)
        if self.required > len(self.approvers):
            msg = f"required {self.required} cannot be met by {len(self.approvers)} approvers"
            raise ValueError(msg)
        return self


class OverrideConfig(Section):
    """``[override]``: who may let a release go in an emergency that is not GO; with no signers, nobody may."""

    signers: list[SignerConfig] = Field(default_factory=list)
    """Who may override, by the keys they sign with."""
    max: Duration = Field(default=28800.0, gt=0)
    """How long an override lasts at most."""

    @model_validator(mode="after")
    def _differ(self) -> "OverrideConfig":
        different_keys(self.signers)
        return self


class ReportsConfig(Section):
    """``[reports]``: where runs are written and how many are kept."""

    path: str = "reports"
    """Where, from the folder that the command runs in. No variable leads elsewhere: who verifies looks there too."""
    keep: int = Field(default=10, ge=1)
    """Runs kept for each profile and phase."""


class StoreConfig(Section):
    """``[store]``: where verdicts are kept for others to read, beside this machine's reports folder.

    No key of it is a place: where verdicts come from is part of the policy, and no variable redirects it.
    """

    uri: str = Field(
        default="",
        pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._=-]+)*/?|file:///((?!%00|[?#]).)+)?$",
        fits="s3://bucket/prefix, or file:///folder with its whole path",
    )
    """``s3://bucket/prefix``, or ``file:///folder`` (a share); empty: the reports folder alone."""
    region: str = Field(default="", pattern=r"^[a-z0-9-]*$")
    """Where the bucket is; empty: where the environment is."""
    account: str = Field(default="", pattern=r"^(\d{12})?$", fits="the 12 digits of an AWS account")
    """Whose bucket it must be; empty: not looked at."""
    endpoint_url: str = Field(default="", pattern=r"^(https?://\S+)?$", fits="a URL: http://… or https://…")
    """Where a store that speaks S3 answers; empty: S3 itself."""


class SuitesConfig(Section):
    """``[suites]``: checks of your own."""

    path: Annotated[str, PLACE] = "suites"
    """A folder laid out like the shipped one, whose files add to it; need not exist."""


class GateConfig(Section):
    """``[gates.NAME]``: what every gate has; the gate's own file adds its keys.

    A subclass overrides `expected` with the checks that a verdict must account for, and `parameters` with the
    things its suite is parametrized over. Every key has a default, so that a profile need not mention the gate.
    """

    always: ClassVar[bool] = False
    """Part of every run: phases do not list it."""

    budget: Duration = 300.0
    """The longest it may take; then its whole process tree is ended and the gate is an error."""
    memory: Size = 4_000_000_000
    """The most memory its whole process tree may hold."""
    workers: int = Field(default=0, ge=0, le=64)
    """Processes that share the checks (pytest-xdist); 0 runs them in the gate's own process."""
    min_checks: int = Field(default=1, ge=1)
    """The floor: fewer checks that ran prove nothing."""
    required_checks: list[str] = Field(default_factory=list)
    """Further checks that must report, by id without the gate (``mine.my_check``)."""
    retries: int = Field(default=0, ge=0, le=5)
    """How often a check that failed is tried again; what then passes is flaky, and counts against ``policy.max_flaky``."""
    exclude_markers: list[str] = Field(default_factory=list)
    """Markers whose checks this environment leaves out; the only selection that may still be GO."""

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401, ARG002
        """The checks that must report, known before anything runs. `profile` is a `harness.profile.Profile`."""
        return [ExpectedCheck(f"{gate}.{check}", gate) for check in self.required_checks]

    def parameters(self, profile: Any, phase: Phase) -> Mapping[str, Iterable[tuple[str, Any]]]:  # noqa: ANN401, ARG002
        """Fixture name -> (id, value) pairs; a suite function that names the fixture runs once for each."""
        return {}


class Resource(Section, ABC):
    """A declared thing of the environment (``[[ecs.services]]``); each has an id of its own and mandatory checks."""

    fixture: ClassVar[str]
    """The fixture that hands one of these to a suite function."""

    scope: Literal["environment", "shared"] = "environment"
    """Whether it belongs to this environment alone; only those count when asking "is it deployed at all?"."""
    expect: Literal["now", "after-deploy"] = "now"
    """Whether it must be there before the deploy, or comes with this very release."""

    @property
    @abstractmethod
    def id(self) -> str:
        """What it is called in check ids and messages."""

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """The checks that must report for it, as ``module.function`` of its suite."""
        return ()
