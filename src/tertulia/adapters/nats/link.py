"""The connection: opened when it is needed, opened anew when it is gone."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, ConsumerInfo
from nats.js.errors import APIError, NotFoundError

from tertulia.kit.tasks import uninterrupted
from tertulia.ports.broker_trouble import unavailable
from tertulia.ports.bus import BusUnavailableError

PING_S: Final = 5  # a server that vanished without a word is noticed after three
CONNECT_S: Final = 2
LOOK_S: Final = 0.5  # how long a loss that the driver does not tell of may go unnoticed

TROUBLE: Final = (NatsError, OSError, RuntimeError, TimeoutError)
"""Writing to a connection that was lost a moment ago raises RuntimeError."""

T = TypeVar("T")

log = structlog.stdlib.get_logger(__name__)


def translated() -> AbstractContextManager[None]:
    """What the driver raises is BusUnavailableError."""
    return unavailable(TROUBLE, _sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A connection that does not heal: once it is lost, nothing more comes of it."""

    client: Client
    js: JetStreamContext
    lost: asyncio.Event

    @property
    def is_lost(self) -> bool:
        """The driver does not always tell: not of a connection that was lost while it was made, nor
        when it fails while it closes one."""
        return self.lost.is_set() or self.client.is_closed

    async def answer(self, asking: Coroutine[Any, Any, T]) -> T:
        """What `asking` returns; ConnectionClosedError as soon as the connection is lost, where the
        driver would wait on."""
        asked, lost = asyncio.ensure_future(asking), asyncio.create_task(self.lost.wait())
        first = asyncio.FIRST_COMPLETED
        try:
            while not asked.done():
                await asyncio.wait({asked, lost}, return_when=first, timeout=LOOK_S)
                if not asked.done() and self.is_lost:
                    raise ConnectionClosedError
            return asked.result()
        finally:
            for task in (asked, lost):
                task.cancel()

    async def listen(
        self, inbox: str, on_message: Callable[[Msg], Awaitable[None]] | None = None
    ) -> Subscription:
        """Without a callback, ask the subscription."""
        return await self.client.subscribe(inbox, cb=on_message)  # pyright: ignore[reportUnknownMemberType]  its annotations are partial

    async def consumer(self, stream: str, config: ConsumerConfig) -> ConsumerInfo:
        """Make it, or give an existing one this configuration. NotFoundError also when the stream
        is deleted meanwhile."""
        try:
            return await self.answer(self.js.add_consumer(stream, config))  # pyright: ignore[reportUnknownMemberType]  its annotations are partial
        except TypeError as error:  # the server answered well, but had nothing left to describe
            raise NotFoundError from error


@dataclass(slots=True)
class Link:
    """One connection at a time."""

    url: str
    timeout_s: float
    _line: Line | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def line(self) -> Line:
        """The connection, made anew if need be. Raises what the driver raises."""
        async with self._opening:
            if self._line is None or self._line.is_lost:
                await self._close()
                async with asyncio.timeout(self.timeout_s):
                    self._line = await _connected(self.url, self.timeout_s)
            return self._line

    async def close(self) -> None:
        """With all its subscriptions."""
        async with self._opening:
            await self._close()

    async def _close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await _closed(line.client, self.timeout_s)


async def _connected(url: str, timeout_s: float) -> Line:
    client, lost = Client(), asyncio.Event()

    async def on_closed() -> None:
        lost.set()

    try:
        await client.connect(  # pyright: ignore[reportUnknownMemberType]  its annotations are partial
            **_address(url),
            closed_cb=on_closed,
            error_cb=_on_error,
            # What is sent while a connection heals would arrive late, after its successors.
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0.1,  # pyright: ignore[reportArgumentType]  any number will do
            connect_timeout=CONNECT_S,
            ping_interval=PING_S,
        )
    except BaseException:
        await uninterrupted(_closed(client, CONNECT_S))
        raise
    js = client.jetstream(timeout=timeout_s)  # pyright: ignore[reportUnknownMemberType]  its annotations are partial
    return Line(client=client, js=js, lost=lost)


async def _closed(client: Client, timeout_s: float) -> None:
    with suppress(BusUnavailableError), translated():
        async with asyncio.timeout(timeout_s):
            await client.close()


def _address(url: str) -> dict[str, Any]:
    """`nats://user:password@host:4222,other:4222`: all servers of a cluster are signed in to alike.
    A name without a password is a token. `tls://` asks for TLS; `cafile`, `certfile` and `keyfile`
    in the query are paths of PEM files for it."""
    parts = urlsplit(url)
    signing, _, hosts = parts.netloc.rpartition("@")
    user, colon, password = signing.partition(":")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    address: dict[str, Any] = {
        "servers": [f"{parts.scheme}://{host}" for host in hosts.split(",") if host]
    }
    if colon:
        address |= {"user": unquote(user), "password": unquote(password)}
    elif user:
        address["token"] = unquote(user)
    if parts.scheme == "tls" or "cafile" in query:
        context = ssl.create_default_context(cafile=query.get("cafile"))
        if "certfile" in query:
            context.load_cert_chain(query["certfile"], query.get("keyfile"))
        address["tls"] = context
    return address


async def _on_error(error: Exception) -> None:
    log.debug("nats", error=type(error).__name__)


def _sentence(error: BaseException) -> str:
    if isinstance(error, APIError):
        return f"NATS refuses: {error.description}."
    return f"NATS does not answer ({type(error).__name__})."
