"""The e-process by exact enumeration: a supermartingale under every run that would keep its rule."""

from itertools import combinations
from math import comb, exp, inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.statistics.evidence import failing, keeping, log_evidence, patience


def e_value(requests: int, failures: int, planned: int, null: int, alternatives: tuple[int, ...]) -> float:
    return exp(log_evidence(requests, failures, planned, null, alternatives))


@pytest.mark.parametrize("planned", [1, 2, 6, 9])
def test_it_is_a_supermartingale_under_every_total_that_keeps_the_rule(planned: int) -> None:
    """From every state that such a run can be in, what the next request is expected to make of E is no more than E."""
    for most in range(planned):
        others = failing(planned, most)
        assert e_value(0, 0, planned, most, others) == pytest.approx(1.0)
        for total in range(most + 1):
            for n in range(planned):
                for k in range(max(0, total - (planned - n)), min(n, total) + 1):
                    now = e_value(n, k, planned, most, others)
                    chance = (total - k) / (planned - n)
                    worse = e_value(n + 1, k + 1, planned, most, others) if chance else 0.0
                    better = e_value(n + 1, k, planned, most, others) if chance < 1 else 0.0
                    expected = chance * worse + (1 - chance) * better
                    assert expected <= now * (1 + 1e-9) + 1e-12
                    if total == most and 0 < chance < 1:
                        assert expected == pytest.approx(now)


@pytest.mark.parametrize(("planned", "most"), [(10, 1), (10, 3), (11, 5)])
@pytest.mark.parametrize("alpha", [0.5, 0.2, 0.05])
def test_ville_over_all_orders(planned: int, most: int, alpha: float) -> None:
    """Of all orders of the failures, at most a share of alpha ever reaches 1/alpha."""
    others = failing(planned, most)
    for total in range(most + 1):
        reached = 0
        for where in combinations(range(planned), total):
            path = [sum(i < n for i in where) for n in range(planned + 1)]
            reached += any(
                log_evidence(n, k, planned, most, others) >= log(1 / alpha) for n, k in enumerate(path)
            )
        assert reached <= alpha * comb(planned, total)


@pytest.mark.parametrize(("planned", "most"), [(10, 0), (10, 3), (11, 5)])
def test_ville_for_passing_early(planned: int, most: int) -> None:
    """The other way round: runs that would break their rule, and evidence that they keep it."""
    others = keeping(most)
    for total in range(most + 1, planned + 1):
        reached = 0
        for where in combinations(range(planned), total):
            path = [sum(i < n for i in where) for n in range(planned + 1)]
            reached += any(
                log_evidence(n, k, planned, most + 1, others) >= log(5) for n, k in enumerate(path)
            )
        assert reached <= comb(planned, total) / 5


def test_one_alternative_by_hand() -> None:
    """4 of 10 seen, 2 failed; 5 in all against 2 in all."""
    five, two = comb(6, 3) / comb(10, 5), comb(6, 0) / comb(10, 2)
    assert e_value(4, 2, 10, 2, (5,)) == pytest.approx(five / two)
    four = comb(6, 2) / comb(10, 4)
    assert e_value(4, 2, 10, 2, (4, 5)) == pytest.approx((five + four) / 2 / two)


def test_what_cannot_be() -> None:
    assert log_evidence(5, 4, 10, 3, failing(10, 3)) == inf  # the null cannot have been
    assert log_evidence(8, 1, 10, 5, failing(10, 5)) == -inf  # no alternative can come any more
    assert log_evidence(5, 5, 10, 10, failing(10, 10)) == -inf  # there is none
    assert log_evidence(5, 2, 10, 11, keeping(10)) == inf  # more than all cannot fail


@given(st.integers(1, 10**6), st.data())
def test_alternatives_lie_on_their_side_and_reach_its_end(planned: int, data: st.DataObject) -> None:
    most = data.draw(st.integers(0, planned - 1))
    worse, better = failing(planned, most), keeping(most)
    assert worse[0] == most + 1
    assert worse[-1] == planned
    assert better[0] == most
    assert better[-1] == 0
    assert list(worse) == sorted(set(worse))
    assert list(better) == sorted(set(better), reverse=True)
    assert max(len(worse), len(better)) <= 25


@given(st.integers(2, 5000), st.data())
def test_every_failure_strengthens_it(planned: int, data: st.DataObject) -> None:
    most = data.draw(st.integers(1, planned - 1))
    requests = data.draw(st.integers(1, planned))
    failures = data.draw(st.integers(0, min(requests, most) - 1))
    others = failing(planned, most)
    less, more = (log_evidence(requests, k, planned, most, others) for k in (failures, failures + 1))
    assert more >= less - 1e-6


@pytest.mark.parametrize(
    ("planned", "most"), [(12_000, 600), (1500, 15), (600, 30), (500, 250), (300, 3), (90, 80)]
)
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_patience_is_the_least_that_bears_every_outage(planned: int, most: int, alpha: float) -> None:
    found = patience(planned, most, log(1 / alpha))
    others, odds = failing(planned, most), (planned - most) / most

    def reached(b: int) -> bool:
        effect = max(1.0, (b * b * odds + planned - b) / planned)
        return log_evidence(b, b, planned, most, others) >= log(1 / alpha) * effect

    assert [b for b in range(max(found, 1), most) if reached(b)] == []
    assert found == 0 or reached(found - 1) or found == 1


@pytest.mark.parametrize(("planned", "most"), [(10, 0), (10, -1), (10, 10)])
def test_where_nothing_can_be_absorbed_there_is_nothing_to_bear(planned: int, most: int) -> None:
    assert patience(planned, most, log(1000)) == 0


def test_patience_as_documented() -> None:
    assert patience(12_000, 600, log(1000)) == 298
    assert patience(12_000, 2400, log(1000)) == 757
