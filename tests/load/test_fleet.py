"""Several processes share one run: forks of one, and workers that come from elsewhere. Real Locust throughout."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

import harness
from fleet_parts import SHARED, Background, forked, load_workers, locusts, meeting, wait_until
from harness.errors import ToolError
from harness.load.result import read
from harness.load.runner import run_scenario


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No test leaves a process of Locust behind, however its run ended."""
    assert locusts() == []
    yield
    assert locusts() == []


def test_forks_share_a_schedule(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    server = serve()
    plan = make_plan(
        server.url, rate=90.0, duration=1.0, warm_up=0.5, nodes=3, rules=("success_rate >= 95%",)
    )
    result = run_scenario(plan, work=tmp_path)
    assert (result.planned, result.sent, result.due, result.nodes) == (90, 90, 90, 3)
    assert result.warm_up == 45
    assert server.count == result.sent + result.warm_up
    assert result.succeeded == 90
    assert [judged.state for judged in result.judged] == ["pass"]
    assert "waiting" in (tmp_path / "progress.jsonl").read_text().splitlines()[0]


@pytest.mark.slow
def test_forks_share_users(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    async def slow(index: int, head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = serve(slow)
    result = run_scenario(make_plan(server.url, users=5, duration=1.0, warm_up=0.3, nodes=2), work=tmp_path)
    assert (result.model, result.nodes, result.planned) == ("closed", 2, None)
    assert server.count == result.sent + result.warm_up
    assert server.connections == 5, "as many as there are users in all"


@pytest.mark.slow
def test_a_warm_up_longer_than_the_silence_of_a_lost_worker(
    serve: Any, make_plan: Any, tmp_path: Path
) -> None:
    server = serve()
    result = run_scenario(make_plan(server.url, rate=10.0, duration=0.5, warm_up=6.0), work=tmp_path)
    assert (result.sent, result.warm_up) == (5, 60)
    assert server.count == 65


def test_a_killed_fork_is_named(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    server = serve()
    plan = make_plan(server.url, rate=60.0, duration=40.0, nodes=2, silence=3.0)
    run = Background(plan, tmp_path / "work")
    wait_until(lambda: server.count > 30)
    forked()[0].kill()
    run.wait(30)
    assert run.result is None
    assert run.error is not None
    assert " of 2 has gone: no word for 3 s and no result" in run.error.message
    assert not (tmp_path / "work" / "result.json").exists()
    assert locusts() == []


def test_a_killed_master_is_an_error(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    server = serve()
    run = Background(make_plan(server.url, rate=60.0, duration=40.0, nodes=2), tmp_path / "work")
    wait_until(lambda: server.count > 30)
    workers = forked()
    (master,) = [one for one in locusts() if one not in workers]
    master.kill()
    run.wait(20)
    assert run.error is not None
    assert "exit code -9" in run.error.message
    assert not (tmp_path / "work" / "result.json").exists()
    assert locusts() == [], "its workers have gone with it"


@pytest.mark.slow
def test_a_stopped_fork_is_named(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    """Not dead, but without a word: a host that hangs."""
    server = serve()
    run = Background(make_plan(server.url, rate=60.0, duration=40.0, nodes=2), tmp_path / "work")
    wait_until(lambda: server.count > 30)
    forked()[1].suspend()
    run.wait(20)
    assert run.error is not None
    assert "has gone: no word for 5 s" in run.error.message


# Workers from elsewhere


def external(make_plan: Any, url: str, **values: Any) -> Any:
    return make_plan(url, **{"rate": 60.0, "duration": 1.0, "nodes": 2, **values})


def test_workers_from_elsewhere(
    serve: Any, make_plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Header variables are read there; what is read here never leaves."""
    server = serve()
    plan = external(
        make_plan,
        server.url,
        headers={"X-Run": "public", "Authorization": "the master's own"},
        header_variables={"Authorization": "LOAD_TEST_KEY"},
    )
    where = meeting()
    with load_workers(where.advertise, SHARED, SHARED, env={"LOAD_TEST_KEY": "the worker's own"}) as workers:
        result = run_scenario(plan, work=tmp_path, meeting=where)
        assert [worker.wait(20) for worker in workers] == [0, 0]
    assert (result.sent, result.nodes, server.count) == (60, 2, 60)
    headers = Counter(line for head in server.heads for line in head.split(b"\r\n"))
    assert headers[b"X-Run: public"] == 60
    assert headers[b"Authorization: the worker's own"] == 60
    assert f"gonogo load-worker {where.advertise}" in (tmp_path / "progress.jsonl").read_text()
    assert SHARED not in "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_a_header_variable_that_is_not_set_there(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    server = serve()
    plan = external(make_plan, server.url, nodes=1, header_variables={"X-Key": "LOAD_TEST_MISSING"})
    where = meeting()
    with (
        load_workers(where.advertise, SHARED),
        pytest.raises(ToolError, match=r"worker 1 of 1: LOAD_TEST_MISSING is not set on this worker"),
    ):
        run_scenario(plan, work=tmp_path, meeting=where)
    assert server.count == 0


@pytest.mark.slow
def test_a_wrong_token_takes_no_part(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    server = serve()
    where = meeting(wait=4)
    with (
        load_workers(where.advertise, SHARED, "another-token-of-some-length"),
        pytest.raises(ToolError) as caught,
    ):
        run_scenario(external(make_plan, server.url), work=tmp_path, meeting=where)
    assert "said a message that is not signed with the token: it does not take part" in caught.value.message
    assert "1 of 2 workers came within 4 s" in caught.value.message
    assert f"start the others with: gonogo load-worker {where.advertise}" in caught.value.message
    assert server.count == 0


def test_nobody_comes(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    server = serve()
    with pytest.raises(ToolError, match="0 of 2 workers came within 1 s"):
        run_scenario(external(make_plan, server.url), work=tmp_path, meeting=meeting(wait=1))
    assert server.count == 0


@pytest.mark.slow
def test_one_too_many(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    server = serve()
    where = meeting()
    plan = external(make_plan, server.url, nodes=1, rate=None, users=2, duration=40.0)
    with (
        load_workers(where.advertise, SHARED, SHARED),
        pytest.raises(ToolError, match="start exactly as many"),
    ):
        run_scenario(plan, work=tmp_path, meeting=where)


@pytest.mark.slow
def test_another_version(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    server = serve()
    older = tmp_path / "older"
    older.mkdir()
    (older / "sitecustomize.py").write_text("import harness\nharness.__version__ = '0.0.1'\n")
    where = meeting()
    with (
        load_workers(where.advertise, SHARED, env={"PYTHONPATH": str(older)}),
        pytest.raises(ToolError) as caught,
    ):
        run_scenario(external(make_plan, server.url, nodes=1), work=tmp_path / "work", meeting=where)
    assert f"runs gonogo 0.0.1, this is {harness.__version__}: install the same" in caught.value.message
    assert server.count == 0


@pytest.mark.slow
@pytest.mark.alone
def test_a_killed_worker_from_elsewhere(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    server = serve()
    where = meeting()
    with load_workers(where.advertise, SHARED, SHARED) as workers:
        run = Background(external(make_plan, server.url, duration=40.0), tmp_path / "work", where)
        wait_until(lambda: server.count > 30)
        (generator,) = locusts(psutil.Process(workers[0].pid))
        generator.kill()
        killed = time.monotonic()
        run.wait(20)
        assert workers[0].wait(20) != 0, "it says so on its own host, too"
    assert run.error is not None
    assert "has gone: no word for 5 s and no result" in run.error.message
    assert run.ended - killed < 9


@pytest.mark.slow
def test_the_last_worker_is_killed(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    """Locust itself ends the run then."""
    server = serve()
    where = meeting()
    with load_workers(where.advertise, SHARED) as workers:
        run = Background(external(make_plan, server.url, duration=40.0, nodes=1), tmp_path / "work", where)
        wait_until(lambda: server.count > 30)
        (generator,) = locusts(psutil.Process(workers[0].pid))
        generator.kill()
        run.wait(20)
    assert run.error is not None
    assert "worker 1 of 1 has gone" in run.error.message
    assert not (tmp_path / "work" / "result.json").exists()


@pytest.mark.slow
def test_a_terminated_worker_takes_its_generator_along(serve: Any, make_plan: Any, tmp_path: Path) -> None:
    server = serve()
    where = meeting()
    with load_workers(where.advertise, SHARED) as workers:
        run = Background(external(make_plan, server.url, duration=40.0, nodes=1), tmp_path / "work", where)
        wait_until(lambda: server.count > 30)
        (generator,) = locusts(psutil.Process(workers[0].pid))
        workers[0].terminate()
        workers[0].wait(10)
        assert not generator.is_running() or generator.status() == psutil.STATUS_ZOMBIE
        run.wait(20)
    assert run.error is not None


@pytest.mark.slow
def test_a_worker_that_breaks_tells_why(
    serve: Any, make_plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    plan = replace(external(make_plan, server.url), headers={"X": "a\r\nb: c"})
    with pytest.raises(ToolError, match=r"a header holds a line break"):
        run_scenario(plan, work=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("moment", [0.3, 1.0, 1.7, 2.4, 3.1])
def test_whenever_it_is_stopped_nothing_is_left(
    serve: Any, make_plan: Any, tmp_path: Path, nodes: int, moment: float
) -> None:
    """A budget that ends the run anywhere, from Locust's start to the writing of the result."""
    work = tmp_path / "work"
    plan = make_plan(serve().url, rate=50.0, duration=1.0, nodes=nodes)
    with suppress(ToolError):
        assert run_scenario(plan, work=work, budget=moment).sent == 50
    assert locusts() == []
    if (work / "result.json").exists():
        assert read(work / "result.json").sent == 50, "what is there is whole"
