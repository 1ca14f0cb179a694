"""Everything that would differ between two runs of one seed, pinned."""

import gc
import os
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Final

import structlog

from tertulia.kit.clock import EPOCH

BEGAN_S: Final = 1_800_000_000  # some day in 2027


class VirtualClock:
    """A process's own clock over the loop's time. `skew_s` is how far its wall clock is off; the
    monotonic clock has an origin of its own and the right pace."""

    def __init__(self, loop: AbstractEventLoop, skew_s: float, origin_s: float) -> None:
        self._loop = loop
        self._origin_s = origin_s
        self.skew_s = skew_s

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=BEGAN_S + self._loop.time() + self.skew_s)

    def monotonic(self) -> float:
        return self._origin_s + self._loop.time()


@contextmanager
def pinned(seed: int, now_s: Callable[[], float]) -> Generator[None]:
    """Random bytes come from the seed and the time from the loop; the collector, whose moments
    nobody can replay, waits; nothing is logged."""
    dice = Random(f"bytes {seed}")  # noqa: S311  no secret
    real = (os.urandom, time.time, time.time_ns)
    log = structlog.get_config()
    structlog.configure(processors=[_drop])
    gc.disable()
    os.urandom = dice.randbytes
    time.time = lambda: BEGAN_S + now_s()
    time.time_ns = lambda: int((BEGAN_S + now_s()) * 1e9)
    try:
        yield
    finally:
        os.urandom, time.time, time.time_ns = real
        gc.enable()
        structlog.configure(**log)


def _drop(*_: object) -> str:
    raise structlog.DropEvent
