"""Roles in processes of their own over real servers, all of which can be killed."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from tertulia.kit.crash_points import CRASH_POINTS, ONLY_WITH_A_LOG
from tests.e2e.fleet import TWO_OF_EACH, Fleet, fleet_of
from tests.faults.nothing_lost.deaths import PROCESS, Death
from tests.faults.nothing_lost.ledger import Ledger
from tests.faults.nothing_lost.servers import (
    STANDS,
    VARIABLES,
    Running,
    empty,
    make_durable,
    opened,
)
from tests.faults.nothing_lost.stand import Moment
from tests.faults.nothing_lost.supervised import UP_S, Supervised
from tests.servers.session import Session

PASSES: Final[Mapping[str, Sequence[str]]] = {
    "store": ("chat", "preprocess", "inference", "relay"),
    "bus": ("preprocess", "inference"),
    "titles": ("inference",),
    "history": ("relay",),
}
"""Which roles pass the crash points of these names; all others are called like their role."""

SETTLED_S: Final = 120.0


class FleetStand:
    """A killed role is started again at once; a killed server when its pause is over."""

    at_once = 4

    def __init__(self, fleet: Fleet, servers: Mapping[str, Running], chance: random.Random) -> None:
        self.servers: Sequence[str] = tuple(servers)
        self.points: Sequence[str] = sorted(
            CRASH_POINTS - (frozenset() if "messages" in servers else ONLY_WITH_A_LOG)
        )
        self.doors: Sequence[str] = fleet.doors
        self.token = fleet.token
        self._running = servers
        self._chance = chance
        self._roles = {
            role: [Supervised(process) for process in processes]
            for role, processes in fleet.roles.items()
        }
        self._all = [each for replicas in self._roles.values() for each in replicas]
        self._dying = {each.name: asyncio.Lock() for each in self._all}

    @asynccontextmanager
    async def opened(self, ledger: Ledger) -> AsyncGenerator[None]:
        self._ledger = ledger
        try:
            for each in self._all:
                each.start()
            await self._all_up()
            for server in self._running.values():
                await asyncio.to_thread(make_durable, server)
            yield
        finally:
            await self._each(Supervised.close)

    async def die(self, death: Death, moment: Moment) -> str | None:
        await moment()
        if death.victim != PROCESS:
            await self._strike(death)
            return None
        roles = tuple(self._roles)
        if death.point is not None:
            part = death.point.partition(".")[0]
            roles = PASSES.get(part, (part,))
        victim = self._chance.choice(self._roles[self._chance.choice(roles)])
        async with self._dying[victim.name]:
            if death.point is not None:
                self._ledger.armings += 1
                return await asyncio.to_thread(victim.die_at, death.point, death.nth)
            victim.kill()
            if death.starting_s is not None:
                await asyncio.sleep(death.starting_s)
                victim.kill()
        return None

    async def settle(self) -> None:
        """Wait until all that was under way when all ran again has ended; note how long it took."""
        await self._all_up()
        healed = time.monotonic()
        try:
            async with asyncio.timeout(SETTLED_S):
                for turn in self._ledger.turns():
                    await turn.over.wait()
        except TimeoutError:
            self._ledger.problems.append(f"turns were not over {SETTLED_S:.0f} s after a death")
        self._ledger.serving_s.append(time.monotonic() - healed)

    async def serve(self) -> None:
        await self._all_up()

    async def end(self) -> Sequence[str]:
        await self._each(Supervised.stop)
        return [complaint for each in self._all for complaint in each.complaints]

    async def _strike(self, death: Death) -> None:
        server = self._running[death.victim]
        if await asyncio.to_thread(empty, server) and death.nth == 1:
            return
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(death.pause_s)
        await asyncio.to_thread(server.start)

    async def _all_up(self) -> None:
        for each in self._all:
            if not await asyncio.to_thread(each.is_up_within, UP_S):
                self._ledger.problems.append(f"{each.name} did not come back in {UP_S:.0f} s")

    async def _each(self, end: Callable[[Supervised], None]) -> None:
        await asyncio.gather(*(asyncio.to_thread(end, each) for each in self._all))


@contextmanager
def fleet_stand(
    name: str,
    place: Path,
    session: Session,
    seed: int,
    counts: Mapping[str, int] = TWO_OF_EACH,
) -> Generator[FleetStand]:
    """The stand of that name with servers of its own; `counts`: how many of each role."""
    place.mkdir(parents=True, exist_ok=True)
    kinds = STANDS[name]
    variables = {
        name: value for kind in kinds.values() for name, value in VARIABLES.get(kind, {}).items()
    }
    with ExitStack() as stack:
        servers = {
            section: stack.enter_context(opened(kind, session)) for section, kind in kinds.items()
        }
        urls = {section: server.url for section, server in servers.items()}
        fleet = fleet_of(place, urls, counts, variables)
        yield FleetStand(fleet, servers, random.Random(seed))  # noqa: S311  reproducible
