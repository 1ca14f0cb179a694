"""Clients of Kafka: opened when they are needed, opened anew when they are gone."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import Final
from urllib.parse import unquote, urlsplit

from tertulia.adapters.kafka.driver import (
    Access,
    Admin,
    Consumer,
    KafkaError,
    OffsetAndMetadata,
    Producer,
    TopicPartition,
    cut,
)
from tertulia.adapters.kafka.settings import KafkaSettings
from tertulia.ports.broker_trouble import unavailable
from tertulia.ports.bus import BusUnavailableError

REBALANCE_S: Final = 25.0  # what a process may take to end its work

AGAIN_S: Final = 0.1
LEAVE_S: Final = 5.0
START_S: Final = 2.0

TROUBLE: Final = (KafkaError, OSError, RuntimeError, TimeoutError)
"""Writing to a connection that was lost a moment ago raises RuntimeError."""


def translated() -> AbstractContextManager[None]:
    """What the driver raises is BusUnavailableError."""
    return unavailable(TROUBLE, _sentence)


class Link:
    """Makes clients, and keeps one for topics and groups."""

    def __init__(self, url: str, settings: KafkaSettings, timeout_s: float) -> None:
        self._url = url
        self._settings = settings
        self.timeout_s = timeout_s
        self._access: Access | None = None
        self._admin: Admin | None = None
        self._opening = asyncio.Lock()

    def producer(self) -> Producer:
        """Not started."""
        return self._way.producer(timeout_s=self.timeout_s)

    def member(self, group: str) -> Consumer:
        """Not started."""
        session_s = self._settings.session_s
        return self._way.consumer(group=group, session_s=session_s, rebalance_s=REBALANCE_S)

    @asynccontextmanager
    async def admin(self) -> AsyncGenerator[Admin]:
        """BusUnavailableError, also for the body; then the next one gets another."""
        admin: Admin | None = None
        try:
            with translated():
                async with asyncio.timeout(self.timeout_s):
                    admin = await self._administration()
                    yield admin
        except BusUnavailableError:
            if admin is not None and self._admin is admin:
                self._admin = None
                await _closed(admin)
            raise

    @asynccontextmanager
    async def reader(self) -> AsyncGenerator[Consumer]:
        """BusUnavailableError, also for the body."""
        consumer = self._way.reader(timeout_s=self.timeout_s)
        try:
            with translated():
                async with asyncio.timeout(self.timeout_s):
                    await start(consumer)
                    yield consumer
        finally:
            await leave(consumer)

    async def close(self) -> None:
        """What is kept."""
        if self._admin is not None:
            await _closed(self._admin)

    @property
    def _way(self) -> Access:
        if self._access is None:
            self._access = _access(self._url, self._settings)
        return self._access

    async def _administration(self) -> Admin:
        async with self._opening:
            if self._admin is None:
                admin = self._way.admin(timeout_s=self.timeout_s)
                try:
                    await start(admin)
                except BaseException:
                    await _closed(admin)
                    raise
                self._admin = admin
            return self._admin


async def start(client: Admin | Consumer | Producer) -> None:
    """Start it. The driver leaves connections behind when that breaks off in the middle, so whoever
    is told to stop meanwhile waits a moment for it."""
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting}, timeout=START_S)
        starting.cancel()
        raise


async def leave(consumer: Consumer) -> None:
    """Stop it; where nobody answers, without saying good-bye."""
    try:
        with translated():
            async with asyncio.timeout(LEAVE_S):
                await consumer.stop()
    except BusUnavailableError:
        with suppress(BusUnavailableError), translated():
            await cut(consumer)


async def bookmarks(admin: Admin, group: str) -> Mapping[TopicPartition, OffsetAndMetadata]:
    """What a group has committed. Its coordinator may take a while to be there."""
    while True:
        try:
            return await admin.list_consumer_group_offsets(group)
        except KafkaError as error:
            if not error.retriable:
                raise
        await asyncio.sleep(AGAIN_S)


def _access(url: str, settings: KafkaSettings) -> Access:
    """OSError when a file of certificates cannot be read."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    context = None
    if parts.scheme == "kafkas":
        context = ssl.create_default_context(cafile=settings.authorities)
        if settings.certificate is not None:
            context.load_cert_chain(settings.certificate)
    return Access(
        servers=[host if ":" in host else f"{host}:9092" for host in hosts.split(",")],
        protocol=("SASL_" if user else "") + ("SSL" if context else "PLAINTEXT"),
        mechanism=settings.mechanism,
        user=unquote(user),
        password=unquote(password),
        ssl_context=context,
    )


async def _closed(admin: Admin) -> None:
    with suppress(BusUnavailableError), translated():
        await admin.close()


def _sentence(error: BaseException) -> str:
    return f"Kafka does not answer ({type(error).__name__})."
