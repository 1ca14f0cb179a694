"""The store's time: the wall clock, but never backwards and never slower than it passes."""

import threading
from typing import Final

from tertulia.kit.clock import Clock, to_us

_US: Final = 1_000_000


class Timeline:
    """When the wall clock is set back, time goes on from where it was at the pace of the monotonic
    clock: units of work keep their order, and leases and retries still come due. When it is set
    forward, leases run out early; their fences make that harmless.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = (0, clock.monotonic())

    def peek(self) -> int:
        """Now, in microseconds; from any thread."""
        last_us, then = self._last
        passed_us = int((self._clock.monotonic() - then) * _US)
        return max(to_us(self._clock.now()), last_us + passed_us)

    def advance(self, at_least_us: int) -> int:
        """Now, and not before `at_least_us`; from any thread."""
        with self._lock:
            now_us = max(self.peek(), at_least_us)
            self._last = (now_us, self._clock.monotonic())
        return now_us
