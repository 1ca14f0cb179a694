"""One address for all gateways, as a Service of Kubernetes is to its clients."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

import aiohttp

PROBE: Final = aiohttp.ClientTimeout(total=1)
PIECE: Final = 65_536


class Service:
    """A connection goes to a gateway that was ready when they were last asked, every `look_s`, and
    stays with it, whatever becomes of that: as kube-proxy does it, with its lag."""

    def __init__(self, doors: Sequence[str], look_s: float, chance: random.Random) -> None:
        self._doors = doors
        self._look_s = look_s
        self._chance = chance
        self._ready: list[str] = []
        self._looked = asyncio.Condition()
        self.url = ""
        self.open = 0
        """Connections, now."""

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """Serves until it is left; entered when all gateways are ready."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        async with aiohttp.ClientSession(timeout=PROBE) as http, asyncio.TaskGroup() as group:
            looking = group.create_task(self._look(http))
            try:
                await self.until_ready(*self._doors)
                yield
            finally:
                looking.cancel()
                server.close()

    async def until_ready(self, *doors: str) -> None:
        """Returns when all of these get connections."""
        async with self._looked:
            await self._looked.wait_for(lambda: set(doors) <= set(self._ready))

    async def _look(self, http: aiohttp.ClientSession) -> None:
        while True:
            found = await asyncio.gather(*(self._found(http, door) for door in self._doors))
            async with self._looked:
                self._ready = [d for d, ready in zip(self._doors, found, strict=True) if ready]
                self._looked.notify_all()
            await asyncio.sleep(self._look_s)

    async def _found(self, http: aiohttp.ClientSession, door: str) -> bool:
        """A probe that gets no answer in time changes nothing; three would."""
        try:
            return await is_ready(http, door)
        except TimeoutError:
            return door in self._ready

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            door = urlsplit(self._chance.choice(self._ready))
            there, towards = await asyncio.open_connection(door.hostname, door.port)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass(reader, towards))
                group.create_task(_pass(there, writer))
        except (OSError, IndexError):  # nobody is ready, or whoever was is gone
            writer.transport.abort()
        finally:
            self.open -= 1


async def is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    """What a readiness probe finds; TimeoutError when it gets no answer in time."""
    try:
        async with http.get(f"{url}/ready") as answer:
            return answer.status == 200
    except aiohttp.ServerTimeoutError:
        raise
    except aiohttp.ClientError:
        return False


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All that comes, and then the end of it, however it came."""
    try:
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
    except OSError:
        writer.transport.abort()
    with suppress(OSError):
        writer.close()
