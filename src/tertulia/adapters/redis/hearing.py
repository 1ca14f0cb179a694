"""The one connection of a process that hears what others publish."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog

from tertulia.adapters.redis.line import AGAIN_S, answer, troubles

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

SIGN_OF_LIFE_S: Final = 5.0  # a connection that is silent for twice as long is given up

Listener = Callable[[bytes | None], Awaitable[None]]
"""Takes a message; None: some may have been missed. All wait for it, so it must not wait itself."""

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class _Channel:
    listeners: list[Listener] = field(default_factory=list[Listener])
    asked: int = 0
    """Subscriptions that were sent and not confirmed yet."""
    sent: bool = False
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while every message of the channel arrives."""
    missed: bool = False
    """Whether a listener was there when messages did not arrive."""


class Hearing:
    """Subscribes to the channels that have listeners in this process, and to no others, so a
    message costs only the processes that want it.

    A connection that breaks is made anew; then every listener is told that it may have missed
    something, once its channel is subscribed again.
    """

    def __init__(self, connect: Callable[[], "AbstractConnection"], *, timeout_s: float) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._channels: dict[bytes, _Channel] = {}
        self._changed: dict[bytes, None] = {}  # an ordered set
        self._change = asyncio.Event()
        self._connected = False
        self._heard_at = 0.0

    async def listen(self, channel: str, listener: Listener) -> bool:
        """Whether all that is published from now on will be heard; False while Redis is away:
        then the listener is told when it is back."""
        name = channel.encode()
        found = self._channels.setdefault(name, _Channel())
        found.listeners.append(listener)
        if found.heard.is_set():
            return True
        self._mark(name)
        try:
            async with asyncio.timeout(self._timeout_s if self._connected else 0):
                await found.heard.wait()
        except TimeoutError:
            found.missed = True
        return found.heard.is_set()

    def leave(self, channel: str, listener: Listener) -> None:
        """Once for each `listen`."""
        name = channel.encode()
        self._channels[name].listeners.remove(listener)
        if not self._channels[name].listeners:
            self._mark(name)

    async def run(self) -> None:
        """Serve until cancelled."""
        pause_s = AGAIN_S[0]
        while True:
            connection = self._connect()
            try:
                async with asyncio.timeout(self._timeout_s):
                    await connection.connect()
                pause_s = AGAIN_S[0]
                await self._serve(connection)
            except* troubles() as errors:
                log.info("redis is not heard", reason=type(errors.exceptions[0]).__name__)
            finally:
                self._deafen()
                await connection.disconnect(nowait=True)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  no secret
            pause_s = min(pause_s * 2, AGAIN_S[1])

    async def _serve(self, connection: "AbstractConnection") -> None:
        self._connected = True
        self._heard_at = asyncio.get_running_loop().time()
        for name in self._channels:
            self._mark(name)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._subscribe(connection))
            group.create_task(self._watch(connection))
            group.create_task(self._receive(connection))

    async def _subscribe(self, connection: "AbstractConnection") -> None:
        """Tell Redis which channels are wanted; those that come and go together, together."""
        while True:
            await self._change.wait()
            self._change.clear()
            names, self._changed = self._changed, {}
            wanted: list[bytes] = []
            unwanted: list[bytes] = []
            for name in names:
                channel = self._channels[name]
                if channel.listeners and not channel.sent:
                    channel.sent = True
                    channel.asked += 1
                    wanted.append(name)
                elif not channel.listeners:
                    if channel.sent:
                        unwanted.append(name)
                    del self._channels[name]
            if unwanted:
                await connection.send_command("UNSUBSCRIBE", *unwanted, check_health=False)
            if wanted:
                await connection.send_command("SUBSCRIBE", *wanted, check_health=False)

    async def _watch(self, connection: "AbstractConnection") -> None:
        """Notice a connection that died without a word."""
        while True:
            await connection.send_command("PING", check_health=False)
            await asyncio.sleep(SIGN_OF_LIFE_S)
            if asyncio.get_running_loop().time() - self._heard_at > 2 * SIGN_OF_LIFE_S:
                raise TimeoutError

    async def _receive(self, connection: "AbstractConnection") -> None:
        loop = asyncio.get_running_loop()
        while True:
            kind, name, value = _message(await answer(connection))
            self._heard_at = loop.time()
            channel = self._channels.get(name)
            if channel is None:
                continue
            if kind == b"message":
                for listener in tuple(channel.listeners):
                    await listener(value)
            elif kind == b"subscribe":
                await self._confirm(channel)

    async def _confirm(self, channel: _Channel) -> None:
        channel.asked -= 1
        if channel.asked > 0:  # one before it was taken back meanwhile
            return
        channel.heard.set()
        if channel.missed:
            channel.missed = False
            for listener in tuple(channel.listeners):
                await listener(None)

    def _deafen(self) -> None:
        self._connected = False
        self._changed.clear()
        for name, channel in list(self._channels.items()):
            channel.heard.clear()
            channel.sent, channel.asked, channel.missed = False, 0, True
            if not channel.listeners:
                del self._channels[name]

    def _mark(self, name: bytes) -> None:
        self._changed[name] = None
        self._change.set()


def _message(said: Any) -> tuple[bytes, bytes, bytes]:
    """Kind, channel and payload. An answer to PING is of another kind."""
    kind, name, *payload = said
    return kind, name, payload[0] if kind == b"message" else b""
