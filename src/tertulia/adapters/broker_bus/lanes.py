"""One lane for each key: its messages one after the other, the lanes side by side."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final, Self

import structlog

from tertulia.adapters.broker_bus.envelope import Envelope, opened
from tertulia.domain.event_bodies import UnknownEventError, UnreadableEventError
from tertulia.kit.clock import Clock
from tertulia.kit.crash_points import crash_point
from tertulia.kit.metrics import BUS_HANDLED, BUS_HANDLING_S, BUS_WAITED_S
from tertulia.kit.tasks import uninterrupted
from tertulia.ports.broker import Held, Letter
from tertulia.ports.bus import BusUnavailableError, Delivery
from tertulia.ports.bus_judge import EXHAUSTED, Judge, Judgement, is_cancelled

TELL_AGAIN_S: Final = 0.5  # a share whose broker is gone is given up meanwhile

log = structlog.stdlib.get_logger(__name__)

_Lane = tuple[str, str]
"""Share and key."""

_Waiting = deque[tuple[Held, Envelope | None]]
"""In order. None: what came is no envelope; it has no key, and leads to the dead letters."""


class Lanes:
    """Hands (ports.broker) of one subscription.

    A message that waits for its retry keeps its place at the head of its lane, so that no later
    one of its key overtakes it, and leaves its slot to others. Nothing is put back into the broker
    for that: it would come behind its successors.
    """

    def __init__(
        self, topic: str, judge: Judge, clock: Clock, *, concurrency: int, returns: int
    ) -> None:
        self._topic = topic
        self._judge = judge
        self._clock = clock
        self._returns = returns
        self._slots = asyncio.Semaphore(concurrency)
        self._waiting: dict[_Lane, _Waiting] = {}
        self._running: dict[_Lane, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end(list(self._running))

    def take(self, held: Held) -> None:
        """See the port."""
        try:
            envelope = opened(held.data)
        except UnreadableEventError:
            envelope = None
        lane = (held.share, envelope.key if envelope else "")
        waiting = self._waiting.setdefault(lane, deque())
        waiting.append((held, envelope))
        if lane not in self._running:
            self._running[lane] = asyncio.create_task(self._run(lane, waiting))

    async def give_up(self, share: str) -> None:
        """See the port."""
        await self._end([lane for lane in self._running if lane[0] == share])

    async def _end(self, lanes: list[_Lane]) -> None:
        tasks = {lane: self._running[lane] for lane in lanes}
        for task in tasks.values():
            task.cancel()
        if tasks:
            await uninterrupted(_all_of(tasks.values()))
        for lane, task in tasks.items():
            if self._running.get(lane) is task:
                del self._running[lane]
                back = self._waiting.pop(lane, ())
                BUS_HANDLED.labels(self._topic, "back").inc(len(back))

    async def _run(self, lane: _Lane, waiting: _Waiting) -> None:
        while waiting:
            await self._handle(*waiting[0])
            waiting.popleft()
            _stop_if_told()
        del self._waiting[lane], self._running[lane]

    async def _handle(self, held: Held, envelope: Envelope | None) -> None:
        crash_point("bus.after_take")
        if envelope is None:
            log.error("no message of ours", topic=self._topic)
            foreign = Judgement(outcome="dead", reason=UnreadableEventError.__name__)
            await self._settle(held, foreign, 1)
            return
        waited = self._clock.now() - envelope.created_at
        BUS_WAITED_S.labels(self._topic).observe(max(0.0, waited.total_seconds()))
        attempts = 1
        while True:
            async with self._slots:
                judgement = await self._judged(envelope, attempts, held.returns)
            match judgement.outcome:
                case "back":
                    raise asyncio.CancelledError
                case "done" | "dead":
                    await self._settle(held, judgement, attempts)
                    return
                case "retry" | "again":
                    BUS_HANDLED.labels(self._topic, judgement.outcome).inc()
                    _stop_if_told()
                    attempts += judgement.outcome == "retry"
                    await asyncio.sleep(judgement.delay_s)

    async def _judged(self, envelope: Envelope, attempts: int, returns: int) -> Judgement:
        try:
            event = envelope.event()
        except (UnknownEventError, UnreadableEventError) as error:
            age = self._clock.now() - envelope.created_at
            return self._judge.judge_unread(error, envelope.kind, envelope.id, age)
        delivery = Delivery(
            id=envelope.id,
            topic=envelope.topic,
            key=envelope.key,
            event=event,
            attempts=attempts,
            created_at=envelope.created_at,
        )
        with BUS_HANDLING_S.labels(self._topic).time():
            return await self._judge.judge(delivery, exhausted=returns > self._returns)

    async def _settle(self, held: Held, judgement: Judgement, attempts: int) -> None:
        """Until the broker knows; with a share that is lost, this is cancelled."""
        crash_point("bus.before_settle")
        while not await uninterrupted(self._told(held, judgement, attempts)):
            _stop_if_told()
            await asyncio.sleep(TELL_AGAIN_S)
        BUS_HANDLED.labels(self._topic, judgement.outcome).inc()
        crash_point("bus.after_settle")

    async def _told(self, held: Held, judgement: Judgement, attempts: int) -> bool:
        letter = Letter(
            data=held.data,
            attempts=held.returns if judgement.reason == EXHAUSTED else attempts,
            reason=judgement.reason,
            died_at=self._clock.now(),
        )
        try:
            await (held.done() if judgement.outcome == "done" else held.bury(letter))
        except BusUnavailableError as error:
            log.warning("verdict not told", topic=self._topic, error=error.message)
            return False
        return True


async def _all_of(tasks: Iterable[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


def _stop_if_told() -> None:
    """A handler that ends its work in order takes the cancellation. After it nothing is begun, and
    nothing tried again."""
    if is_cancelled():
        raise asyncio.CancelledError
