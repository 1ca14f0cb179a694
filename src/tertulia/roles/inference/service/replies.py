"""From a requested reply to a stored one."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from tertulia.domain.events import REPLIES, ReplyFinished, ReplyRequested
from tertulia.domain.messages import GAVE_UP, Message, Status
from tertulia.kit.clock import Clock
from tertulia.kit.crash_points import crash_point
from tertulia.kit.metrics import REPLIES_RUNNING, REPLY_TOKENS, TURN_S
from tertulia.kit.tasks import uninterrupted
from tertulia.ports.bus import Delivery
from tertulia.ports.chat_model import ChatModel
from tertulia.ports.signals import Signals
from tertulia.ports.store import (
    MessageChange,
    MissingError,
    StaleEpochError,
    StorageFullError,
    Store,
    StoreUnavailableError,
    Tx,
)
from tertulia.ports.token_stream import TokenStream
from tertulia.roles.inference.errors import PROCESS_ENDED
from tertulia.roles.inference.service.colleagues import Colleagues
from tertulia.roles.inference.service.pen import Pen
from tertulia.roles.inference.service.prompt import Prompts
from tertulia.roles.inference.service.trouble import Trouble
from tertulia.roles.inference.service.writing import Ending, Turn, Writing
from tertulia.roles.inference.settings import InferenceSettings

COMMIT_AGAIN_S: Final = 0.5

log = structlog.stdlib.get_logger(__name__)


class Replies:
    """Consumes a worker's queue.

    The state of the reply makes it idempotent: `queued` is written, at the epoch of the request
    only; `streaming` means that whoever wrote it is gone, and it becomes `interrupted` with the
    text that was saved, because readers may have seen more of it than a new attempt would say;
    final ones are left alone, and their readers are let go, except that a replayed dead letter
    revives what was given up. What the model of this process could not begin goes to another
    worker, if there is one.
    """

    def __init__(
        self,
        store: Store,
        signals: Signals,
        stream: TokenStream,
        model: ChatModel,
        prompts: Prompts,
        clock: Clock,
        settings: InferenceSettings,
        colleagues: Colleagues,
        trouble: Trouble,
    ) -> None:
        self._store = store
        self._signals = signals
        self._stream = stream
        self._model = model
        self._prompts = prompts
        self._clock = clock
        self._settings = settings
        self._colleagues = colleagues
        self._trouble = trouble

    async def on_reply_requested(self, delivery: Delivery) -> None:
        """Write the reply, whatever comes of it."""
        event = delivery.event
        if not isinstance(event, ReplyRequested):
            return
        turn = await self._store.read(lambda tx: _turn(tx, event), brief=True)
        if turn is None:
            return
        reply = turn.reply
        if reply.status is Status.STREAMING:
            await self._end(event, {Status.STREAMING: (Status.INTERRUPTED, PROCESS_ENDED)})
        elif reply.status is Status.QUEUED or _given_up(reply):
            if reply.status is not Status.QUEUED:
                await self._store.write(lambda tx: _revive(tx, event))
            with REPLIES_RUNNING.track_inprogress():
                await self._write(turn, event)
        else:  # whoever wrote it may have died before its readers knew
            await self._stream.end(reply.id, reply.epoch, reply.status)

    async def on_reply_given_up(self, delivery: Delivery) -> None:
        """The bus gives up: the reply ends."""
        event = delivery.event
        if isinstance(event, ReplyRequested):
            ends = {
                Status.QUEUED: (Status.FAILED, GAVE_UP),
                Status.STREAMING: (Status.INTERRUPTED, PROCESS_ENDED),
            }
            await self._end(event, ends)

    async def _write(self, turn: Turn, event: ReplyRequested) -> None:
        reply = turn.reply
        await self._stream.begin(reply.id, reply.epoch, reply.text)
        pen = Pen(self._store, self._stream, self._clock, self._settings, reply)
        writing = Writing(
            turn,
            pen,
            self._prompts,
            self._model,
            self._signals,
            self._stream,
            self._clock,
            self._settings,
        )
        ending = await writing.run()
        if ending.local:
            self._trouble.met()
            if await self._colleagues.take(event, room=False):
                await self._end_as_stored(turn)
                return
        elif ending.status is Status.COMPLETE:
            self._trouble.over()
        await uninterrupted(self._finish(turn, pen, writing, ending))

    async def _finish(self, turn: Turn, pen: Pen, writing: Writing, ending: Ending) -> None:
        """Store the end, then show it: whoever sees it finds it stored."""
        if ending.status is None:
            await self._end_as_stored(turn)
            return
        try:
            stored = await self._stored(turn, pen, writing, ending)
        except (StaleEpochError, MissingError):
            await self._end_as_stored(turn)
            return
        crash_point("inference.after_final_commit")
        await pen.show_rest()
        await self._stream.end(stored.id, stored.epoch, stored.status)
        self._note(turn, stored)
        if writing.prompt is not None:
            await self._prompts.remember(writing.prompt, stored)

    async def _stored(self, turn: Turn, pen: Pen, writing: Writing, ending: Ending) -> Message:
        status, prompt = ending.status, writing.prompt
        change = MessageChange(
            epoch=turn.reply.epoch,
            status=status,
            text=pen.text,
            usage=ending.usage,
            context=prompt.report if prompt else None,
            model=prompt.request.model if prompt else None,
            error_code=ending.error_code,
        )

        def work(tx: Tx) -> Message:
            ids = (turn.conversation.id, turn.reply.id)
            # Refused when the reply has ended or another attempt has begun.
            tx.messages.checkpoint(*ids, epoch=turn.reply.epoch, offset=0, text="")
            reply = tx.messages.change(*ids, change)
            _announce(tx, reply)
            return reply

        crash_point("inference.before_final_commit")
        return await self._patiently(work)

    async def _patiently(self, work: Callable[[Tx], Message]) -> Message:
        """A store in trouble gets its time; after that the request comes again, and what was
        saved of the reply is kept as interrupted."""
        give_up_at = self._clock.monotonic() + self._settings.store_patience_s
        while True:
            try:
                return await self._store.write(work)
            except (StoreUnavailableError, StorageFullError):
                if self._clock.monotonic() + COMMIT_AGAIN_S > give_up_at:
                    raise
            await asyncio.sleep(COMMIT_AGAIN_S)

    async def _end_as_stored(self, turn: Turn) -> None:
        """Somebody else ended the reply, began it anew or erased it: let its readers go."""
        reply = await self._store.read(
            lambda tx: tx.messages.get(turn.conversation.id, turn.reply.id)
        )
        ended = reply is not None and reply.status.is_final
        status = reply.status if reply is not None and ended else Status.INTERRUPTED
        await self._stream.end(turn.reply.id, turn.reply.epoch, status)

    async def _end(self, event: ReplyRequested, ends: dict[Status, tuple[Status, str]]) -> None:
        """Put a reply that nobody writes into its final state, by the state it is in."""

        def work(tx: Tx) -> Message | None:
            reply = tx.messages.get(event.conversation_id, event.reply_id)
            if reply is None or reply.epoch != event.epoch or reply.status not in ends:
                return None
            status, code = ends[reply.status]
            change = MessageChange(epoch=event.epoch, status=status, error_code=code)
            reply = tx.messages.change(event.conversation_id, event.reply_id, change)
            _announce(tx, reply)
            return reply

        ended = await self._store.write(work)
        if ended is not None:
            log.warning("reply cut off", reply_id=ended.id, epoch=ended.epoch)
            await self._stream.end(ended.id, ended.epoch, ended.status)

    def _note(self, turn: Turn, stored: Message) -> None:
        took_s = (self._clock.now() - turn.reply.updated_at).total_seconds()
        TURN_S.labels(stored.status).observe(took_s)
        if stored.usage is not None:
            REPLY_TOKENS.labels("read").inc(stored.usage.prompt_tokens)
            REPLY_TOKENS.labels("written").inc(stored.usage.completion_tokens)
        log.info(
            "reply ended",
            reply_id=stored.id,
            epoch=stored.epoch,
            status=stored.status,
            error=stored.error_code,
            model=stored.model,
            took_s=round(took_s, 3),
        )


def _turn(tx: Tx, event: ReplyRequested) -> Turn | None:
    """None when the attempt is an older one or the conversation was erased."""
    conversation = tx.conversations.get(event.conversation_id)
    reply = tx.messages.get(event.conversation_id, event.reply_id)
    if conversation is None or reply is None or reply.epoch != event.epoch:
        return None
    return Turn(conversation=conversation, message_id=event.message_id, reply=reply)


def _given_up(reply: Message) -> bool:
    return reply.status is Status.FAILED and reply.error_code == GAVE_UP


def _revive(tx: Tx, event: ReplyRequested) -> None:
    reply = tx.messages.get(event.conversation_id, event.reply_id)
    if reply is not None and reply.epoch == event.epoch and _given_up(reply):
        again = MessageChange(epoch=event.epoch, status=Status.QUEUED, clear_error=True)
        tx.messages.change(event.conversation_id, event.reply_id, again)


def _announce(tx: Tx, reply: Message) -> None:
    finished = ReplyFinished(
        conversation_id=reply.conversation_id,
        reply_id=reply.id,
        epoch=reply.epoch,
        status=reply.status,
    )
    tx.outbox.add(REPLIES, reply.conversation_id, finished)
