import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness import masking
from harness.aws import secrets
from harness.aws.faults import Absent, Broken, Denied, Fault
from harness.aws.secrecy import keep_secrets
from harness.aws.secrets import Secret, SecretState
from harness.aws.session import Aws
from harness.aws.sqs import SqsQueue
from harness.model import Phase
from harness.shapes import ValidationError

Owner = Callable[[str], Any]
SECRET = Secret(name="app/database", keys=["username", "password"], rotated_within=86400.0)
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def forget_secrets() -> Iterator[None]:
    known = set(masking._known)
    yield
    masking._known.clear()
    masking._known.update(known)
    masking._registered.cache_clear()


class Canned:
    """Answers as AWS gives them: by operation, a fault is raised."""

    def __init__(self, profile: Any, answers: Mapping[str, object]) -> None:
        self.profile, self.answers = profile, answers

    def call(self, key: str, about: str, /, **_: object) -> Any:
        answer = self.answers[key]
        if isinstance(answer, Fault):
            raise answer
        return answer


def looked(make_profile: Callable[..., Any], described: object, value: object) -> SecretState:
    canned: Any = Canned(
        make_profile(),
        {"secretsmanager:DescribeSecret": described, "secretsmanager:GetSecretValue": value},
    )
    return secrets.look(canned, SECRET)


def coded(code: str) -> Fault:
    fault = Broken(code, hint="")
    fault.code = code
    return fault


def test_real_secrets(aws: Aws, owner: Owner) -> None:
    client = owner("secretsmanager")
    client.create_secret(
        Name=SECRET.name, SecretString=json.dumps({"username": "app", "password": "Zq7xCanary"})
    )
    client.create_secret(Name="app/going", SecretString="{}")
    client.delete_secret(SecretId="app/going", RecoveryWindowInDays=7)
    client.create_secret(Name="app/binary", SecretBinary=b"\x00\x01")
    client.create_secret(Name="app/plain", SecretString="Zq7xPlain")
    client.rotate_secret(
        SecretId="app/plain",
        RotationLambdaARN="arn:aws:lambda:us-east-1:1:function:f",
        RotateImmediately=False,
    )
    names = ["app/going", "app/binary", "app/plain", "app/nosuch"]
    found = Secret.read(aws, [SECRET, *(Secret(name=name, keys=["password"]) for name in names)])
    assert "app/nosuch" not in found
    states = {name: state for name, state in found.items() if isinstance(state, SecretState)}
    assert len(states) == 4
    whole = states[SECRET.name]
    assert (whole.unreadable, whole.missing_keys, whole.rotation) == ("", (), False)
    assert whole.counted == "creation of the current version"
    assert 0 <= whole.age < 120
    assert "scheduled for deletion" in states["app/going"].unreadable
    assert states["app/going"].missing_keys == ("password",)
    assert (states["app/binary"].unreadable, states["app/binary"].missing_keys) == ("", ("password",))
    assert states["app/plain"].rotation
    assert masking.mask("Zq7xCanary and Zq7xPlain") == f"{masking.MASK} and {masking.MASK}"
    assert "Zq7x" not in repr(states)
    assert aws.calls["secretsmanager:DescribeSecret"] == 5
    assert aws.calls["secretsmanager:GetSecretValue"] == 3, (
        "not of the missing one, nor of the one being deleted"
    )


@pytest.mark.parametrize(
    ("described", "value", "days", "counted"),
    [
        (
            {"LastRotatedDate": 3, "LastChangedDate": 1, "CreatedDate": 9},
            {"CreatedDate": 4},
            3,
            "last rotation",
        ),
        ({"LastRotatedDate": 5, "CreatedDate": 9}, {"CreatedDate": 4}, 4, "creation of the current version"),
        ({"LastChangedDate": 1, "CreatedDate": 9}, {"CreatedDate": 4}, 4, "creation of the current version"),
        ({"LastChangedDate": 1, "CreatedDate": 9}, {}, 1, "last change of the secret"),
        ({"CreatedDate": 9}, {}, 9, "creation of the secret"),
    ],
)
def test_which_date_counts(
    make_profile: Callable[..., Any],
    described: dict[str, int],
    value: dict[str, int],
    days: int,
    counted: str,
) -> None:
    def dated(answer: dict[str, int]) -> dict[str, object]:
        return {key: NOW - timedelta(days=age) for key, age in answer.items()}

    state = looked(make_profile, dated(described), {"SecretString": "{}", **dated(value)})
    assert state.counted == counted
    assert round(state.age / 86400) == days


