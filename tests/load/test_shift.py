"""Mann and Whitney's U against counting every pair, its variance against permutations, and what it must not say."""

import random
from itertools import combinations
from math import comb
from statistics import pvariance

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load.statistics.shift import NEGLIGIBLE, compare, mann_whitney_u, midranks

counts = st.dictionaries(st.integers(0, 8), st.integers(0, 4), max_size=6)
some = counts.filter(lambda found: sum(found.values()) > 0)
quick = settings(max_examples=100, deadline=None)


def values(found: dict[int, int]) -> list[int]:
    return [value for value, count in found.items() for _ in range(count)]


@quick
@given(counts, counts)
def test_u_is_what_counting_every_pair_gives(one: dict[int, int], other: dict[int, int]) -> None:
    pairs = sum((x > y) + (x == y) / 2 for x in values(one) for y in values(other))
    assert mann_whitney_u(one, other) == pairs
    assert mann_whitney_u(other, one) == len(values(one)) * len(values(other)) - pairs


@quick
@given(some, some)
def test_it_looks_the_same_from_either_side(one: dict[int, int], other: dict[int, int]) -> None:
    there, back = compare(one, other), compare(other, one)
    assert there is not None
    assert back is not None
    assert there.probability == pytest.approx(1 - back.probability)
    assert there.delta == pytest.approx(-back.delta, abs=1e-12)
    assert there.p_value == pytest.approx(back.p_value)
    assert 0 <= there.p_value <= 1
    assert not compare(one, one).moved  # type: ignore[union-attr] # one is not empty


@quick
@given(some, some)
def test_midranks_are_the_mean_positions(one: dict[int, int], other: dict[int, int]) -> None:
    ordered = sorted(values(one) + values(other))
    for value, share in midranks(one, other).items():
        if places := [place for place, each in enumerate(ordered, 1) if each == value]:
            assert share == pytest.approx(sum(places) / len(places) / len(ordered))


def test_the_variance_is_that_of_all_permutations_ties_and_all() -> None:
    pooled = [1, 1, 2, 3, 3, 3, 4, 5]
    seen = []
    for chosen in combinations(range(8), 3):
        one = [pooled[i] for i in chosen]
        other = [pooled[i] for i in range(8) if i not in chosen]
        seen.append(sum((x > y) + (x == y) / 2 for x in one for y in other))
    assert len(seen) == comb(8, 3)
    tied = sum(t**3 - t for t in (2, 1, 3, 1, 1))
    assert pvariance(seen) == pytest.approx(3 * 5 * 9 / 12 * (1 - tied / (8**3 - 8)))


def test_a_known_example() -> None:
    """Lehmann's formula by hand: n = 8, m = 7, U = 11, with ties of 3, 6, 5 and 1."""
    found = compare({1: 3, 2: 4, 5: 1}, {2: 2, 3: 5})
    assert found is not None
    assert found.probability == 11 / 56
    tied = (27 - 3) + (6**3 - 6) + (5**3 - 5)
    deviation = (56 * 16 / 12 * (1 - tied / (15**3 - 15))) ** 0.5
    assert deviation == pytest.approx(8.1731, abs=1e-4)
    assert found.p_value == pytest.approx(0.0435, abs=1e-4), "z = (28 − 11 − 0.5) / 8.1731 = 2.019"


def test_nothing_compares_with_nothing() -> None:
    assert compare({}, {1: 3}) is None
    assert compare({1: 3}, {}) is None
    alike = compare({7: 50}, {7: 40})
    assert alike is not None
    assert (alike.probability, alike.p_value, alike.moved) == (0.5, 1.0, False)
    single = compare({1: 1}, {2: 1})
    assert single is not None
    assert not single.significant


def test_dependence_makes_it_less_sure_and_not_another_size() -> None:
    one, other = {1: 100, 2: 300}, {1: 200, 2: 200}
    plain, dependent = compare(one, other), compare(one, other, (20.0, 10.0))
    assert plain is not None
    assert dependent is not None
    assert plain.probability == dependent.probability
    assert plain.moved
    assert not dependent.significant
    assert dependent.effective == (20.0, 40.0)


def test_large_runs_show_differences_that_do_not_matter() -> None:
    found = compare({1: 51_000, 2: 49_000}, {1: 50_000, 2: 50_000})
    assert found is not None
    assert found.significant
    assert abs(found.delta) < NEGLIGIBLE
    assert not found.moved


def test_chance_alone_is_called_significant_about_as_often_as_promised() -> None:
    dice = random.Random(7)
    fair = sum(fair_one(dice) < 0.05 for _ in range(1000))
    assert 25 <= fair <= 80, "50 expected, three standard deviations are 21"


def draw(dice: random.Random) -> dict[int, int]:
    found: dict[int, int] = {}
    for _ in range(60):
        value = dice.randint(1, 6)
        found[value] = found.get(value, 0) + 1
    return found


def fair_one(dice: random.Random) -> float:
    found = compare(draw(dice), draw(dice))
    assert found is not None
    return found.p_value
