"""The other workers of a character, and how a reply goes from one to the next."""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

import structlog

from tertulia.domain.events import ReplyRequested, inference_topic, workers_group
from tertulia.domain.ids import CharacterId
from tertulia.domain.messages import Status
from tertulia.domain.routing import choose_worker
from tertulia.kit.metrics import REPLIES_HANDED_OVER
from tertulia.ports.leases import Leases, LeasesUnavailableError, Member
from tertulia.ports.store import MessageChange, Store, Tx

TOLD_S: Final = 1.0  # as often as workers tell their load

log = structlog.stdlib.get_logger(__name__)


class Colleagues:
    """Who else works for a character. What a worker was sent counts as its load until it has had
    time to tell of it."""

    def __init__(
        self, store: Store, leases: Leases, character_id: CharacterId, worker: str
    ) -> None:
        self._store = store
        self._leases = leases
        self._character_id = character_id
        self._worker = worker
        self._sent: deque[tuple[float, str]] = deque()

    async def present(self) -> bool:
        """Whether there is anybody; False also while that cannot be told."""
        return bool(await self._others())

    async def take(self, event: ReplyRequested, *, room: bool) -> bool:
        """Have somebody else write the reply, under a new epoch; with `room`, only somebody who
        has told that there is a free place. False when nobody can, or when the reply does not wait
        for this request: that is for its handler to judge."""
        worker = self._chosen(event, await self._others(), room=room)
        if worker is None:
            return False
        topic = inference_topic(self._character_id, worker)
        taken = await self._store.write(lambda tx: _hand_over(tx, event, topic))
        if taken:
            REPLIES_HANDED_OVER.inc()
            log.info("reply handed over", reply_id=event.reply_id, epoch=event.epoch, to=worker)
        return taken

    async def _others(self) -> Sequence[Member]:
        try:
            members = await self._leases.members(workers_group(self._character_id))
        except LeasesUnavailableError:
            return ()
        return [member for member in members if member.name != self._worker]

    def _chosen(self, event: ReplyRequested, others: Sequence[Member], *, room: bool) -> str | None:
        sent = self._sent_lately()
        loads = {member.name: member.load + sent[member.name] for member in others}
        able = {m.name: m.capacity for m in others if not room or loads[m.name] < m.capacity}
        worker = choose_worker(event.conversation_id, able, loads)
        if worker is not None:
            self._sent.append((asyncio.get_running_loop().time(), worker))
        return worker

    def _sent_lately(self) -> Counter[str]:
        since = asyncio.get_running_loop().time() - TOLD_S
        while self._sent and self._sent[0][0] < since:
            self._sent.popleft()
        return Counter(worker for _, worker in self._sent)


def _hand_over(tx: Tx, event: ReplyRequested, topic: str) -> bool:
    reply = tx.messages.get(event.conversation_id, event.reply_id)
    if reply is None or reply.epoch != event.epoch or reply.status is not Status.QUEUED:
        return False
    change = MessageChange(epoch=event.epoch, next_epoch=event.epoch + 1)
    moved = tx.messages.change(event.conversation_id, event.reply_id, change)
    request = ReplyRequested(
        conversation_id=event.conversation_id,
        message_id=event.message_id,
        reply_id=event.reply_id,
        epoch=moved.epoch,
    )
    tx.outbox.add(topic, event.conversation_id, request)
    return True
