"""One subscription: takes messages on a lease, runs the handler, settles."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from tertulia.adapters.outbox_bus.settings import OutboxBusSettings
from tertulia.adapters.outbox_bus.verdicts import Verdict, back, delivery
from tertulia.domain.event_bodies import UnknownEventError, UnreadableEventError
from tertulia.kit.clock import Clock
from tertulia.kit.crash_points import crash_point
from tertulia.kit.metrics import BUS_HANDLED, BUS_HANDLING_S, BUS_STORE_ERRORS, BUS_WAITED_S
from tertulia.kit.tasks import uninterrupted
from tertulia.ports.bus_judge import STORE_TROUBLE, Judge, Judgement
from tertulia.ports.signals import Signals, Subscription
from tertulia.ports.store import QueuedMessage, Store, Tx

# Due times are compared with the store's clock, which may read a little less than the loop's.
DUE_MARGIN_S: Final = 0.01
CLOSE_S: Final = 5.0  # handing back is one write; past that the next start voids the leases

log = structlog.stdlib.get_logger(__name__)


_Key = tuple[str, int]
"""A message's id and fence: after a lost lease the same message may be held anew while its
former handler is still being cancelled."""


@dataclass(slots=True)
class _Held:
    message: QueuedMessage
    leased_until: float
    task: asyncio.Task[None] | None = None


class Consumer:
    """Settles what is finished and takes what is due in one unit of work, so a message costs
    two at most, shared with others under load. Runs until cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        signals: Signals,
        clock: Clock,
        settings: OutboxBusSettings,
        topic: str,
        concurrency: int,
        judge: Judge,
    ) -> None:
        self._store = store
        self._signals = signals
        self._clock = clock
        self._settings = settings
        self._topic = topic
        self._concurrency = concurrency
        self._judge = judge
        self._lease = timedelta(seconds=settings.lease_s)
        self._unknown_for = timedelta(seconds=settings.unknown_s)
        self._held: dict[_Key, _Held] = {}
        self._verdicts: list[Verdict] = []
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """See the port's `subscribe`."""
        try:
            async with (
                self._signals.subscribe(f"outbox:{self._topic}") as due,
                asyncio.TaskGroup() as upkeep,
            ):
                upkeep.create_task(self._listen(due))
                upkeep.create_task(self._renew_for_ever())
                # Handlers have a group of their own, so that their leases are renewed for as
                # long as the last of them takes to end its work.
                async with asyncio.TaskGroup() as handlers:
                    self._wake.set()
                    while True:
                        await self._wake.wait()
                        self._wake.clear()
                        await self._turn_over(handlers)
        finally:
            await self._close()

    async def _listen(self, due: Subscription) -> None:
        while True:
            await due.wait(self._settings.poll_s)
            self._wake.set()

    async def _turn_over(self, handlers: asyncio.TaskGroup) -> None:
        free = self._concurrency - len(self._held)
        if not self._verdicts and free <= 0:
            return
        # What it takes is handed back in `_close` when this is cancelled meanwhile.
        for message in await uninterrupted(self._exchange()):
            held = self._held[_key(message)]
            held.task = handlers.create_task(self._handle(held))

    async def _exchange(self) -> Sequence[QueuedMessage]:
        """One unit of work: settle, then take. What it frees can be taken at once."""
        verdicts, self._verdicts = self._verdicts, []
        free = self._concurrency - len(self._held) + len(verdicts)
        leased_until = self._clock.monotonic() + self._settings.lease_s

        def work(tx: Tx) -> tuple[list[bool], Sequence[QueuedMessage]]:
            settled = [_settle(tx, verdict) for verdict in verdicts]
            taken = tx.queue.take(
                [self._topic], limit=free, lease=self._lease, unknown_for=self._unknown_for
            )
            return settled, taken

        if verdicts:
            crash_point("bus.before_settle")
        try:
            settled, taken = await self._store.write(work)
        except STORE_TROUBLE as error:
            self._verdicts[:0] = verdicts
            self._store_failed(error)
            return ()
        self._note(verdicts, settled)
        for message in taken:
            self._cancel_former(message)
            self._held[_key(message)] = _Held(message, leased_until)
        if taken:
            crash_point("bus.after_take")
        return taken

    def _note(self, verdicts: Sequence[Verdict], settled: Sequence[bool]) -> None:
        for verdict, ours in zip(verdicts, settled, strict=True):
            self._held.pop(_key(verdict.message), None)
            BUS_HANDLED.labels(self._topic, verdict.judgement.outcome if ours else "lost").inc()
            if verdict.settlement == "retry":
                self._wake_in(verdict.judgement.delay_s + DUE_MARGIN_S)
        if verdicts:
            crash_point("bus.after_settle")

    async def _handle(self, held: _Held) -> None:
        waited = self._clock.now() - held.message.created_at
        BUS_WAITED_S.labels(self._topic).observe(waited.total_seconds())
        judgement = await self._judged(held.message, waited)
        held.task = None
        self._verdicts.append(Verdict(message=held.message, judgement=judgement))
        self._wake.set()

    async def _judged(self, message: QueuedMessage, age: timedelta) -> Judgement:
        try:
            handed = delivery(message)
        except (UnknownEventError, UnreadableEventError) as error:
            return self._judge.judge_unread(error, message.kind, message.id, age)
        exhausted = message.attempts > self._settings.attempts
        with BUS_HANDLING_S.labels(self._topic).time():
            return await self._judge.judge(handed, exhausted=exhausted)

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.lease_s / 3)
            await self._renew()

    async def _renew(self) -> None:
        """Handlers whose lease is lost, or has run out unrenewed, are cancelled: somebody else
        may have their message by now, and the fence refuses their settlement."""
        running = [held for held in self._held.values() if held.task is not None]
        if not running:
            return
        now = self._clock.monotonic()

        def work(tx: Tx) -> list[bool]:
            return [
                tx.queue.extend(held.message.id, held.message.fence, lease=self._lease)
                for held in running
            ]

        try:
            renewed = await self._store.write(work)
        except STORE_TROUBLE as error:
            self._store_failed(error)
            renewed = [held.leased_until > now for held in running]
        else:
            for held in running:
                held.leased_until = now + self._settings.lease_s
        for held, ours in zip(running, renewed, strict=True):
            if not ours:
                self._cancel(held)

    def _cancel_former(self, message: QueuedMessage) -> None:
        for held in self._held.values():
            if held.message.id == message.id:
                self._cancel(held)

    def _cancel(self, held: _Held) -> None:
        if held.task is not None:
            log.warning("lease lost", message_id=held.message.id, topic=self._topic)
            held.task.cancel()

    async def _close(self) -> None:
        """Settle what is finished; hand back what is not."""
        finished = {_key(verdict.message) for verdict in self._verdicts}
        unfinished = [back(h.message) for key, h in self._held.items() if key not in finished]
        verdicts = [*self._verdicts, *unfinished]
        if not verdicts:
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._store.write(lambda tx: [_settle(tx, v) for v in verdicts])
        except (*STORE_TROUBLE, TimeoutError) as error:
            self._store_failed(error)

    def _store_failed(self, error: Exception) -> None:
        BUS_STORE_ERRORS.labels(self._topic).inc()
        log.warning("store in trouble", topic=self._topic, error=type(error).__name__)
        self._wake_in(self._settings.store_pause_s)

    def _wake_in(self, delay_s: float) -> None:
        asyncio.get_running_loop().call_later(delay_s, self._wake.set)


def _key(message: QueuedMessage) -> _Key:
    return (message.id, message.fence)


def _settle(tx: Tx, verdict: Verdict) -> bool:
    return tx.queue.settle(
        verdict.message.id,
        verdict.message.fence,
        verdict.settlement,
        reason=verdict.judgement.reason,
        delay=verdict.delay,
        counted=verdict.counted,
    )
