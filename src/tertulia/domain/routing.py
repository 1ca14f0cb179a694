"""Which worker gets a conversation."""

import math
from collections.abc import Mapping
from hashlib import blake2b


def choose_worker(key: str, capacities: Mapping[str, int]) -> str | None:
    """The worker of a key, always the same while it lives; None when there is nobody.

    Weighted rendezvous hashing (Thaler and Ravishankar, 1998): each gets a share of the keys in
    proportion to its capacity, and when one comes or goes only its own keys move.
    """
    able = [name for name, capacity in capacities.items() if capacity > 0]
    return max(able, key=lambda name: (_score(key, name, capacities[name]), name), default=None)


def _score(key: str, name: str, capacity: int) -> float:
    digest = blake2b(f"{name}\0{key}".encode(), digest_size=8).digest()
    uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return -capacity / math.log(uniform)
