"""A named environment: what must be there, which gates run, which rules hold. Read from TOML, validated whole."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from harness.errors import ProfileError
from harness.frozen import dataclass, field
from harness.model import Phase, Waiver
from harness.profile.schema import (
    AppConfig,
    ApprovalConfig,
    AwsConfig,
    GateConfig,
    LocalConfig,
    OverrideConfig,
    PolicyConfig,
    ReportsConfig,
    Resource,
    StoreConfig,
    SuitesConfig,
)

G = TypeVar("G", bound=GateConfig)
R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, eq=False)
class Tables:
    """What may stand in a profile beyond its own sections: gates by name, resources by path (``ecs.services``)."""

    gates: Mapping[str, type[GateConfig]]
    resources: Mapping[str, type[Resource]]


@dataclass(frozen=True)
class Setting:
    """One value of a profile and where it came from (``staging.toml:12``, ``--set``, ``GONOGO_AWS__REGION``)."""

    value: Any
    source: str


class Settings(Mapping[str, Setting]):
    """Settings by their dotted key. Where one came from is found out when somebody asks."""

    def __init__(self, values: Mapping[str, Any], source_of: Callable[[str], str]) -> None:
        self.values_alone = values
        self._source_of = source_of

    def __getitem__(self, key: str) -> Setting:
        return Setting(self.values_alone[key], self._source_of(key))

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_alone)

    def __len__(self) -> int:
        return len(self.values_alone)


@dataclass(frozen=True)
class Profile:
    """A validated profile.

    `resolved` is the merged TOML as plain values (it rebuilds the same profile in a child process); `settings`
    holds every leaf by its dotted key (``gates.load.scenarios[0].url``) in its written form with its source;
    `places` are the keys left out of the policy digest. Profiles of equal content are equal, wherever it came from.
    """

    name: str
    description: str
    app: AppConfig
    aws: AwsConfig
    local: LocalConfig
    policy: PolicyConfig
    reports: ReportsConfig
    suites: SuitesConfig
    phases: Mapping[Phase, tuple[tuple[str, ...], ...]]
    gates: Mapping[str, GateConfig]
    resources: Mapping[str, tuple[Resource, ...]]
    resolved: Mapping[str, Any] = field(repr=False)
    settings: Mapping[str, Setting] = field(default_factory=dict, repr=False, compare=False)
    places: frozenset[str] = frozenset()
    store: StoreConfig = field(default_factory=StoreConfig)
    approval: ApprovalConfig = field(default_factory=ApprovalConfig)
    override: OverrideConfig = field(default_factory=OverrideConfig)
    waivers: tuple[Waiver, ...] = ()
    """Those in whose scope this environment is."""
    waivers_problem: str = ""
    """What is wrong with the file of the waivers; then there are none, and no run of this profile can be decided."""

    def gate(self, name: str, kind: type[G]) -> G:
        """The configuration of one gate, as the type its file declares."""
        config = self.gates[name]
        if not isinstance(config, kind):
            raise ProfileError(
                f"gate {name!r} is configured as {type(config).__name__}",
                hint="this is a bug in the gate's file",
            )
        return config

    def of(self, kind: type[R]) -> tuple[R, ...]:
        """All declared resources of one kind."""
        return tuple(item for group in self.resources.values() for item in group if isinstance(item, kind))

    def values(self) -> Mapping[str, Any]:
        """Every leaf by its dotted key in its written form, wherever it came from."""
        if isinstance(self.settings, Settings):
            return self.settings.values_alone
        return {key: setting.value for key, setting in self.settings.items()}

    def overrides(self) -> dict[str, Setting]:
        """The values that came from the command line or the environment instead of a file."""
        return {key: setting for key, setting in self.settings.items() if is_override(setting.source)}


def is_override(source: str) -> bool:
    """Whether a value came from the command line or the environment instead of a file (which may be ``gonogo_app.toml:3``)."""
    name = source.upper()  # the case of a variable does not count
    return name.startswith(("--SET", "GONOGO_")) and ".TOML" not in name
