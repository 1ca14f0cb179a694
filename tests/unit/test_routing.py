"""Choosing a worker."""

import random
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate, cycle

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


MOVED = 1.05
"""Of its fair share of the conversations, at most, when a worker comes or goes."""
MANY = [f"conversation {n}" for n in range(16_000)]


@cache
def homes(first: int, last: int) -> Sequence[str | None]:
    """Where each conversation lives while these workers do, the last not included."""
    workers = {f"worker {n}": 4 for n in range(first, last)}
    return [choose_worker(key, workers) for key in MANY]


@pytest.mark.parametrize("workers", range(2, 17))
def test_a_worker_who_comes_takes_hardly_more_than_its_share_and_nothing_else_moves(
    workers: int,
) -> None:
    before, after = homes(1, workers), homes(0, workers)
    moved = [to for was, to in zip(before, after, strict=True) if was != to]
    assert len(moved) / len(MANY) <= MOVED / workers
    assert set(moved) == {"worker 0"}


@pytest.mark.parametrize("workers", range(2, 17))
def test_a_worker_who_goes_leaves_hardly_more_than_its_share_divided_among_the_others(
    workers: int,
) -> None:
    before, after = homes(0, workers), homes(1, workers)
    moved = [(was, to) for was, to in zip(before, after, strict=True) if was != to]
    assert len(moved) / len(MANY) <= MOVED / workers
    assert {was for was, _ in moved} == {"worker 0"}
    heirs = Counter(to for _, to in moved)
    assert max(heirs.values()) <= 1.3 * len(moved) / (workers - 1)


class Talk:
    """Zipf-distributed conversations: few make most of the turns. Each turn is in hand until
    `concurrent` later ones have begun."""

    def __init__(self, *, conversations: int = 2000, turns: int = 2000, concurrent: int) -> None:
        weights = list(accumulate(1 / rank for rank in range(1, conversations + 1)))
        dice = random.Random(7)  # noqa: S311  the same in every run
        self.turns = dice.choices(range(conversations), cum_weights=weights, k=turns)
        self.loads = Counter[str]()
        self.in_hand: deque[str] = deque()
        self._concurrent = concurrent

    def route(self, turns: Sequence[int], workers: Mapping[str, int]) -> Iterator[tuple[int, str]]:
        """Each conversation with the worker of its turn. Whoever is gone has handed over."""
        for number in turns:
            loads = {name: self.loads[name] for name in workers}
            worker = choose_worker(str(number), workers, loads)
            assert worker is not None
            self.in_hand.append(worker)
            self.loads[worker] += 1
            yield number, worker
            if len(self.in_hand) > self._concurrent:
                self.loads[self.in_hand.popleft()] -= 1

    def over(self, worker: str, workers: Mapping[str, int]) -> float:
        """By how much one exceeds its bound."""
        share = sum(self.loads[name] for name in workers) * workers[worker] / sum(workers.values())
        return self.loads[worker] - BALANCE * share


@pytest.mark.parametrize("workers", range(2, 17))
@pytest.mark.parametrize("slots", [(4,), (1, 4, 8)], ids=["alike", "unlike"])
def test_load_keeps_its_bound_when_few_conversations_make_most_of_it(
    workers: int, slots: Sequence[int]
) -> None:
    """While a worker comes, and while one goes."""
    of = dict(zip((f"worker {n}" for n in range(workers)), cycle(slots)))
    fewer = {name: slots for name, slots in of.items() if name != "worker 0"}
    talk = Talk(concurrent=4 * workers)
    third = len(talk.turns) // 3
    homely = 0
    for part, there in enumerate((of, fewer, of)):
        worst = 0.0
        for number, worker in talk.route(talk.turns[part * third : (part + 1) * third], there):
            homely += worker == choose_worker(str(number), there)
            worst = max(worst, talk.over(worker, there))
        assert worst < 1, "never more than the bound, rounded up"
    assert homely / len(talk.turns) > 0.6, "and most turns still find their conversation's prefix"
