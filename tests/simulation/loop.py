"""An event loop whose time is virtual and whose order is drawn from a seed."""

import asyncio
from collections import deque
from random import Random
from typing import NoReturn


class DeadlockError(RuntimeError):
    """Every task waits, and no timer will wake any of them."""


class ThreadRefusedError(RuntimeError):
    """A thread's progress cannot be replayed: do the work in the loop."""


class _Clock:
    """Stands where a selector would: a wait for input moves the time instead."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise DeadlockError
        self.now_s += timeout
        return []


class SeededLoop(asyncio.BaseEventLoop):
    """Runs ordinary asyncio code so that one seed always gives one interleaving.

    Time stands still while anything can run, then jumps to the next timer. Callbacks that are
    ready together run in an order drawn from `seed`. There are no threads, sockets or children.
    """

    _ready: deque[asyncio.Handle]

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = Random(seed)  # noqa: S311  no secret
        self._selector = _Clock()

    def time(self) -> float:
        return self._selector.now_s

    def run_in_executor(self, executor: object, func: object, *args: object) -> NoReturn:
        del executor, func, args
        raise ThreadRefusedError

    def _run_once(self) -> None:
        ready = list(self._ready)
        self._random.shuffle(ready)
        self._ready.clear()
        self._ready.extend(ready)
        super()._run_once()  # type: ignore[misc]

    def _process_events(self, event_list: list[object]) -> None:
        """There is no input, so there are no events."""

    def _write_to_self(self) -> None:
        """Nothing sleeps in a selector, so nothing is to be woken."""
