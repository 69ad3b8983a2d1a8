"""The benchmark of the decision: its services are what they say, it counts right, and it notices a broken bound."""

import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest


@pytest.fixture(scope="module")
def benchmark() -> Any:
    path = Path(__file__).parents[2] / "benchmarks" / "load_decision.py"
    spec = spec_from_file_location("load_decision", path)
    assert spec is not None
    assert spec.loader is not None
    module, before = module_from_spec(spec), list(sys.path)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path[:] = before
        del sys.modules[spec.name]


def test_services_fail_as_often_and_as_long_as_they_say(benchmark: Any) -> None:
    for service in benchmark.SERVICES:
        runs = [list(benchmark.outcomes(service, 0.8, 12_000, Random(seed))) for seed in range(12)]
        rate = sum(map(sum, runs)) / sum(map(len, runs))
        assert rate == pytest.approx(0.2, abs=0.06 if service.burst >= 100 else 0.02), service
        if service.failing == 1 and 0 < service.burst <= 100:
            ends = sum(a and not b for run in runs for a, b in pairwise(run))
            assert sum(map(sum, runs)) / ends == pytest.approx(service.burst, rel=0.35)


def test_few_runs_keep_the_bounds(benchmark: Any) -> None:
    cells = [
        benchmark.cell(service, success, 2, 1)
        for service in benchmark.SERVICES
        for success in (0.0, 0.5, 0.8, 0.85, 0.9, 0.96)
        if success >= 1 - service.failing
    ]
    problems = [problem for problem in benchmark.broken(cells) if "saved" not in problem]
    assert problems == []
    assert sum(cell.peer_wrong for cell in cells) > 0


def test_a_broken_bound_is_told(benchmark: Any) -> None:
    good = [
        benchmark.Cell(service, success, True, runs=2, would_pass=0, stopped=2, saved=0.99, slowest=1.0)
        for service in ("independent", "bursts of 5", "bursts of 20", "bursts of 100", "half bursts of 20")
        for success in (0.0, 0.5, 0.8, 0.85, 0.9)
    ]
    assert benchmark.broken(good) == []
    wrong = [replace(good[0], wrong=1, would_pass=2), *good[1:]]
    assert benchmark.broken(wrong) == ["independent at 0.0: 1 of 2 runs aborted that would have passed"]
    wasteful = [replace(good[0], saved=0.5), replace(good[1], slowest=2.0), *good[2:]]
    assert len(benchmark.broken(wasteful)) == 2
    assert benchmark.broken(wasteful, benchmark.Plan(rate=10)) == []
