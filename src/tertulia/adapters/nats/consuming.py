"""Consuming the subjects of a topic that are ours."""

import asyncio
from contextlib import suppress
from typing import Final

import structlog
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.errors import BadRequestError, NotFoundError

from tertulia.adapters.nats.holding import Holding
from tertulia.adapters.nats.link import Line, translated
from tertulia.adapters.nats.publishing import Publisher
from tertulia.adapters.nats.settings import NatsSettings
from tertulia.adapters.nats.topology import Topology
from tertulia.kit.tasks import uninterrupted
from tertulia.ports.broker import Hands
from tertulia.ports.broker_shares import Division, consume_shares

FLUSH_S: Final = 2
ASK_AGAIN_S: Final = 0.5
"""How long to wait for a process's answer until it is asked again; doubles with each time."""
NAME_IN_USE: Final = 10013  # the server's own code

log = structlog.stdlib.get_logger(__name__)


class Consumption:
    """One subscription: an inbox for each subject that is ours, to which its consumer pushes.

    A push consumer has one inbox, and the server changes it only when nobody listens at it any
    more: so one process at a time has the messages of a subject. With a new inbox all that is not
    acknowledged comes again first, in order.
    """

    def __init__(
        self,
        publisher: Publisher,
        topology: Topology,
        topic: str,
        hands: Hands,
        settings: NatsSettings,
        *,
        concurrency: int,
    ) -> None:
        self._publisher = publisher
        self._topology = topology
        self._topic = topic
        self._hands = hands
        self._settings = settings
        # Twice, so that a key that waits for its retry leaves work for the others.
        self._window = min(2 * concurrency + 6, 500)

    async def run(self, division: Division | None) -> None:
        """Until cancelled. None: all subjects, whoever else there is."""
        subjects = self._topology.subjects(self._topic)
        await consume_shares(self._topic, subjects, division, self._consume)

    async def _consume(self, subject: str) -> None:
        """Until it is lost; not at all while another process has it."""
        with translated():
            line = await self._publisher.ready()
        inbox = line.client.new_inbox()
        holding = Holding(self._hands, subject, self._publisher)
        with translated():
            # Before the consumer: one that pushes to where nobody listens is anybody's.
            subscription = await line.listen(inbox, holding.on_message)
        try:
            await self._hold(subject, line, inbox, holding)
        finally:
            holding.closing = True
            await uninterrupted(self._give_back(subject, line, subscription))
        self._publisher.doubt()

    async def _hold(self, subject: str, line: Line, inbox: str, holding: Holding) -> None:
        with translated():
            try:
                is_ours = await self._bound(line, subject, inbox)
            except NotFoundError:
                self._publisher.doubt()
                raise
        if is_ours:
            with translated():
                await line.answer(holding.watch(self._settings))

    async def _give_back(self, subject: str, line: Line, subscription: Subscription) -> None:
        await self._hands.give_up(subject)
        with suppress(NatsError, OSError):
            await subscription.unsubscribe()
            await line.client.flush(timeout=FLUSH_S)

    async def _bound(self, line: Line, subject: str, inbox: str) -> bool:
        """Whether the subject is ours now."""
        config = self._topology.consumer(
            subject,
            inbox,
            window=self._window,
            ack_s=self._settings.ack_s,
            heartbeat_s=self._settings.heartbeat_s,
        )
        try:
            await line.consumer(self._topology.stream, config)
        except BadRequestError as error:
            await self._challenge(line, subject, in_use=error.err_code == NAME_IN_USE)
            return False
        return True

    async def _challenge(self, line: Line, subject: str, *, in_use: bool) -> None:
        """Take the subject from a process that hangs: a consumer made anew delivers, in order, all
        that is not acknowledged. So it does in place of one that was made with other settings."""
        stream, name = self._topology.stream, self._topology.consumer_of(subject)
        info = await line.answer(line.js.consumer_info(stream, name))
        if info.push_bound:
            inbox = info.config.deliver_subject or ""
            in_the_way = await _hangs(line, inbox, self._settings.answer_s)
        else:
            in_the_way = not in_use  # else its process has just left
        if in_the_way:
            log.warning("consumer made anew", consumer=name)
            await line.answer(line.js.delete_consumer(stream, name))


async def _hangs(line: Line, inbox: str, within_s: float) -> bool:
    """Whether somebody listens there who does not answer. Who asks just when a process leaves may
    be neither answered nor told that nobody is there; who asks again is told."""
    asking_s = ASK_AGAIN_S
    try:
        async with asyncio.timeout(within_s):
            while True:
                with suppress(NatsTimeoutError):
                    await line.answer(line.client.request(inbox, timeout=asking_s))
                    return False
                asking_s *= 2
    except NoRespondersError:
        return False
    except TimeoutError:
        return True
