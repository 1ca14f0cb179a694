"""Rate limits."""

from typing import Protocol


class RateLimiter(Protocol):
    """Limits of all processes together. While what they share is away each process counts by
    itself; counts may be lost, and start anew."""

    async def hit(self, key: str, *, limit: int, per_s: int) -> float | None:
        """Count one use of `key`. None when it is within `limit` per `per_s` seconds, else the
        seconds after which to try again."""
        ...
