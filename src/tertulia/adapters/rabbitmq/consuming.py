"""Consuming the queues of a topic that are ours."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, cast

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.channel import Channel as Wire

from tertulia.adapters.rabbitmq.link import Link, close, translated
from tertulia.adapters.rabbitmq.publishing import Publisher
from tertulia.adapters.rabbitmq.shares import Division
from tertulia.adapters.rabbitmq.topology import Topology
from tertulia.kit.metrics import BUS_BROKER_LOST
from tertulia.kit.tasks import uninterrupted
from tertulia.ports.broker import Hands, Letter
from tertulia.ports.bus import BusUnavailableError

AGAIN_S: Final = 0.2
AGAIN_MAX_S: Final = 2.0
ACK_S: Final = 2.0  # the driver's queue is full when its connection hangs

log = structlog.stdlib.get_logger(__name__)


class _Delivered:
    """Held (ports.broker)."""

    def __init__(self, message: AbstractIncomingMessage, share: str, publisher: Publisher) -> None:
        self._message = message
        self._publisher = publisher
        self.data = message.body
        self.share = share
        self.returns = cast("int", message.headers.get("x-delivery-count", 0))

    async def done(self) -> None:
        wire = cast("Wire", self._message.channel)
        with translated():
            async with asyncio.timeout(ACK_S):
                # Nothing comes back. An acknowledgement that is lost with its connection means
                # that the message comes again.
                await wire.basic_ack(cast("int", self._message.delivery_tag), wait=False)

    async def bury(self, letter: Letter) -> None:
        await self._publisher.bury(self._message.message_id or "", letter)
        await self.done()


class Consumption:
    """One subscription: a channel for each queue that is ours."""

    def __init__(
        self,
        link: Link,
        publisher: Publisher,
        topology: Topology,
        topic: str,
        hands: Hands,
        *,
        concurrency: int,
        timeout_s: float,
        look_s: float,
    ) -> None:
        self._link = link
        self._publisher = publisher
        self._topology = topology
        self._topic = topic
        self._hands = hands
        # Twice, so that a key that waits for its retry leaves work for the others.
        self._prefetch = min(2 * concurrency + 6, 500)
        self._timeout_s = timeout_s
        self._look_s = look_s

    async def run(self, division: Division | None) -> None:
        """Until cancelled. None: all queues, whoever else there is."""
        queues = self._topology.queues(self._topic)
        async with asyncio.TaskGroup() as group:
            if division is None:
                for queue in queues:
                    group.create_task(self._consume_for_ever(queue))
            else:
                group.create_task(self._follow(division, queues, group))

    async def _follow(
        self, division: Division, queues: Sequence[str], group: asyncio.TaskGroup
    ) -> None:
        running: dict[str, asyncio.Task[None]] = {}
        async with division.joined():
            try:
                while True:
                    ours = division.ours(queues)
                    for queue in set(running) - set(ours):
                        running[queue].cancel()
                    running = {q: task for q, task in running.items() if not task.done()}
                    for queue in set(ours) - set(running):
                        running[queue] = group.create_task(self._consume_for_ever(queue))
                    await division.pause()
                    await division.look()
            finally:
                # Our place is free once our queues are.
                for task in running.values():
                    task.cancel()
                if running:
                    await uninterrupted(_ended(running.values()))

    async def _consume_for_ever(self, queue: str) -> None:
        """Over any number of connections."""
        pause_s = AGAIN_S
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._consume(queue)
            except BusUnavailableError as error:
                BUS_BROKER_LOST.labels(self._topic).inc()
                log.warning("queue lost", queue=queue, error=error.message)
            if asyncio.get_running_loop().time() - began > AGAIN_MAX_S:
                pause_s = AGAIN_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, AGAIN_MAX_S)

    async def _consume(self, queue: str) -> None:
        """Until the channel is lost. Closing it gives back, at once and in order, what is not
        acknowledged; cancelling the consumer first would let the next one run ahead of that."""
        await self._publisher.declare(self._topic)
        channel = await self._link.channel()
        ours = _Ours(self._hands, queue, self._publisher)
        try:
            with translated():
                await ours.begin(channel, self._prefetch, self._timeout_s)
                await ours.watch(channel, self._look_s)
            # The next attempt makes the queue anew if it was deleted.
            self._publisher.declared.discard(self._topic)
        finally:
            ours.closing = True
            await uninterrupted(self._give_back(queue, channel))

    async def _give_back(self, queue: str, channel: AbstractChannel) -> None:
        await self._hands.give_up(queue)
        await close(channel, self._timeout_s)


class _Ours:
    """A queue while it is ours."""

    def __init__(self, hands: Hands, queue: str, publisher: Publisher) -> None:
        self._hands = hands
        self._queue = queue
        self._publisher = publisher
        self.lost = asyncio.Event()
        self.closing = False

    async def begin(self, channel: AbstractChannel, prefetch: int, timeout_s: float) -> None:
        async with asyncio.timeout(timeout_s):
            await channel.set_qos(prefetch_count=prefetch)
            channel.close_callbacks.add(self._on_lost)
            wire = await channel.get_underlay_channel()
            wire.on_consumer_cancel_callbacks.add(self._on_lost)
            queue = await channel.get_queue(self._queue, ensure=False)
            await queue.consume(self._on_message)

    async def watch(self, channel: AbstractChannel, look_s: float) -> None:
        """Until the queue is lost."""
        while not self.lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(look_s):
                    await self.lost.wait()
                    return
            seen = await channel.declare_queue(self._queue, passive=True, timeout=look_s)
            if not seen.declaration_result.consumer_count:
                return

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        if not self.closing:
            self._hands.take(_Delivered(message, self._queue, self._publisher))

    def _on_lost(self, *_: object) -> None:
        self.lost.set()


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    await asyncio.wait(list(tasks))
