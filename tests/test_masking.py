import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness import masking
from harness.masking import MASK, mask, register


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    known = set(masking._known)
    yield
    masking._known.clear()
    masking._known.update(known)
    masking._registered.cache_clear()


SHAPES = [
    "password={0}",
    "PASSWORD: {0}",
    'password = "{0}"',
    "db_password='{0}'",
    '{{"password": "{0}"}}',
    '{{"dbPassword":"{0}","port":5432}}',
    "{{'password': '{0}', 'user': 'x'}}",
    '{{"SecretString": "{{\\"username\\": \\"app\\", \\"password\\": \\"{0}\\"}}"}}',
    "aws_secret_access_key = {0}",
    "AWS_SECRET_ACCESS_KEY={0}",
    "AWS_SESSION_TOKEN={0}",
    '"SessionToken": "{0}"',
    "host=h password={0} dbname=d",
    "postgresql://app:{0}@db.internal:5432/app",
    "https://user:{0}@example.com/path",
    "Authorization: Bearer {0}",
    "authorization: {0}",
    'curl -H "Authorization: Basic {0}" https://example.com',
    "{{'Authorization': 'Basic {0}'}}",
    "Cookie: session={0}; other=1",
    "https://s3/x?X-Amz-Credential=a&X-Amz-Security-Token={0}&y=1",
    "https://s3/x?X-Amz-Signature={0}",
    "-----BEGIN RSA PRIVATE KEY-----\n{0}\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\n{0}\n(cut off",
    "client_secret={0}&grant_type=x",
    "api_key: {0}",
    "PGPASSWORD={0} psql",
]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_secret_is_masked_by_its_shape(shape: str) -> None:
    for canary in ("hunter2-canary", "Zq7xCanary9Kp/2+b=", "x" * 200):
        text = shape.format(canary)
        masked = mask(text)
        assert canary not in masked
        assert MASK in masked
        assert mask(masked) == masked


def test_tokens_that_name_themselves_are_masked() -> None:
    for token in (
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF123",
        "ghp_" + "a1" * 18,
        "xoxb-1234567890-abc",
    ):
        assert mask(f"it said {token} here") == f"it said {MASK} here"


def test_what_surrounds_a_secret_stays() -> None:
    assert mask("postgresql://app:pw@db:5432/x") == f"postgresql://app:{MASK}@db:5432/x"
    assert mask("a=1&client_secret=xyz&b=2") == f"a=1&client_secret={MASK}&b=2"
    assert mask('{"password": "x", "port": 1}') == f'{{"password": "{MASK}", "port": 1}}'


@pytest.mark.parametrize(
    "text",
    [
        "password authentication failed for user app",
        'secret = "storefront/staging/rds-credentials"',
        "https://staging.example.com:8443/health",
        "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "sha256:" + "0" * 64,
        "user@example.com",
        "http://127.0.0.1:5000/v2/api@sha256:abc",
        "the basic idea",
        "2 tokens: none",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    "value",
    ["plain", 'with "quotes" and \\ and \n', 12345, -1.5e3, None, True, "", "ümlaut ☃", [1], {"a": "b"}],
)
def test_json_stays_json(value: object) -> None:
    data = {"user": "app", "password": value, "nested": {"api_key": value}, "after": [1, 2]}
    for text in (json.dumps(data), json.dumps(data, indent=2), json.dumps(data, separators=(",", ":"))):
        read = json.loads(mask(text))
        assert read["user"] == "app"
        assert read["after"] == [1, 2]


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": json.dumps,
    "json in json": lambda secret: json.dumps(json.dumps({"k": secret})),
    "repr": repr,
    "url": lambda secret: quote(secret, safe=""),
    "form": quote_plus,
}


@pytest.mark.parametrize("form", FORMS)
@given(secret=st.text(alphabet=st.characters(codec="utf-8"), min_size=8, max_size=40))
def test_a_registered_secret_never_shows(form: str, secret: str) -> None:
    assume(not set(secret) & set("*[]"))
    masking._known.clear()
    register(secret)
    masked = mask(f"[{FORMS[form](secret)}]")
    assert masked.strip('[]\\"{}k: ').strip("'") == MASK
    assert mask(masked) == masked


def test_a_registered_secret_is_masked_in_a_url() -> None:
    register("p@ss/w ord!x")
    assert "w%20ord" not in mask("x=p%40ss%2Fw%20ord%21x")
    assert "w+ord" not in mask("x=p%40ss%2Fw+ord%21x")


def test_a_short_secret_is_masked_as_a_word_only() -> None:
    register("app1")
    register("abc")
    assert mask("app1 app12 'app1' abc") == f"{MASK} app12 '{MASK}' abc"


def test_the_longer_of_two_secrets_goes_first_and_the_width_is_one() -> None:
    register("longsecret")
    register("longsecret-and-more")
    assert mask("longsecret-and-more longsecret") == f"{MASK} {MASK}"


@given(st.text(alphabet=st.sampled_from("pasword=:\"'\\ {}@/*\n1https"), max_size=80))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = mask(text)
    assert mask(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "a" * 400_000,
        "://a:" * 80_000,
        "password" * 50_000,
        'password="' * 40_000,
        "-----BEGIN PRIVATE KEY-----" * 15_000,
        "\\" * 400_000,
        "eyJ" + "a" * 400_000,
        "authorization: " * 25_000,
        " " * 400_000,
        "Bearer " + "a." * 200_000,
        "password" + " " * 400_000,
    ],
    ids=lambda text: text[:12],
)
def test_it_is_fast_on_hostile_text(text: str) -> None:
    started = time.process_time()
    mask(text)
    assert time.process_time() - started < 3.0
