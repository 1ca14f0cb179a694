"""The campaign: clients that go on, a server that keeps dying, and the account at the end."""

import asyncio
import contextlib
import random
import socket
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from tertulia.kit.crash_points import VARIABLE
from tests.e2e.api import Api
from tests.e2e.server import Server, ServerDiedError, tertulia
from tests.faults.nothing_lost.client import AWAY, Client
from tests.faults.nothing_lost.deaths import Death, schedule
from tests.faults.nothing_lost.ledger import Budget, Ledger
from tests.faults.nothing_lost.verify import Account, verify

CRASH_WAIT_S: Final = 20.0
"""How long a named crash point may keep the campaign waiting before the server is killed."""
MISSES: Final = 3
"""So many lives that pass without reaching their crash point mean that it cannot be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    turns: int
    kills: int
    clients: int = 24
    seed: int = 1
    points: tuple[str, ...] = ()


@dataclass(slots=True)
class Deaths:
    """What became of the schedule."""

    kills: int = 0
    by_point: Counter[str] = field(default_factory=Counter[str])
    missed: list[str] = field(default_factory=list[str])
    serving_s: list[float] = field(default_factory=list[float])
    """From each start to the first authenticated answer."""


class Campaign:
    def __init__(self, plan: Plan, home: Path) -> None:
        self.plan = plan
        self.home = home
        self.chance = random.Random(plan.seed)  # noqa: S311  a reproducible campaign
        self.ledger = Ledger()
        self.budget = Budget(plan.turns)
        self.deaths = Deaths()

    async def run(self) -> Account:
        """Send, kill and restart until both counts are reached; then hold the server to it."""
        started = time.monotonic()
        self.home.mkdir(parents=True, exist_ok=True)
        token = _token(self.home)
        server = Server(self.home, address=f"127.0.0.1:{_free_port()}")
        connector = aiohttp.TCPConnector(limit=0)
        try:
            async with aiohttp.ClientSession(connector=connector) as http:
                api = Api(http, f"http://{server.address}", token)
                async with asyncio.TaskGroup() as group:
                    for _ in range(self.plan.clients):
                        chance = random.Random(self.chance.random())  # noqa: S311
                        client = Client(api, self.ledger, self.budget, chance)
                        group.create_task(client.run())
                    group.create_task(self._reap(server, api))
                account = await verify(api, self.ledger, self.deaths)
            if await asyncio.to_thread(server.stop) != 0:
                account.problems.append("the last server did not stop cleanly")
        finally:
            if server.process is not None and server.process.poll() is None:
                server.kill()
        account.duration_s = time.monotonic() - started
        return account

    async def _reap(self, server: Server, api: Api) -> None:
        """Start and kill the server as scheduled; leave it running at the end."""
        apart = max(1, self.plan.turns // max(1, self.plan.kills))
        due = schedule(self.plan.kills, self.plan.points, apart, self.chance)
        missed: Counter[str] = Counter()
        while due:
            death = due.pop(0)
            point = await self._die(server, api, death)
            self.deaths.kills += 1
            if point is not None:
                self.deaths.by_point[point] += 1
            elif death.point is not None:
                missed[death.point] += 1
                due += [Death(point=death.point)] if missed[death.point] < MISSES else []
        self.deaths.missed = sorted(set(self.plan.points) - set(self.deaths.by_point))
        server.variables = {}
        await self._serve(server, api)
        self.budget.kills_done = True

    async def _die(self, server: Server, api: Api, death: Death) -> str | None:
        """One life of the server; the crash point that it died at."""
        crash_at = {} if death.point is None else {VARIABLE: f"{death.point}:{death.nth}"}
        server.variables = crash_at
        if death.starting_s is not None:
            starting = asyncio.create_task(asyncio.to_thread(server.start))
            await asyncio.sleep(death.starting_s)
            _kill(server)
            with contextlib.suppress(ServerDiedError):
                await starting
                await asyncio.to_thread(server.kill)
            return None
        before = self.ledger.acknowledged
        await self._serve(server, api)
        if death.point is None:
            await self.ledger.acknowledgements(before + death.turns)
            await asyncio.sleep(death.pause_s)
            await asyncio.to_thread(server.kill)
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(server.wait, CRASH_WAIT_S)
            return death.point
        await asyncio.to_thread(server.kill)
        return None

    async def _serve(self, server: Server, api: Api) -> None:
        """Start, and note when the first authenticated answer came. A crash point may be
        reached before that."""
        started = time.monotonic()
        try:
            await asyncio.to_thread(server.start)
        except ServerDiedError:
            if not server.variables:
                raise
            return
        with contextlib.suppress(*AWAY):
            await api.request("GET", "/api/conversations?limit=1")
            self.deaths.serving_s.append(time.monotonic() - started)


def _kill(server: Server) -> None:
    if server.process is not None:
        server.process.kill()


def _token(home: Path) -> str:
    made = tertulia("token", "create", "campaign", home=home)
    if made.returncode != 0:
        raise ServerDiedError(made.stderr)
    return made.stdout.strip()


def _free_port() -> int:
    """A port that was free just now: the restarted server must come back to the same one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
