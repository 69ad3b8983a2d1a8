"""What a profile is made of. Gates and AWS services hand in tables of these classes; unknown keys are errors."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from harness.model import Cause, Decision, ExpectedCheck, Phase, Unit
from harness.threshold import Threshold, parse, parse_duration, parse_quantity


class Place:
    """Marks a key that says *where* something is (an endpoint, a path): recorded, but not part of the policy digest."""


PLACE = Place()


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _size(value: object) -> object:
    if not isinstance(value, str):
        return value
    quantity = parse_quantity(value)
    if quantity.unit is not Unit.BYTES:
        msg = f"{value!r} is not a size; write it as 512MB or 2GB"
        raise ValueError(msg)
    return int(quantity.value)


def _rate(value: object) -> object:
    if not isinstance(value, str):
        return value
    quantity = parse_quantity(value)
    if quantity.unit is not Unit.PER_SECOND:
        msg = f"{value!r} is not a rate; write it as 50/s"
        raise ValueError(msg)
    return float(quantity.value)


def rule(metric: str) -> Any:  # noqa: ANN401 - annotation metadata
    """Metadata for a key that holds one rule on a known metric, as in ``coverage = ">= 80%"``."""
    return BeforeValidator(lambda value: parse(value, metric=metric) if isinstance(value, str) else value)


_text = {"type": "string"}
Duration = Annotated[
    float, BeforeValidator(_duration), WithJsonSchema({**_text, "examples": ["30s", "5m", "24h"]})
]
"""A length of time, in seconds; written ``30s``, ``5m``, ``24h``."""
Size = Annotated[int, BeforeValidator(_size), WithJsonSchema({**_text, "examples": ["512MB", "2GB"]})]
"""A number of bytes; written ``512MB``, ``2GB``."""
Rate = Annotated[float, BeforeValidator(_rate), WithJsonSchema({**_text, "examples": ["50/s"]})]
"""A frequency per second; written ``50/s``."""
Rule = Annotated[
    Threshold,
    BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value),
    PlainSerializer(lambda value: value.text),
    WithJsonSchema({**_text, "examples": ["success_rate >= 95%", "avg_response_time < 2s"]}),
]
"""A threshold that names its metric."""


class Section(BaseModel):
    """A table of a profile: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True
    )


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


class AwsConfig(Section):
    """``[aws]``: the account that the environment lives in."""

    account: str = Field(default="", pattern=r"^(\d{12})?$")
    region: str = "us-east-1"
    access: Literal["read-only", "read-write"] = "read-only"
    endpoint_url: Annotated[str, PLACE] = ""
    """Where the API answers, for an emulator; empty: AWS itself."""


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

    def decisions(self) -> dict[Cause, Decision]:
        """The rules as `harness.policy` takes them."""
        return {
            Cause(key): Decision.GO if value == "allow" else Decision(value)
            for key, value in self.model_dump().items()
        }


class PolicyConfig(Section):
    """``[policy]``: the rules a verdict is decided and accepted by."""

    max_age: Duration = 86400.0
    """How long a verdict may be used."""
    max_flaky: int = Field(default=0, ge=0)
    """How many checks may need more than one try."""
    skips: SkipRules = SkipRules()


class ReportsConfig(Section):
    """``[reports]``: where runs are written and how many are kept."""

    path: Annotated[str, PLACE] = "reports"
    keep: int = Field(default=10, ge=1)
    """Runs kept for each profile and phase."""


class SuitesConfig(Section):
    """``[suites]``: checks of your own."""

    path: Annotated[str, PLACE] = "suites"
    """A folder laid out like the shipped one, whose files add to it; need not exist."""


class GateConfig(Section):
    """``[gates.NAME]``: what every gate has; the gate's own file adds its keys.

    A subclass overrides `expected` with the checks that a verdict must account for, and `parameters` with the
    things its suite is parametrized over.
    """

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
    exclude_markers: list[str] = Field(default_factory=list)
    """Markers whose checks this environment leaves out; the only selection that may still be GO."""

    def expected(self, gate: str, profile: Any, phase: Phase) -> Iterable[ExpectedCheck]:  # noqa: ANN401, ARG002
        """The checks that must report, known before anything runs. `profile` is a `harness.profile.Profile`."""
        return [ExpectedCheck(f"{gate}.{check}", gate) for check in self.required_checks]

    def parameters(self, profile: Any, phase: Phase) -> Mapping[str, Iterable[tuple[str, Any]]]:  # noqa: ANN401, ARG002
        """Fixture name -> (id, value) pairs; a suite function that names the fixture runs once for each."""
        return {}


class Resource(Section):
    """A declared thing of the environment (``[[ecs.services]]``); each has an id of its own and mandatory checks."""

    fixture: ClassVar[str]
    """The fixture that hands one of these to a suite function."""

    scope: Literal["environment", "shared"] = "environment"
    """Whether it belongs to this environment alone; only those count when asking "is it deployed at all?"."""
    expect: Literal["now", "after-deploy"] = "now"
    """Whether it must be there before the deploy, or comes with this very release."""

    @property
    def id(self) -> str:
        """What it is called in check ids and messages."""
        raise NotImplementedError  # pragma: no cover - every kind names itself

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """The checks that must report for it, as ``module.function`` of its suite."""
        return ()
