"""Workers who go: what waits for them should not wait for the next pass."""

import asyncio
from collections.abc import Sequence
from typing import Final

from tertulia.domain.ids import CharacterId
from tertulia.kit.clock import Clock
from tertulia.ports.leases import Leases
from tertulia.roles.relay.service.workers import live_workers
from tertulia.roles.relay.settings import RelaySettings

TRAIL_S: Final = 5.0  # what a router knows, and what is on its way, is not as old as that


class Watch:
    """Looks who works for the characters. Somebody may have gone just before it was there."""

    def __init__(
        self,
        leases: Leases,
        characters: Sequence[CharacterId],
        clock: Clock,
        settings: RelaySettings,
    ) -> None:
        self._leases = leases
        self._clock = clock
        self._settings = settings
        self._there: dict[CharacterId, frozenset[str]] = dict.fromkeys(characters, frozenset())
        self._missing_until = self._in_a_while()

    async def pause(self, *, hurry: bool = False) -> None:
        """As long as a pass may wait: `every_s`; or `look_s`, in a `hurry` and while work may
        become stranded that was for a worker who has just gone."""
        end = self._clock.monotonic() + self._settings.every_s
        while (left_s := end - self._clock.monotonic()) > 0:
            await asyncio.sleep(min(self._settings.look_s, left_s))
            if await self._is_one_gone():
                self._missing_until = self._in_a_while()
            if hurry or self._clock.monotonic() < self._missing_until:
                return

    async def _is_one_gone(self) -> bool:
        """Since the last look."""
        gone = False
        for character_id, before in self._there.items():
            live = await live_workers(self._leases, character_id)
            if live is not None:
                self._there[character_id] = live
                gone = gone or not before <= live
        return gone

    def _in_a_while(self) -> float:
        return self._clock.monotonic() + self._settings.stranded_s + TRAIL_S
