"""Tags: what everything of an environment must be marked with, so that its cost can be told apart.

The Resource Groups Tagging API knows the tags of (nearly) every service: a hundred ARNs a call, or all of a type page
by page where AWS chose a part of the ARN. What was never tagged is not in its answers at all.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from harness.aws.census import Found
from harness.aws.operations import Operation
from harness.aws.resource import AwsResource, Read
from harness.aws.session import Aws, need
from harness.frozen import dataclass
from harness.model import Phase
from harness.shapes import Field, field_validator

OPERATIONS = (Operation("resourcegroupstaggingapi", "GetResources"),)
EMULATED = frozenset({"ecr", "ecs", "sns", "sqs"})
"""The services whose tags the stand-in's tagging API shows; of the others it says nothing, which is no answer."""
GLOBAL_REGION = "us-east-1"
"""Where the tagging API shows resources that have no region (hosted zones)."""
_A_CALL = 100
"""ARNs that GetResources takes."""


class TagRule(AwsResource):
    """``[[tags.rules]]``: tags that the environment's resources must have."""

    fixture: ClassVar[str] = "tag_rule"
    uses: ClassVar[tuple[str, ...]] = ("resourcegroupstaggingapi:GetResources",)

    scope: Literal["shared"] = "shared"
    """A rule is nothing that is deployed, so it does not tell whether the environment is."""
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """What it is for: ``cost-allocation``."""
    required: dict[str, str] = Field(min_length=1)
    """Tag -> the value it must have; an empty one lets any value be. Case counts, as in AWS."""
    kinds: list[str] = Field(default_factory=list)
    """What must be tagged (``sqs.queues``); none: everything declared that is the environment's own."""

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: list[str]) -> list[str]:
        from harness.aws import RESOURCES

        if unknown := [kind for kind in kinds if kind not in RESOURCES]:
            raise ValueError(
                f"no kind is called {', '.join(unknown)}; there are {', '.join(sorted(RESOURCES))}"
            )
        return kinds

    @property
    def id(self) -> str:
        """Its name."""
        return self.name

    @property
    def home(self) -> str:
        """The rule."""
        return f"tag rule {self.name}"

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """One check, which names every resource that breaks the rule."""
        return ("tags.are_complete",)

    @classmethod
    def read(cls, aws: Aws, declared: Sequence["TagRule"]) -> Read:
        """The tags of all that the rules are about, asked for once."""
        covered = {rule.id: list(_covered(aws, rule)) for rule in declared}
        arns = {item.arn: item for items in covered.values() for item in items if not item.hidden}
        tags = _tags(aws, [item.arn for item in arns.values()])
        return {
            id_: TagsState(
                tuple(
                    Tagged(item.kind, item.id, item.home, tuple(sorted(tags.get(item.arn, {}).items())))
                    for item in items
                    if not item.hidden
                ),
                tuple(f"{item.home} ({item.hidden})" for item in items if item.hidden),
            )
            for id_, items in covered.items()
        }


@dataclass(frozen=True)
class Tagged:
    """A resource and its tags; one that does not exist has none either."""

    kind: str
    id: str
    home: str
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TagsState:
    """The tags of what a rule is about; `hidden` are the resources whose tags cannot be seen, and why."""

    seen: tuple[Tagged, ...]
    hidden: tuple[str, ...]


TagRule.state_type = TagsState


@dataclass(frozen=True)
class _Covered:
    kind: str
    id: str
    home: str
    arn: str
    hidden: str


def _covered(aws: Aws, rule: TagRule) -> Iterable[_Covered]:
    """What a rule is about: the environment's own things, those with an ARN; `hidden` says why one cannot be seen."""
    from harness.aws import resource_types

    account = aws.identity().account
    for path, kind in resource_types().items():
        if rule.kinds and path not in rule.kinds:
            continue
        for item in aws.profile.of(kind):
            if not isinstance(item, AwsResource) or item.scope != "environment":
                continue
            if arn := item.arn(account, aws.region).removesuffix(":*"):
                yield _Covered(item.fixture, item.id, item.home, arn, _hidden(aws, arn))


def _hidden(aws: Aws, arn: str) -> str:
    service, region = arn.split(":")[2:4]
    if aws.profile.local.stand_in and service not in EMULATED:
        return "not shown by the stand-in"
    if not region and aws.region != GLOBAL_REGION:
        return f"shown in {GLOBAL_REGION} only"
    return ""


def _tags(aws: Aws, arns: Sequence[str]) -> dict[str, dict[str, str]]:
    """ARN -> its tags, for those that have ever been tagged.

    Raises:
        Fault: they cannot be found out.
    """
    whole = sorted({arn for arn in arns if not _chosen_by_aws(arn)})
    patterns = sorted({arn for arn in arns if _chosen_by_aws(arn)})
    found: dict[str, dict[str, str]] = {}
    for chunk in [whole[start : start + _A_CALL] for start in range(0, len(whole), _A_CALL)]:
        found |= _resources(aws, f"{len(chunk)} resources", ResourceARNList=chunk)
    types = sorted({_type(arn) for arn in patterns})
    tagged = _resources(aws, f"all of {', '.join(types)}", ResourceTypeFilters=types) if types else {}
    for pattern in patterns:
        expression = _expression(pattern)
        for arn, marks in tagged.items():
            if expression.fullmatch(arn):
                found[pattern] = marks
    return found


def _resources(aws: Aws, about: str, **parameters: object) -> dict[str, dict[str, str]]:
    key = "resourcegroupstaggingapi:GetResources"
    mappings = aws.items(key, about, "ResourceTagMappingList", **parameters)
    return {
        need(mapping, "ResourceARN", key, about): {
            tag["Key"]: tag["Value"] for tag in need(mapping, "Tags", key, about)
        }
        for mapping in mappings
    }


def _chosen_by_aws(arn: str) -> bool:
    return "*" in arn or "?" in arn


def _type(arn: str) -> str:
    """The type as the tagging API filters by it: ``secretsmanager:secret``, ``elasticloadbalancing:loadbalancer``."""
    _, _, service, _, _, rest = arn.split(":", 5)
    return f"{service}:{re.split('[:/]', rest)[0]}"


def _expression(pattern: str) -> re.Pattern[str]:
    """``*`` is any text and ``?`` any one character within a part of an ARN."""
    parts = {"*": "[^/:]*", "?": "[^/:]"}
    return re.compile("".join(parts.get(char) or re.escape(char) for char in pattern))


def judged(state: TagsState, found: Iterable[Found]) -> tuple[Tagged, ...]:
    """Those that the rule can be held against: what does not exist (yet) has a check of its own that says so."""
    known: Mapping[tuple[str, str], Found] = {(item.kind, item.id): item for item in found}
    return tuple(
        item
        for item in state.seen
        if item.tags or ((one := known.get((item.kind, item.id))) is not None and one.exists)
    )


def problems(rule: TagRule, tagged: Iterable[Tagged]) -> tuple[str, ...]:
    """Each resource that breaks the rule, with all that is wrong with its tags."""
    told: list[str] = []
    for item in tagged:
        tags = dict(item.tags)
        missing = [key for key in rule.required if key not in tags]
        other = [
            f"its {key} is {tags[key]!r} instead of {value!r}"
            for key, value in rule.required.items()
            if key in tags and value and tags[key] != value
        ]
        lacks = [f"it has no {' and no '.join(missing)}"] if missing else []
        if lacks or other:
            told.append(f"{item.home} ({', '.join([*lacks, *other])})")
    return tuple(told)
