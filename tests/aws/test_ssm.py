from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from harness import masking
from harness.aws import ssm
from harness.aws.faults import Absent, Broken, Denied, Fault, Unreachable
from harness.aws.session import Aws, Identity
from harness.aws.ssm import ParameterState, SsmParameter
from harness.model import Phase
from harness.shapes import ValidationError

Owner = Callable[[str], Any]
ACCOUNT = "123456789012"
URL = f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/work.fifo"


@pytest.fixture(autouse=True)
def forget_secrets() -> Iterator[None]:
    known = set(masking._known)
    yield
    masking._known.clear()
    masking._known.update(known)
    masking._registered.cache_clear()


class Canned(Aws):
    """Answers GetParameters as AWS does where IAM or a key refuses one of them: the whole call fails."""

    def __init__(self, profile: Any, refused: dict[str, Fault] | None = None, **changes: object) -> None:
        super().__init__(profile)
        self.refused, self.changes, self.asked = refused or {}, changes, list[list[str]]()

    def identity(self) -> Identity:
        return Identity(ACCOUNT, "arn")

    def call(self, key: str, about: str, /, **parameters: Any) -> dict[str, Any]:
        names: list[str] = parameters["Names"]
        assert parameters["WithDecryption"] is True
        self.asked.append(names)
        if refused := [self.refused[name] for name in names if name in self.refused]:
            raise refused[0]
        one = {"Type": "String", "Value": "v", "Version": 1, "LastModifiedDate": datetime.now(UTC)}
        there = [{"Name": name, **one} for name in names if not name.startswith("/no/")]
        return {
            "Parameters": there,
            "InvalidParameters": [name for name in names if name.startswith("/no/")],
            **self.changes,
        }


def named(*names: str) -> list[SsmParameter]:
    return [SsmParameter(name=name) for name in names]


def test_real_parameters(aws: Aws, owner: Owner, credentials: str) -> None:
    client = owner("ssm")
    for number in range(23):
        client.put_parameter(Name=f"/app/p{number}", Value=f"value-{number}", Type="String")
    client.put_parameter(Name="/app/password", Value="Zq7xCanary", Type="SecureString")
    client.put_parameter(Name="/app/url", Value=f"http://h/{credentials}/work", Type="String")
    declared = [
        *named(*(f"/app/p{number}" for number in range(23)), "/app/nosuch"),
        SsmParameter(name="/app/password", type="SecureString", pattern=".{8,}"),
        SsmParameter(name="/app/url", names="work"),
    ]
    found = SsmParameter.read(aws, declared)
    assert set(found) == {item.id for item in declared} - {"/app/nosuch"}
    assert aws.calls["ssm:GetParameters"] == 3, "ten names a call"
    states = {name: state for name, state in found.items() if isinstance(state, ParameterState)}
    assert states["/app/p22"].value == "", "not kept where nothing is declared of it"
    assert (states["/app/p22"].as_wanted, states["/app/p22"].empty) == (None, False)
    password = states["/app/password"]
    assert (password.type, password.as_wanted, password.value) == ("SecureString", True, "")
    assert states["/app/url"].as_wanted
    assert states["/app/url"].value.endswith("/work")
    assert 0 <= password.age < 60
    assert masking.mask("Zq7xCanary") == masking.MASK


def test_a_secret_in_a_plain_parameter_is_still_a_secret(aws: Aws, owner: Owner) -> None:
    owner("ssm").put_parameter(Name="/app/password", Value="Zq7xCanary", Type="String")
    item = SsmParameter(name="/app/password", type="SecureString", pattern="x+")
    state = SsmParameter.read(aws, [item])[item.id]
    assert isinstance(state, ParameterState)
    assert (state.type, state.value, state.as_wanted) == ("String", "", False)
    assert masking.mask("Zq7xCanary") == masking.MASK


def test_one_that_is_refused_does_not_take_the_others_with_it(make_profile: Callable[..., Any]) -> None:
    gone = Broken("key", hint="")
    gone.code = "InvalidKeyId"
    denied = Denied("ssm:GetParameters on x: access denied", hint="")
    aws = Canned(make_profile(), {"/a/denied": denied, "/b/key": gone})
    found = SsmParameter.read(aws, named("/a/denied", "/a/fine", "/no/such", "/b/key"))
    assert found["/a/denied"] is denied
    assert found["/b/key"] is gone
    assert isinstance(found["/a/fine"], ParameterState)
    assert "/no/such" not in found
    assert len(aws.asked) == 5


