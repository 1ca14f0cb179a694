"""Dead letters: a stream that is read from its beginning."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError, ServerError

from tertulia.adapters.nats.link import translated
from tertulia.adapters.nats.publishing import ATTEMPTS, DIED_US, REASON, Publisher
from tertulia.adapters.nats.topology import Topology
from tertulia.kit.clock import from_us
from tertulia.ports.broker import Letter, Parcel

ABANDONED_S = 30.0
"""After how long the server forgets a reader who died."""


class Shelf:
    """Reading takes nothing away, so any number of people may."""

    def __init__(self, publisher: Publisher, topology: Topology, timeout_s: float) -> None:
        self._publisher = publisher
        self._topology = topology
        self._timeout_s = timeout_s

    async def letters(self, limit: int) -> Sequence[Letter]:
        """See the port's `letters`."""
        found: list[Letter] = []
        async with aclosing(self._read()) as messages:
            async for message in messages:
                found.append(_letter(message))
                if len(found) == limit:
                    break
        return found

    async def revive(self, choose: Callable[[bytes], Parcel | None]) -> int:
        """See the port's `revive`. One at a time: a letter is dropped once its parcel is kept. The
        letter's number stands in the parcel's id, so of two who revive it at once one does."""
        revived = 0
        async with aclosing(self._read()) as messages:
            async for message in messages:
                parcel = choose(message.data)
                if parcel is None:
                    continue
                number, died_us = message.metadata.sequence.stream, _headers(message).get(DIED_US)
                if await self._publisher.publish_again(parcel, f"revived-{number}-{died_us}"):
                    revived += await self._dropped(number)
        return revived

    async def _dropped(self, number: int) -> bool:
        with translated():
            line = await self._publisher.ready()
            try:
                return await line.answer(line.js.delete_msg(self._topology.dead, number))
            except (NotFoundError, ServerError):  # there is no such letter any more
                return False

    async def _read(self) -> AsyncGenerator[Msg]:
        """Those that are there now, oldest first."""
        with translated():
            line = await self._publisher.ready()
            info = await line.answer(line.js.stream_info(self._topology.dead))
            if not info.state.messages:
                return
            inbox = line.client.new_inbox()
            subscription = await line.listen(inbox)
            try:
                config = ConsumerConfig(
                    deliver_subject=inbox,
                    ack_policy=AckPolicy.NONE,
                    inactive_threshold=ABANDONED_S,
                    mem_storage=True,
                )
                await line.consumer(self._topology.dead, config)
                waiting = 1
                while waiting:
                    message = await subscription.next_msg(timeout=self._timeout_s)
                    yield message
                    waiting = message.metadata.num_pending
            finally:
                with suppress(NatsError, OSError):
                    await subscription.unsubscribe()


def _headers(message: Msg) -> dict[str, str]:
    return message.headers or {}


def _letter(message: Msg) -> Letter:
    headers = _headers(message)
    died_us = headers.get(DIED_US)
    return Letter(
        data=message.data,
        attempts=int(headers.get(ATTEMPTS, "0")),
        reason=headers.get(REASON, ""),
        died_at=from_us(int(died_us)) if died_us else datetime.now(UTC),
    )
