"""Choosing a worker."""

import random
from collections import Counter, deque
from itertools import accumulate

import pytest

from tertulia.domain.routing import BALANCE, choose_worker

KEYS = [f"conversation {n}" for n in range(4000)]


def test_nobody_is_chosen_among_none() -> None:
    assert choose_worker("k", {}) is None
    assert choose_worker("k", {"full": 0}) is None


def test_a_key_stays_with_its_worker_in_whatever_order_they_are_named() -> None:
    for key in KEYS[:100]:
        one = choose_worker(key, {"a": 1, "b": 1, "c": 1})
        assert one == choose_worker(key, {"c": 1, "a": 1, "b": 1})


def test_only_the_keys_of_a_worker_who_leaves_move() -> None:
    for key in KEYS:
        before = choose_worker(key, {"a": 1, "b": 1, "c": 1})
        after = choose_worker(key, {"a": 1, "b": 1})
        assert before in {"c", after}


def test_shares_follow_capacities() -> None:
    shares = Counter(choose_worker(key, {"small": 1, "large": 3}) for key in KEYS)
    assert 0.72 < shares["large"] / len(KEYS) < 0.78


def test_an_overloaded_worker_is_passed_over_until_it_has_caught_up() -> None:
    capacities = {"a": 1, "b": 1, "c": 1}
    usual = choose_worker("k", capacities)
    assert usual is not None
    others = {name: 2 for name in capacities if name != usual}
    second = choose_worker("k", capacities, {**others, usual: 9})
    assert second == choose_worker("k", dict.fromkeys(others, 1))
    assert choose_worker("k", capacities, {**others, usual: 2}) == usual


@pytest.mark.parametrize("load", [0, 1, 1000])
def test_somebody_is_chosen_however_much_there_is_to_do(load: int) -> None:
    capacities = {"small": 1, "large": 7}
    assert choose_worker("k", capacities, dict.fromkeys(capacities, load)) is not None
    assert choose_worker("k", {"alone": 1}, {"alone": load}) == "alone"


@pytest.mark.parametrize("workers", [2, 5, 10, 16])
def test_a_change_of_workers_moves_hardly_more_than_its_share(workers: int) -> None:
    keys = [f"conversation {n}" for n in range(40_000)]
    fewer = {f"worker {n}": 4 for n in range(workers - 1)}
    more = {**fewer, "the new one": 4}
    moved = [key for key in keys if choose_worker(key, fewer) != choose_worker(key, more)]
    assert len(moved) / len(keys) <= 1.05 / workers
    assert {choose_worker(key, more) for key in moved} == {"the new one"}


@pytest.mark.parametrize("workers", [3, 10])
def test_load_keeps_its_bound_when_few_conversations_make_most_of_it(workers: int) -> None:
    """Zipf-distributed conversations, each turn in hand until 40 later ones have begun."""
    capacities = {f"worker {n}": 4 for n in range(workers)}
    conversations = 2000
    weights = list(accumulate(1 / rank for rank in range(1, conversations + 1)))
    dice = random.Random(7)  # noqa: S311  the same in every run
    spoken = dice.choices(range(conversations), cum_weights=weights, k=6000)
    loads = Counter[str]()
    in_hand: deque[str] = deque()
    home, homely, worst = {n: choose_worker(str(n), capacities) for n in set(spoken)}, 0, 0.0
    for number in spoken:
        worker = choose_worker(str(number), capacities, loads)
        assert worker is not None
        homely += worker == home[number]
        in_hand.append(worker)
        loads[worker] += 1
        worst = max(worst, loads[worker] - BALANCE * loads.total() / workers)
        if len(in_hand) > 40:
            loads[in_hand.popleft()] -= 1
    assert worst < 1, "never more than the bound, rounded up"
    assert homely / len(spoken) > 0.7, "and most turns still find their conversation's prefix"