@pytest.mark.parametrize("fault", [Broken("throttled", hint=""), Unreachable("away", hint="")])
def test_no_answer_is_not_asked_again_one_by_one(make_profile: Callable[..., Any], fault: Fault) -> None:
    aws = Canned(make_profile(), {"/a/1": fault})
    found = SsmParameter.read(aws, named(*(f"/a/{number}" for number in range(12))))
    assert [found[f"/a/{number}"] for number in range(10)] == [fault] * 10
    assert isinstance(found["/a/11"], ParameterState)
    assert len(aws.asked) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"Parameters": None},
        {"InvalidParameters": None},
        {"Parameters": []},
        {"Parameters": [{"Name": "/a/b", "Type": "String"}]},
        {"Parameters": [{"Type": "String", "Value": "v"}]},
    ],
)
def test_broken_answers(make_profile: Callable[..., Any], changes: dict[str, object]) -> None:
    aws = Canned(make_profile(), {}, **changes)
    found = SsmParameter.read(aws, named("/a/b"))
    assert isinstance(found["/a/b"], Broken)


def test_what_was_not_asked_is_passed_over(make_profile: Callable[..., Any]) -> None:
    one = {"Type": "String", "Value": "v", "Version": 1, "LastModifiedDate": datetime.now(UTC)}
    aws = Canned(make_profile(), {}, Parameters=[{"Name": "/other", **one}, {"Name": "/a/b", **one}])
    assert set(SsmParameter.read(aws, named("/a/b"))) == {"/a/b"}


@pytest.mark.parametrize(
    ("rule", "value", "holds"),
    [
        ({"names": "work.fifo"}, URL, True),
        ({"names": "work.fifo"}, f"arn:aws:sns:us-east-1:{ACCOUNT}:work.fifo", True),
        ({"names": "work"}, URL, False),
        ({"names": "work.fifo"}, URL.replace("work.fifo", "other-work.fifo"), False),
        ({"names": "work.fifo"}, URL.replace(ACCOUNT, "999999999999"), False),
        ({"names": "work.fifo"}, f"{URL}/", False),
        ({"names": "work.fifo"}, "work.fifo", False),
        ({"names": "work.fifo"}, "", False),
        ({"pattern": "[0-9]+"}, "5432", True),
        ({"pattern": "[0-9]+"}, "5432\n", False),
        ({"pattern": "[0-9]+"}, "x5432", False),
        ({"value": "a.b"}, "a.b", True),
        ({"value": "a.b"}, "a.b ", False),
        ({"value": "a.b"}, "axb", False),
    ],
)
def test_what_it_must_hold(rule: dict[str, Any], value: str, holds: bool) -> None:
    item = SsmParameter(name="/p", **rule)
    assert ssm.holds(item, value, ACCOUNT) is holds
    assert item.wanted


def test_exactly_as_long_ago_as_allowed_is_not_too_long() -> None:
    item = SsmParameter(name="/p", changed_within=60.0)
    state = ParameterState("/p", "String", 1, False, None, "", 1000.0, 1060.0)
    assert not ssm.too_old(item, state)
    assert ssm.too_old(item, replace(state, seen=1060.001))
    assert not ssm.too_old(SsmParameter(name="/p"), replace(state, seen=1e9))
    assert replace(state, seen=0.0).age == 0


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    profile = make_profile()
    assert SsmParameter(name="/p").mandatory(profile, Phase.PRE_DEPLOY) == ("ssm.has_a_value",)
    full = SsmParameter(name="/a/p", type="String", value="x", changed_within=1.0)
    assert full.mandatory(profile, Phase.PRE_DEPLOY) == (
        "ssm.has_a_value",
        "ssm.is_of_its_type",
        "ssm.holds_what_it_must",
        "ssm.is_fresh",
    )
    assert full.arn("1", "r") == "arn:aws:ssm:r:1:parameter/a/p"
    assert SsmParameter(name="p").arn("1", "r") == "arn:aws:ssm:r:1:parameter/p"
    assert full.home == "SSM parameter /a/p"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "with space"},
        {"name": "/p", "type": "Secret"},
        {"name": "/p", "value": "a", "pattern": "b"},
        {"name": "/p", "pattern": "a", "names": "b"},
        {"name": "/p", "pattern": "("},
        {"name": "/p", "type": "SecureString", "value": "a secret in a profile"},
        {"name": "/p", "changed_within": 0.0},
    ],
)
def test_what_a_profile_may_not_say(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SsmParameter.model_validate(wrong)


def test_a_missing_parameter_is_absent(aws: Aws) -> None:
    from harness.aws.survey import read_one

    with pytest.raises(Absent, match="SSM parameter /no/such does not exist"):
        read_one(aws, SsmParameter(name="/no/such"), ParameterState)
