"""A time limit on silence, cheap enough to be set anew for every token."""

import asyncio
import math
from collections.abc import Callable


class Watch:
    """Calls `end` once when the limit passes. Setting a limit costs two assignments: the loop's
    one timer looks at the deadline when it fires and goes on if that has moved."""

    __slots__ = ("_deadline", "_end", "_loop", "_timer", "expired")

    def __init__(self, end: Callable[[], object]) -> None:
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self.expired = False

    def arm(self, limit_s: float) -> None:
        """Expire unless it is armed or paused again within the limit."""
        self._deadline = self._loop.time() + limit_s
        if self._timer is not None and self._timer.when() > self._deadline:
            self.stop()
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look)

    def pause(self) -> None:
        """No limit until it is armed again."""
        self._deadline = math.inf

    def stop(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._loop.time() >= self._deadline:
            self.expired = True
            self._end()
        elif self._deadline != math.inf:
            self._timer = self._loop.call_at(self._deadline, self._look)
