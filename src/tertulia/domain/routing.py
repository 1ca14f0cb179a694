"""Which worker gets a conversation."""

import math
from collections.abc import Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

BALANCE: Final = 1.5  # of the mean load; the seminal paper's figures flatten out from 1.25 on

_IDLE: Final[Mapping[str, int]] = MappingProxyType({})


def choose_worker(
    key: str, capacities: Mapping[str, int], loads: Mapping[str, int] = _IDLE
) -> str | None:
    """The worker of a key, the same for as long as it lives and is not overloaded; None when there
    is nobody.

    Weighted rendezvous hashing (Thaler and Ravishankar, 1998): each gets a share of the keys in
    proportion to its capacity, and when one comes or goes only its own keys move. `loads` is how
    much each has in hand: one that has `BALANCE` times its share of all of it is passed over for
    the key's next best (bounded loads: Mirrokni, Thorup and Zadimoghaddam, 2018), and gets the key
    again when it has caught up.
    """
    able = {name: capacity for name, capacity in capacities.items() if capacity > 0}
    fair = BALANCE * (1 + sum(loads.get(name, 0) for name in able)) / max(1, sum(able.values()))
    # Each may have its share of the work that is there and comes, so somebody always may.
    free = [name for name, capacity in able.items() if loads.get(name, 0) < fair * capacity]
    return max(free, key=lambda name: (_score(key, name, able[name]), name), default=None)


def _score(key: str, name: str, capacity: int) -> float:
    digest = blake2b(f"{name}\0{key}".encode(), digest_size=8).digest()
    uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return -capacity / math.log(uniform)
