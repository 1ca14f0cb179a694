"""The campaign: clients that go on, a stand that keeps dying, and the account at the end."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import aiohttp

from tests.e2e.api import Api, unrepeated
from tests.faults.nothing_lost.client import Client
from tests.faults.nothing_lost.deaths import PROCESS, Death, schedule, volley
from tests.faults.nothing_lost.ledger import Budget, Ledger
from tests.faults.nothing_lost.stand import Stand
from tests.faults.nothing_lost.verify import Account, verify

MISSES: Final = 3
"""So many lives that pass without reaching their crash point mean that it cannot be reached."""
GIVEN_UP_S: Final = 120.0
"""Clients that finish nothing for so long are not waited for: the account tells what is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`kills` are those of the product's own processes; `servers` says how often each server
    dies, `points` how many of the crash points are walked through; None: all."""

    turns: int
    kills: int
    clients: int = 24
    seed: int = 1
    points: int | None = None
    servers: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(slots=True)
class Deaths:
    """What became of the schedule."""

    kills: int = 0
    by_server: Counter[str] = field(default_factory=Counter[str])
    by_point: Counter[str] = field(default_factory=Counter[str])
    missed: list[str] = field(default_factory=list[str])


class Campaign:
    """`tell` hears of the deaths when they are over."""

    def __init__(
        self, plan: Plan, stand: Stand, tell: Callable[[str], object] = lambda _: None
    ) -> None:
        self.plan = plan
        self.stand = stand
        self.tell = tell
        self.chance = random.Random(plan.seed)  # noqa: S311  a reproducible campaign
        self.ledger = Ledger()
        self.budget = Budget(plan.turns)
        self.deaths = Deaths()

    async def run(self) -> Account:
        """Send, kill and restart until both counts are reached; then hold the product to it."""
        self._started = time.monotonic()
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            self.stand.opened(self.ledger),
            aiohttp.ClientSession(connector=connector) as http,
        ):
            async with asyncio.TaskGroup() as group:
                talking: set[asyncio.Task[None]] = set()
                for _ in range(self.plan.clients):
                    chance = random.Random(self.chance.random())  # noqa: S311
                    api = Api(unrepeated(http), self.stand.doors, self.stand.token)
                    client = Client(api, self.ledger, self.budget, chance)
                    talking.add(group.create_task(client.run()))
                await self._reap()
                await self._finished(talking)
            api = Api(http, self.stand.doors, self.stand.token)
            account = await verify(api, self.ledger, self.deaths)
            account.problems += await self.stand.end()
        account.duration_s = time.monotonic() - self._started
        return account

    async def _reap(self) -> None:
        """Kill as scheduled; leave everything running at the end."""
        plan = self.plan
        points = self.stand.points
        if plan.points is not None:
            points = self.chance.sample(points, plan.points)
        total = plan.kills + sum(plan.servers.values())
        apart = max(1, plan.turns // max(1, total))
        due = schedule(plan.kills, points, apart, self.chance, plan.servers)
        missed: Counter[str] = Counter()
        while due:
            together = volley(due, self.chance.randint(1, self.stand.at_once))
            dying = [self.stand.die(each, partial(self._moment, each)) for each in together]
            reached = await asyncio.gather(*dying)
            await self.stand.settle()
            self._tell(together, reached)
            for death, point in zip(together, reached, strict=True):
                self._count(death, point)
                if death.point is not None and point is None:
                    missed[death.point] += 1
                    due += [Death(point=death.point)] if missed[death.point] < MISSES else []
        self.deaths.missed = sorted(set(points) - set(self.deaths.by_point))
        await self.stand.serve()
        self.deaths.kills += self.ledger.armings
        self.budget.kills_done = True

    def _count(self, death: Death, point: str | None) -> None:
        if death.victim == PROCESS:
            self.deaths.kills += 1
        else:
            self.deaths.by_server[death.victim] += 1
        if point is not None:
            self.deaths.by_point[point] += 1

    def _tell(self, together: Sequence[Death], reached: Sequence[str | None]) -> None:
        ends = [
            f"{death.point or death.victim}{'' if point == death.point else ' (missed)'}"
            for death, point in zip(together, reached, strict=True)
        ]
        recovered = f"{self.ledger.serving_s[-1]:.1f} s" if self.ledger.serving_s else "-"
        elapsed = time.monotonic() - self._started
        self.tell(
            f"{elapsed:5.0f} s  {self.ledger.finished:6} turns  {recovered:>7}  {', '.join(ends)}\n"
        )

    async def _moment(self, death: Death) -> None:
        """Some turns later."""
        try:
            async with asyncio.timeout(GIVEN_UP_S):
                await self.ledger.acknowledgements(self.ledger.acknowledged + death.turns)
        except TimeoutError:
            self.ledger.problems.append(f"no turn was acknowledged for {GIVEN_UP_S:.0f} s")
        if death.victim == PROCESS:
            await asyncio.sleep(death.pause_s)

    async def _finished(self, talking: set[asyncio.Task[None]]) -> None:
        before = -1
        while talking and self.ledger.finished > before:
            before = self.ledger.finished
            _, talking = await asyncio.wait(talking, timeout=GIVEN_UP_S)
        for task in talking:
            task.cancel()
