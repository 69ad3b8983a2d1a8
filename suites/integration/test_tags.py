"""Everything of the environment is tagged, so that its cost can be told apart."""

from harness.aws import tags
from harness.aws.faults import NotEmulated
from harness.aws.session import Aws
from harness.aws.survey import Survey
from harness.aws.tags import TagRule, TagsState
from harness.fixtures import Check, Patience
from harness.model import Cause, Unit
from harness.profile import Profile


def test_are_complete(
    tag_rule: TagRule, survey: Survey, aws: Aws, profile: Profile, patience: Patience, check: Check
) -> None:
    """Every resource that the rule is about has the required tags."""
    found = survey.census.resources
    state = check.eventually(
        survey.live(aws, tag_rule, TagsState),
        lambda seen: not tags.problems(tag_rule, tags.judged(seen, found)),
        timeout=patience.left,
    )
    check.snapshot("tags", state)
    judged = tags.judged(state, found)
    check.measure("tagged_resources", len(judged), Unit.COUNT)
    if state.hidden:
        check.fact("left_out", "; ".join(state.hidden))
    if told := tags.problems(tag_rule, judged):
        check.fail(
            f"{tag_rule.home}: {len(told)} of {len(judged)} resources are not tagged as required: {'; '.join(told)}",
            hint="tag the stacks that made them: CloudFormation passes a stack's tags on to its resources",
        )
    if not judged and state.hidden and profile.local.stand_in:
        raise NotEmulated(
            f"{tag_rule.home}: the tags of none of its resources can be seen: {'; '.join(state.hidden)}",
            hint="nothing is claimed about them here; a run against AWS proves it",
        )
    if not judged:
        check.inconclusive(
            Cause.NOTHING_CHECKED,
            f"{tag_rule.home} is about nothing: no declared resource of the environment is of its kinds",
            hint="correct `kinds`, or declare what must be tagged",
        )
