"""A subject while it is ours."""

import asyncio
from contextlib import suppress
from typing import Final

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from tertulia.adapters.nats.link import translated
from tertulia.adapters.nats.publishing import Publisher
from tertulia.adapters.nats.settings import NatsSettings
from tertulia.kit.tasks import beside
from tertulia.ports.broker import Hands, Letter

ACK_S: Final = 2.0  # what the driver has yet to send may be no more than it can hold
SILENCES: Final = 2.8  # two heartbeats may be missing, and the third be late

log = structlog.stdlib.get_logger(__name__)


class _Delivered:
    """Held (ports.broker)."""

    def __init__(self, message: Msg, holding: "Holding") -> None:
        self._message = message
        self._holding = holding
        self._sequence = message.metadata.sequence.stream
        self.data = message.data
        self.share = holding.subject
        self.returns = message.metadata.num_delivered - 1

    async def done(self) -> None:
        with translated():
            async with asyncio.timeout(ACK_S):
                # Nothing comes back. An acknowledgement that is lost with its connection means
                # that the message comes again.
                await self._message.ack()
        self._holding.in_hand.pop(self._sequence, None)

    async def bury(self, letter: Letter) -> None:
        await self._holding.publisher.bury(f"{self.share}-{self._sequence}", letter)
        await self.done()

    async def speak(self) -> None:
        """Say that it is in our hands."""
        await self._message.in_progress()


class Holding:
    """What comes to our inbox, and what we have in hand of it."""

    def __init__(self, hands: Hands, subject: str, publisher: Publisher) -> None:
        self._hands = hands
        self.subject = subject
        self.publisher = publisher
        self.in_hand: dict[int, _Delivered] = {}
        """By their number in the stream."""
        self.closing = False
        self._heard = True
        self._delivered: int | None = None
        self._gap = asyncio.Event()

    async def on_message(self, message: Msg) -> None:
        """A message, a heartbeat, or the question of another process whether we live."""
        if message.subject == self.subject:
            self._heard = True
            if not self.closing:
                self._take(message)
        elif message.headers:
            self._heard = True
        elif message.reply:
            await message.respond(b"")

    async def watch(self, settings: NatsSettings) -> None:
        """Until the server has nothing more to say to us (the stream or the consumer was deleted,
        or another process has it), or something on its way to us was lost."""
        async with beside(self._speak_for_ever(settings.ack_s / 3)):
            while self._heard and not self._gap.is_set():
                self._heard = False
                with suppress(TimeoutError):
                    async with asyncio.timeout(SILENCES * settings.heartbeat_s):
                        await self._gap.wait()
        log.warning("consumer lost", subject=self.subject, gap=self._gap.is_set())

    def _take(self, message: Msg) -> None:
        sequence = message.metadata.sequence
        if self._delivered is not None and sequence.consumer != self._delivered + 1:
            self._gap.set()  # what is missing comes before this, from a consumer that is bound anew
            self.closing = True
            return
        self._delivered = sequence.consumer
        if sequence.stream not in self.in_hand:  # else we were too busy to speak of it
            self.in_hand[sequence.stream] = _Delivered(message, self)
            self._hands.take(self.in_hand[sequence.stream])

    async def _speak_for_ever(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            with suppress(NatsError, OSError):  # who watches the connection sees to that
                for held in list(self.in_hand.values()):
                    await held.speak()
