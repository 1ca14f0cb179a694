"""Rate limits counted in Redis, for all processes together."""

from typing import Final

from tertulia.adapters.redis.line import RedisTroubleError, Script
from tertulia.adapters.redis.link import Link
from tertulia.ports.rate_limiter import RateLimiter

# Windows are numbered from 1970; a key holds the number of its window, the uses counted in it and
# in the one before, which weighs as much as of it lies within the last `per_s` seconds.
_HIT: Final = Script("""
local key, limit, window_us = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]) * 1000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local number = math.floor(now / window_us)
local passed = now / window_us - number
local held = redis.call('HMGET', key, 'window', 'uses', 'before')
local window, uses, before = tonumber(held[1]), tonumber(held[2]), tonumber(held[3])
if window ~= number then
  before = window == number - 1 and uses or 0
  uses = 0
end
if before * (1 - passed) + uses + 1 <= limit then
  redis.call('HSET', key, 'window', number, 'uses', uses + 1, 'before', before)
  redis.call('PEXPIRE', key, math.ceil(2 * window_us / 1000))
  return false
end
local room = limit - 1 - uses
local free = 1
if room >= 0 and before > 0 then free = 1 - room / before end
return string.format('%.0f', math.max((free - passed) * window_us, 1))
""")


class RedisRateLimiter:
    """A sliding window counter, as in memory: two numbers a key, however many hits.

    While Redis is away each process counts by itself, in `meanwhile`.
    """

    def __init__(self, link: Link, meanwhile: RateLimiter) -> None:
        self._link = link
        self._meanwhile = meanwhile

    async def hit(self, key: str, *, limit: int, per_s: int) -> float | None:
        """See the port."""
        name = self._link.key("limits", f"{per_s}:{key}")
        try:
            wait_us = await self._link.line.run_script(_HIT, name, limit, per_s)
        except RedisTroubleError:
            return await self._meanwhile.hit(key, limit=limit, per_s=per_s)
        return None if wait_us is None else int(wait_us) / 1_000_000