def test_a_secret_without_any_date_is_no_answer(make_profile: Callable[..., Any]) -> None:
    with pytest.raises(Broken, match="CreatedDate"):
        looked(make_profile, {}, {"SecretString": "x"})


@pytest.mark.parametrize(
    ("value", "unreadable"),
    [
        (Absent("no AWSCURRENT", hint=""), "has no current value"),
        (coded("DecryptionFailure"), "cannot be decrypted (DecryptionFailure)"),
        (coded("InvalidRequestException"), "cannot be decrypted (InvalidRequestException)"),
        ({"SecretString": ""}, "its value is empty"),
        ({}, "its value is empty"),
    ],
)
def test_a_value_that_cannot_be_had(make_profile: Callable[..., Any], value: object, unreadable: str) -> None:
    state = looked(make_profile, {"CreatedDate": NOW}, value)
    assert unreadable in state.unreadable
    assert state.missing_keys == ("username", "password")


@pytest.mark.parametrize("fault", [Denied("no", hint=""), coded("InternalServiceError")])
def test_what_is_no_answer_passes_through(make_profile: Callable[..., Any], fault: Fault) -> None:
    with pytest.raises(type(fault)) as caught:
        looked(make_profile, {"CreatedDate": NOW}, fault)
    assert caught.value is fault


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ('{"username": "u", "password": "Zq7xCanary"}', ()),
        ('{"username": 0, "password": false}', ()),
        ('{"username": "u", "password": ""}', ("password",)),
        ('{"username": null}', ("username", "password")),
        ("[1]", ("username", "password")),
        ("plain", ("username", "password")),
    ],
)
def test_missing_keys(make_profile: Callable[..., Any], text: str, missing: tuple[str, ...]) -> None:
    state = looked(make_profile, {"CreatedDate": NOW}, {"SecretString": text})
    assert state.missing_keys == missing


def test_what_everybody_knows_is_not_masked(make_profile: Callable[..., Any]) -> None:
    """A secret that holds what stands in the profile must not make the profile's names unreadable."""
    data = {"username": "storefront", "engine": "postgres", "host": "db.example.com", "project": "work-queue"}
    answer = {"SecretString": json.dumps({**data, "token": "Zq7xToken"})}
    keep_secrets(make_profile("", SqsQueue(queue="work-queue-1")), answer)
    said = "storefront postgres db.example.com work-queue-1"
    assert masking.mask(said) == said
    assert masking.mask("it is Zq7xToken") == f"it is {masking.MASK}"


def test_exactly_as_old_as_allowed_is_not_too_old() -> None:
    state = SecretState(SECRET.name, "", (), False, 1000.0, "last rotation", 1000.0 + 86400)
    assert not secrets.too_old(SECRET, state)
    assert secrets.too_old(SECRET, replace(state, seen=state.seen + 0.001))
    assert not secrets.too_old(SECRET.model_copy(update={"rotated_within": None}), replace(state, seen=1e9))
    assert replace(state, seen=0.0).age == 0


def test_ages_as_people_tell_them() -> None:
    assert secrets.days(93.5 * 86400) == "93.5 days"
    assert secrets.days(3600.4) == "1h"
    assert secrets.day(0) == "1970-01-01"


def test_what_must_report(make_profile: Callable[..., Any]) -> None:
    profile = make_profile()
    assert Secret(name="s").mandatory(profile, Phase.PRE_DEPLOY) == ("secrets.is_readable",)
    full = Secret(name="s", keys=["k"], rotated_within=1.0, rotation=True)
    assert full.mandatory(profile, Phase.PRE_DEPLOY) == (
        "secrets.is_readable",
        "secrets.holds_its_keys",
        "secrets.is_fresh",
        "secrets.rotates_by_itself",
    )
    assert full.arn("1", "r") == "arn:aws:secretsmanager:r:1:secret:s-??????"
    assert full.home == "secret s"


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "s", "rotated_within": "0s"}, {"name": "s", "rotated_within": 90}]
)
def test_what_a_profile_may_not_say(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Secret.model_validate(wrong, strict=True)
