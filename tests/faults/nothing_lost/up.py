"""The embedded default: one process of `tertulia up` on SQLite."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from tertulia.kit.crash_points import CRASH_POINTS, ONLY_WITH_A_BROKER, ONLY_WITH_A_LOG, VARIABLE
from tests.e2e.api import Api
from tests.e2e.server import Server, ServerDiedError, tertulia
from tests.faults.nothing_lost.client import AWAY
from tests.faults.nothing_lost.deaths import CRASH_WAIT_S, Death
from tests.faults.nothing_lost.ledger import Ledger
from tests.faults.nothing_lost.stand import Moment
from tests.servers.session import free_ports

POINTS: Final = tuple(sorted(CRASH_POINTS - ONLY_WITH_A_BROKER - ONLY_WITH_A_LOG))


class UpStand:
    """Comes back to the same port and home after every death."""

    points: Sequence[str] = POINTS
    servers: Sequence[str] = ()
    at_once = 1

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        (port,) = free_ports(1)
        self._server = Server(home, address=f"127.0.0.1:{port}")
        self.doors: Sequence[str] = (f"http://{self._server.address}",)
        self.token = _token(home)

    @asynccontextmanager
    async def opened(self, ledger: Ledger) -> AsyncGenerator[None]:
        self._ledger = ledger
        try:
            async with aiohttp.ClientSession() as http:
                self._api = Api(http, self.doors, self.token)
                yield
        finally:
            process = self._server.process
            if process is not None and process.poll() is None:
                self._server.kill()

    async def die(self, death: Death, moment: Moment) -> str | None:
        server = self._server
        server.variables = {} if death.point is None else {VARIABLE: f"{death.point}:{death.nth}"}
        if death.starting_s is not None:
            await self._die_while_starting(death.starting_s)
            return None
        await self._start()
        if death.point is None:
            await moment()
            await asyncio.to_thread(server.kill)
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(server.wait, CRASH_WAIT_S)
            return death.point
        await asyncio.to_thread(server.kill)
        return None

    async def settle(self) -> None:
        """Its next life tells."""

    async def serve(self) -> None:
        self._server.variables = {}
        await self._start()

    async def end(self) -> Sequence[str]:
        stopped = await asyncio.to_thread(self._server.stop)
        return ["the last server did not stop cleanly"] if stopped else []

    async def _die_while_starting(self, starting_s: float) -> None:
        starting = asyncio.create_task(asyncio.to_thread(self._server.start))
        await asyncio.sleep(starting_s)
        if self._server.process is not None:
            self._server.process.kill()
        with contextlib.suppress(ServerDiedError):
            await starting
            await asyncio.to_thread(self._server.kill)

    async def _start(self) -> None:
        """Note when the first authenticated answer came. A crash point may be reached before
        that."""
        started = time.monotonic()
        try:
            await asyncio.to_thread(self._server.start)
        except ServerDiedError:
            if not self._server.variables:
                raise
            return
        with contextlib.suppress(*AWAY):
            await self._api.request("GET", "/api/conversations?limit=1")
            self._ledger.serving_s.append(time.monotonic() - started)


def _token(home: Path) -> str:
    made = tertulia("token", "create", "campaign", home=home)
    if made.returncode != 0:
        raise ServerDiedError(made.stderr)
    return made.stdout.strip()
