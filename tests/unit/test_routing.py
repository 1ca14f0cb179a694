"""Choosing a worker."""

from collections import Counter

from tertulia.domain.routing import choose_worker

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
