"""The connection: opened when it is needed, opened anew when it is gone."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPError
from yarl import URL

from tertulia.ports.broker_trouble import unavailable
from tertulia.ports.bus import BusUnavailableError

HEARTBEAT_S: Final = 10  # a broker that vanished without a word is noticed after two

CLOSE_S: Final = 2.0  # of the 25 s that a process has to end; the broker gives back what was held

TROUBLE: Final = (AMQPError, OSError, RuntimeError, TimeoutError)
"""A connection or channel that was lost a moment ago raises RuntimeError."""


def translated() -> AbstractContextManager[None]:
    """What the driver raises is BusUnavailableError."""
    return unavailable(TROUBLE, _sentence)


class Link:
    """One connection to the broker, for any number of channels."""

    def __init__(self, url: str, timeout_s: float) -> None:
        address = URL(url)
        if "heartbeat" not in address.query:
            address = address.update_query(heartbeat=HEARTBEAT_S)
        self._url = address
        self._timeout_s = timeout_s
        self._connection: AbstractConnection | None = None
        self._opening = asyncio.Lock()

    async def channel(self, *, confirms: bool = False) -> AbstractChannel:
        """A channel of its own. BusUnavailableError."""
        with translated():
            async with asyncio.timeout(self._timeout_s):
                connection = await self._connected()
                return await connection.channel(
                    publisher_confirms=confirms, on_return_raises=confirms
                )

    @asynccontextmanager
    async def brief_channel(self, *, confirms: bool = False) -> AsyncGenerator[AbstractChannel]:
        """A channel that is closed at the end: what was read and not acknowledged goes back."""
        channel = await self.channel(confirms=confirms)
        try:
            with translated():
                yield channel
        finally:
            await close(channel, self._timeout_s)

    async def close(self) -> None:
        """With all its channels."""
        await self._close(self._connection)

    async def _connected(self) -> AbstractConnection:
        async with self._opening:
            connection = self._connection
            if connection is None or connection.is_closed or not connection.connected.is_set():
                await self._close(connection)
                connection = await aio_pika.connect(self._url, timeout=self._timeout_s)
                self._connection = connection
            return connection

    async def _close(self, connection: AbstractConnection | None) -> None:
        if connection is not None:
            with suppress(BusUnavailableError), translated():
                async with asyncio.timeout(CLOSE_S):
                    await connection.close()


async def close(channel: AbstractChannel, timeout_s: float) -> None:
    """One that the broker has closed already is closed."""
    with suppress(BusUnavailableError), translated():
        async with asyncio.timeout(timeout_s):
            await channel.close()


def _sentence(error: BaseException) -> str:
    return f"RabbitMQ does not answer ({type(error).__name__})."
