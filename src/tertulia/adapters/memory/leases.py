"""Leases among the roles of one process."""

from collections.abc import Sequence
from dataclasses import dataclass

from tertulia.kit.clock import Clock
from tertulia.ports.leases import Member


@dataclass(slots=True)
class _Place:
    capacity: int
    fence: int
    ends_at: float
    load: int = 0


class MemoryLeases:
    """Time is the monotonic clock's, so a changed wall clock ends no lease."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._groups: dict[str, dict[str, _Place]] = {}
        self._fence = 0

    async def claim(self, group: str, name: str, *, capacity: int, ttl_s: float) -> int | None:
        """See the port."""
        places = self._live(group)
        if name in places:
            return None
        self._fence += 1
        places[name] = _Place(capacity, self._fence, self._clock.monotonic() + ttl_s)
        return self._fence

    async def renew(
        self, group: str, name: str, fence: int, *, ttl_s: float, load: int = 0
    ) -> bool:
        """See the port."""
        place = self._live(group).get(name)
        if place is None or place.fence != fence:
            return False
        place.ends_at = self._clock.monotonic() + ttl_s
        place.load = load
        return True

    async def release(self, group: str, name: str, fence: int) -> None:
        """See the port."""
        places = self._live(group)
        place = places.get(name)
        if place is not None and place.fence == fence:
            del places[name]

    async def members(self, group: str) -> Sequence[Member]:
        """See the port."""
        return [
            Member(name=name, capacity=place.capacity, fence=place.fence, load=place.load)
            for name, place in sorted(self._live(group).items())
        ]

    def _live(self, group: str) -> dict[str, _Place]:
        places = self._groups.setdefault(group, {})
        now = self._clock.monotonic()
        for name in [name for name, place in places.items() if place.ends_at <= now]:
            del places[name]
        return places
