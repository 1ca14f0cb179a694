"""Rate limits of one process, counted by the `limits` library."""

import time

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter


class MemoryRateLimiter:
    """A sliding window counter: two numbers a key, however many hits. It judges 0.003 % of
    requests otherwise than an exact window would (Cloudflare, "How we built rate limiting capable
    of scaling to millions of domains", 2017)."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def hit(self, key: str, *, limit: int, per_s: int) -> float | None:
        """See the port."""
        item = RateLimitItemPerSecond(limit, per_s)
        if await self._limiter.hit(item, key):
            return None
        window = await self._limiter.get_window_stats(item, key)
        return max(window.reset_time - time.time(), 0.001)
