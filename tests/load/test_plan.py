from typing import Any

import pytest

from harness.errors import ProfileError, ToolError
from harness.load.plan import Plan, Target, register_secrets, require_allowed, target
from harness.masking import MASK, mask


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://Example.com", Target("http", "example.com", 80, "/")),
        ("https://example.com./a?b=c d#e", Target("https", "example.com", 443, "/a?b=c%20d")),
        ("http://127.0.0.1:3001/v1/api/health", Target("http", "127.0.0.1", 3001, "/v1/api/health")),
        ("http://a_b-c.example/", Target("http", "a_b-c.example", 80, "/")),
        ("http://[::1]:8080/ü", Target("http", "::1", 8080, "/%C3%BC")),
    ],
)
def test_target(url: str, expected: Target) -> None:
    assert target(url) == expected


@pytest.mark.parametrize(
    ("where", "authority"),
    [
        (Target("https", "a.example", 443, "/"), "a.example"),
        (Target("https", "a.example", 80, "/"), "a.example:80"),
        (Target("http", "::1", 8080, "/"), "[::1]:8080"),
    ],
)
def test_authority(where: Target, authority: str) -> None:
    assert where.authority == authority


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://example.com/", "scheme 'ftp'"),
        ("example.com/health", "has no scheme"),
        ("file:///etc/passwd", "scheme 'file'"),
        ("https:///health", "names no host"),
        ("https://user:hunter2@example.com/", "credentials"),
        ("http://example.com:99999/", "is not a URL"),
        ("http://[::1/", "is not a URL"),
        ("http://a b/", "'a b' is no name of a host"),
        ("http://a,b/", "'a,b' is no name of a host"),
        ("http://-a.example/", "is no name of a host"),
        ("http://.../", "is no name of a host"),
        (f"http://{'x' * 64}.example/", "is no name of a host"),
        (f"http://{'x.' * 127}example/", "is no name of a host"),
        ("http://bücher.example/", "as DNS has it, 'xn--bcher-kva.example'"),
        (f"http://ü{'x' * 70}.example/", "is no name of a host"),
        ("http://example.com:0/", "nothing can listen on port 0"),
        ("${WEB_ENDPOINT}/health", "variable that has no value"),
        ("ftp://u:hunter2@example.com/?token=hunter2", "scheme 'ftp'"),
    ],
)
def test_what_is_no_target(url: str, message: str) -> None:
    with pytest.raises(ProfileError, match=r"^the\.url: ") as caught:
        target(url, "the.url")
    assert message in caught.value.message
    assert caught.value.hint
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("allowed", [["example.com"], ["other", "EXAMPLE.com."], ["example.com:8443"]])
def test_allowed(allowed: list[str]) -> None:
    assert require_allowed("https://example.com:8443/", allowed, "url").host == "example.com"


@pytest.mark.parametrize(
    "allowed", [[], ["example.org"], ["le.com"], ["example.com:443"], ["*"], ["evil.example.com"]]
)
def test_not_allowed_names_host_and_key(allowed: list[str]) -> None:
    with pytest.raises(ProfileError) as caught:
        require_allowed("https://example.com:8443/", allowed, "gates.load.scenarios[api].url")
    assert "gates.load.scenarios[api].url" in caught.value.message
    assert "'example.com'" in caught.value.message
    assert "gates.load.allowed_hosts" in caught.value.message


def test_travels_as_json_and_shows_no_secret(make_plan: Any) -> None:
    plan = make_plan(headers={"Authorization": "Bearer abcdefgh"}, body="secret", warm_up=0.5)
    assert Plan.from_json(plan.to_json()) == plan
    assert "abcdefgh" not in repr(plan)
    assert (plan.arrivals, plan.warm_up_schedule.arrivals, plan.slots) == (50, 25, 65)


def test_closed(make_plan: Any) -> None:
    plan = make_plan(users=7)
    assert (plan.arrivals, plan.warm_up_schedule.arrivals, plan.slots) == (None, 0, 7)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"nonsense": 1}'])
def test_no_plan(text: str) -> None:
    with pytest.raises(ToolError, match="holds no plan"):
        Plan.from_json(text)


def test_secrets_are_named_like_secrets() -> None:
    register_secrets(
        "http://h/?api_key=querysecret&page=visible",
        {"Authorization": "Bearer tok3nvalue", "Accept": "text/plain"},
    )
    shown = mask("querysecret visible tok3nvalue Bearer tok3nvalue text/plain")
    assert shown == f"{MASK} visible {MASK} {MASK} text/plain"
