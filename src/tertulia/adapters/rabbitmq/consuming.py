"""Consuming the queues of a topic that are ours."""

import asyncio
from contextlib import suppress
from typing import Final, cast

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.channel import Channel as Wire

from tertulia.adapters.rabbitmq.link import Link, close, translated
from tertulia.adapters.rabbitmq.publishing import Publisher
from tertulia.adapters.rabbitmq.topology import Topology
from tertulia.kit.tasks import uninterrupted
from tertulia.ports.broker import Hands, Letter
from tertulia.ports.broker_shares import Division, consume_shares

ACK_S: Final = 2.0  # the driver's queue is full when its connection hangs


class _Delivered:
    """Held (ports.broker)."""

    def __init__(self, message: AbstractIncomingMessage, ours: "_Ours") -> None:
        self._message = message
        self._ours = ours
        self.data = message.body
        self.share = ours.queue
        self.returns = cast("int", message.headers.get("x-delivery-count", 0))

    async def done(self) -> None:
        with translated():
            wire = cast("Wire", self._message.channel)  # raises when it is closed
            async with asyncio.timeout(ACK_S):
                # Nothing comes back. An acknowledgement that is lost with its connection means
                # that the message comes again.
                await wire.basic_ack(cast("int", self._message.delivery_tag), wait=False)
        self._ours.in_hand -= 1

    async def bury(self, letter: Letter) -> None:
        await self._ours.publisher.bury(self._message.message_id or "", letter)
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
        await consume_shares(self._topic, queues, division, self._consume)

    async def _consume(self, queue: str) -> None:
        """Until it is lost."""
        while await self._consume_on_a_channel(queue):
            pass

    async def _consume_on_a_channel(self, queue: str) -> bool:
        """Whether to go on at once, on another channel. Closing one gives back, at once and in
        order, what is not acknowledged; cancelling the consumer first would let the next one run
        ahead of that."""
        with translated():
            await self._publisher.declare(self._topic)
        channel = await self._link.channel()
        ours = _Ours(self._hands, queue, self._publisher)
        idle = False
        try:
            with translated():
                await ours.begin(channel, self._prefetch, self._timeout_s)
            idle = await ours.watch(channel, self._look_s)
            return idle
        finally:
            ours.closing = True
            if not idle:  # it may be deleted: the next attempt makes it anew
                self._publisher.declared.discard(self._topic)
            await uninterrupted(self._give_back(queue, channel))

    async def _give_back(self, queue: str, channel: AbstractChannel) -> None:
        await self._hands.give_up(queue)
        await close(channel, self._timeout_s)


class _Ours:
    """A queue while it is ours."""

    def __init__(self, hands: Hands, queue: str, publisher: Publisher) -> None:
        self._hands = hands
        self.queue = queue
        self.publisher = publisher
        self.in_hand = 0
        self.closing = False
        self._lost = asyncio.Event()
        self._heard = True

    async def begin(self, channel: AbstractChannel, prefetch: int, timeout_s: float) -> None:
        async with asyncio.timeout(timeout_s):
            await channel.set_qos(prefetch_count=prefetch)
            channel.close_callbacks.add(self._on_lost)
            wire = await channel.get_underlay_channel()
            wire.on_consumer_cancel_callbacks.add(self._on_lost)
            queue = await channel.get_queue(self.queue, ensure=False)
            await queue.consume(self._on_message)

    async def watch(self, channel: AbstractChannel, look_s: float) -> bool:
        """Until the queue is lost; whether it is only idle. A queue that was deleted and made anew
        at once may list this consumer and give it nothing: one that gets nothing is renewed."""
        while not self._lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(look_s):
                    await self._lost.wait()
                    return False
            with translated():
                seen = await channel.declare_queue(self.queue, passive=True, timeout=look_s)
            if not seen.declaration_result.consumer_count:
                return False
            if not (self._heard or self.in_hand):
                return True
            self._heard = False
        return False

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        self._heard = True
        if not self.closing:
            self.in_hand += 1
            self._hands.take(_Delivered(message, self))

    def _on_lost(self, *_: object) -> None:
        self._lost.set()
