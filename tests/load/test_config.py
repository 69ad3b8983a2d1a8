"""The gate's table of a profile, and the check itself, called as the session calls it."""

import asyncio
import importlib.util
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ProfileError, ToolError
from harness.fixtures import Check, Ended
from harness.gates.context import GateContext
from harness.gates.load import LoadConfig
from harness.load.result import Kind
from harness.load.scenario import Scenario
from harness.load.workers import MasterConfig, elsewhere
from harness.masking import mask
from harness.model import Cause, Outcome, Phase
from harness.profile import Profile
from harness.profile.schema import (
    AppConfig,
    AwsConfig,
    LocalConfig,
    PolicyConfig,
    ReportsConfig,
    SuitesConfig,
)
from harness.resources import shipped
from harness.shapes import ValidationError
from harness.threshold import parse

HOSTS = ["example.com", "127.0.0.1"]


def scenario(url: str = "https://example.com/", **values: Any) -> Scenario:
    given: dict[str, Any] = {"name": "api", "url": url, **values}
    if "users" not in given:
        given.setdefault("rate", 40.0)
    return Scenario(**given)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"rate": None}, "exactly one of rate, stages and users; it has none"),
        ({"rate": 1.0, "users": 2}, "exactly one of rate, stages and users; it has rate and users"),
        ({"rate": 0.0}, "a rate of 0/s sends nothing"),
        ({"rate": -1.0}, "a rate of -1/s sends nothing"),
        ({"url": "http://a b/"}, "url: 'http://a b/': 'a b' is no name of a host"),
        ({"duration": 0.0}, "a duration of 0"),
        ({"timeout": 0.0}, "a timeout of 0"),
        ({"rate": 0.5, "duration": 1.0}, "rate × duration is 0 requests"),
        ({"rate": 10.0, "duration": 9.0, "min_requests": 91}, "fewer than min_requests (91)"),
        ({"rate": 100_000.0}, "1000000 requests be open"),
        ({"think_time": 1.0}, "think_time goes with users"),
        ({"thresholds": [parse("sucess_rate >= 95%")]}, "did you mean 'success_rate'"),
        ({"thresholds": [parse("p95 < 5")]}, "measured in seconds (500ms, 2s), the limit has no unit"),
        ({"thresholds": [parse("p95 < 5/s")]}, "the limit is in a rate (50/s)"),
        ({"thresholds": [parse("p95 < 5s for 5m")]}, "leave `for"),
        ({"thresholds": []}, "at least 1"),
        (
            {"thresholds": [parse("rate > 41/s")]},
            "can never hold: the schedule sends 1200 requests, 40 a second",
        ),
        ({"thresholds": [parse("requests >= 1201")]}, "can never hold"),
        ({"headers": {"X A": "1"}}, "no name of a header"),
        ({"headers": {"X-A": "a\nX-B: b"}}, "holds what no header may hold"),
        ({"header_variables": {"": "TOKEN"}}, "no name of a header"),
        ({"users": 1_000_000}, "10000"),
        ({"name": "../etc"}, "pattern"),
    ],
)
def test_what_no_scenario_may_say(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        scenario(**values)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"bind": "127.0.0.1"}, "pattern"),
        (
            {"bind": "127.0.0.1:65536"},
            "bind: '127.0.0.1:65536' is no address of a master; write it as host:port",
        ),
        ({"advertise": "gate.internal:0"}, "advertise: 'gate.internal:0' is no address"),
    ],
)
def test_where_workers_cannot_come_to(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        MasterConfig(**values)
    assert said in str(caught.value)
    MasterConfig(bind="[::1]:5557", advertise="gate.internal:65535")


def test_a_port_that_is_taken_is_told_before_workers_are_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = elsewhere(
            MasterConfig(bind=f"127.0.0.1:{taken.getsockname()[1]}"), token="a-token-of-some-length"
        )
        with pytest.raises(
            ToolError, match=r"gates.load.master.bind: cannot listen on 127.0.0.1:\d+ \(Address"
        ):
            where.require_free()
    where.require_free()


@pytest.mark.parametrize(("token", "said"), [("", "GONOGO_LOAD_TOKEN is not set"), ("short", "is too short")])
def test_no_run_without_a_token(token: str, said: str) -> None:
    with pytest.raises(ProfileError, match=said) as caught:
        elsewhere(MasterConfig(), {"GONOGO_LOAD_TOKEN": token})
    assert mask(caught.value.message) == caught.value.message, "its own words are no secret"


def test_the_scenarios_fit_the_budget() -> None:
    one = scenario(duration=60.0, warm_up=5.0, timeout=10.0)
    LoadConfig(
        allowed_hosts=HOSTS,
        scenarios=[one, scenario(duration=60.0, warm_up=5.0, timeout=10.0, name="web")],
        budget=160.0,
    )
    with pytest.raises(ValidationError, match=r"may take 160 s .*budget of 159 s"):
        LoadConfig(allowed_hosts=HOSTS, scenarios=[one, one], budget=159.0)


def test_expected_and_parameters() -> None:
    config = LoadConfig(
        allowed_hosts=HOSTS, scenarios=[scenario(), scenario(name="web")], required_checks=["mine.own"]
    )
    assert [check.id for check in config.expected("load", None, Phase.PRE_DEPLOY)] == [
        "load.scenarios.keeps_its_rules[api]",
        "load.scenarios.keeps_its_rules[web]",
        "load.mine.own",
    ]
    assert [name for name, _ in config.parameters(None, Phase.PRE_DEPLOY)["scenario"]] == ["api", "web"]


def test_plan() -> None:
    plan = scenario(headers={"A": "b"}, header_variables={"Authorization": "TOKEN"}).plan(
        {"TOKEN": "Bearer 1"}
    )
    assert plan.headers == {"A": "b", "Authorization": "Bearer 1"}
    assert plan.late_after == 0.04, "2 % of the default rule, 2 s"
    assert scenario(users=3).plan().users == 3


@pytest.mark.parametrize(
    ("given", "said"), [({}, "TOKEN is not set"), ({"TOKEN": "hush\n"}, "no header may hold")]
)
def test_a_header_variable_must_be_usable(given: dict[str, str], said: str) -> None:
    with pytest.raises(ProfileError, match=said) as caught:
        scenario(header_variables={"Authorization": "TOKEN"}).plan(given)
    assert "hush" not in str(caught.value)


# The check


@pytest.fixture(scope="session")
def suite() -> Any:
    spec = importlib.util.spec_from_file_location(
        "load_suite", shipped("suites") / "load" / "test_scenarios.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def profile_of(load: LoadConfig) -> Profile:
    return Profile(
        name="test",
        description="",
        app=AppConfig(),
        aws=AwsConfig(),
        local=LocalConfig(),
        policy=PolicyConfig(),
        reports=ReportsConfig(),
        suites=SuitesConfig(),
        phases={},
        gates={"load": load},
        resources={},
        resolved={},
    )


@pytest.fixture
def judge(tmp_path: Path, suite: Any) -> Callable[..., Check]:
    """Run the check for a scenario; `hosts` are allowed."""

    def go(one: Scenario, hosts: tuple[str, ...] = ("127.0.0.1",)) -> Check:
        profile = profile_of(LoadConfig(allowed_hosts=list(hosts), scenarios=[one]))
        context = GateContext("run", "load", Phase.PRE_DEPLOY, profile, tmp_path, tmp_path / "run", {})
        check = Check("load.scenarios.keeps_its_rules[api]", context.folder, "load", resource=one.name)
        try:
            suite.test_keeps_its_rules(one, context, check)
        except Ended as ended:
            check.facts["outcome"] = ended.outcome
            check.facts["cause"] = ended.cause or ""
            check.facts["reason"] = ended.reason
            check.facts["hint"] = ended.hint
        else:
            check.facts["outcome"] = Outcome.PASSED
        return check

    return go


RULES = [parse("success_rate >= 95%"), parse("avg_response_time < 2s"), parse("p95 < 5s")]


def test_passes(serve: Any, judge: Any) -> None:
    server = serve()
    check = judge(scenario(server.url, duration=0.5, timeout=1.0, thresholds=RULES))
    assert check.facts["outcome"] is Outcome.PASSED
    assert server.count == 20
    assert [result.held for result in check.thresholds] == [True, True, True]
    assert {found.metric: found.value for found in check.measurements}["success_rate"] == 1
    assert [evidence.path for evidence in check.files] == ["load/scenarios/api/result.json"]
    assert check.facts["model"] == "open, 20 requests planned, 20 sent, 0 before them to warm up"
    assert "schedule lag p99" in check.facts["generator"]


def test_fails_with_what_one_would_look_up_next(serve: Any, judge: Any) -> None:
    async def missing(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nno health")

    check = judge(scenario(serve(missing).url, duration=0.5, timeout=1.0, thresholds=RULES))
    assert check.facts["outcome"] is Outcome.FAILED
    assert check.facts["reason"] == (
        "ended after 0.3 s of 0.5 s: success_rate is 0 %, the rule is success_rate >= 95%"
    )
    assert "service's log" in check.facts["hint"]
    said = "\n".join(check.notes)
    assert re.search(r"failing requests by kind: status 1\d", said)
    assert re.search(r"answers by status: 404 1\d", said)
    assert re.search(
        r"  at 0\.000, 0\.025, 0\.050, 0\.075, 0\.100 s: status 404, expected 200: no health\n", said
    )
    assert re.search(r"times are from \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ on, when counting began", said)
    assert "stop_early = false" in said


@pytest.mark.parametrize("hosts", [[], ["example.com"]])
def test_a_host_that_may_not_be_loaded_is_told_before_anything_runs(hosts: list[str]) -> None:
    one = scenario("http://127.0.0.1:9/")
    with pytest.raises(
        ValidationError, match=r"scenario 'api'.*'127.0.0.1'.*allowed_hosts is (empty|example)"
    ):
        LoadConfig(allowed_hosts=hosts, scenarios=[one])
    with pytest.raises(ValidationError, match=r"'http://127.0.0.1/' is no host; write it without scheme"):
        LoadConfig(allowed_hosts=["http://127.0.0.1/"], scenarios=[one])


@pytest.mark.parametrize(
    ("hosts", "url"), [(["${HOST}"], "http://127.0.0.1/"), (["example.com"], "${URL:-http://127.0.0.1/}")]
)
def test_what_variables_say_is_judged_when_they_have_values(hosts: list[str], url: str) -> None:
    one = scenario(url)
    LoadConfig(allowed_hosts=hosts, scenarios=[one])
    bound = scenario("http://127.0.0.1/")
    with pytest.raises(ProfileError, match=r"gates.load.scenarios\[api\].url: .*'127.0.0.1'.*allowed_hosts"):
        bound.prepare(profile_of(LoadConfig()), ["example.com"])


def test_under_its_floor_nothing_is_proven(serve: Any, judge: Any) -> None:
    server = serve()
    check = judge(scenario(server.url, users=1, think_time=0.2, duration=0.3, timeout=1.0, min_requests=50))
    assert check.facts["outcome"] is Outcome.INCONCLUSIVE
    assert check.facts["cause"] is Cause.NOTHING_CHECKED
    assert "fewer than min_requests (50)" in check.facts["reason"]


def test_zero_requests_never_pass(
    judge: Any, suite: Any, make_result: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "_run", lambda *_: make_result(sent=0))
    check = judge(scenario("http://127.0.0.1/", thresholds=[parse("success_rate >= 0%")]))
    assert check.facts["outcome"] is Outcome.INCONCLUSIVE


def test_an_invalid_run_is_not_judged(
    judge: Any, suite: Any, make_result: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "_run", lambda *_: make_result(sent=90, dropped=10, cpu=0.95))
    check = judge(scenario("http://127.0.0.1/", thresholds=RULES))
    assert check.facts["outcome"] is Outcome.INCONCLUSIVE
    assert check.facts["cause"] is Cause.INVALID_RUN
    assert "90.0% of the planned rate" in check.facts["reason"]
    assert "95% of its core" in check.facts["reason"]
    assert "processes = 2" in check.facts["hint"]
    assert "lower the scenario's rate" in check.facts["hint"]
    assert check.thresholds == []


def test_a_service_without_an_answer_fails(
    judge: Any, suite: Any, make_result: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "_run", lambda *_: make_result(failures={Kind.REFUSED: 100}))
    check = judge(scenario("http://127.0.0.1/", thresholds=RULES))
    assert check.facts["outcome"] is Outcome.FAILED
    assert "nothing listens there" in check.facts["hint"]


def test_too_slow_says_so(judge: Any, suite: Any, make_result: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "_run", lambda *_: make_result())
    check = judge(scenario("http://127.0.0.1/", thresholds=[parse("p95 < 1ms")]))
    assert check.facts["outcome"] is Outcome.FAILED
    assert "too slow rather than failing" in check.facts["hint"]
    monkeypatch.setattr(suite, "_run", lambda *_: make_result(failures={Kind.STATUS: 1}))
    check = judge(scenario("http://127.0.0.1/", thresholds=[*RULES, parse("p99 < 1ms")]))
    assert "too slow rather than failing" in check.facts["hint"], "one error breaks no rule here"
    monkeypatch.setattr(suite, "_run", lambda *_: make_result(failures={Kind.STATUS: 4, Kind.TIMEOUT: 1}))
    check = judge(scenario("http://127.0.0.1/", thresholds=[*RULES, parse("max_response_time < 1ms")]))
    assert "answers do not come in time" in check.facts["hint"], "time-outs are among the times"


def test_a_tool_that_broke_leaves_what_it_said(
    judge: Any, suite: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(plan: Any, *, work: Path, meeting: object) -> None:
        work.mkdir(parents=True)
        (work / "locust.err").write_text("Traceback")
        raise ToolError("Locust ended with exit code 1", hint="see")

    monkeypatch.setattr(suite, "run_scenario", breaks)
    kept: list[Path] = []
    monkeypatch.setattr(Check, "evidence", lambda self, name, path: kept.append(path))
    with pytest.raises(ToolError):
        judge(scenario("http://127.0.0.1/"))
    assert [path.name for path in kept] == ["locust.err"]
