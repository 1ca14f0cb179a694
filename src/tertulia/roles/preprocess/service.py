"""From a requested turn to a labelled message in the queue of a worker."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from tertulia.domain.conversations import Conversation
from tertulia.domain.events import (
    REPLIES,
    ReplyFinished,
    ReplyRequested,
    TurnRequested,
    inference_topic,
    workers_group,
)
from tertulia.domain.messages import GAVE_UP, Labels, Message, Status
from tertulia.domain.normalization import count_words, normalized
from tertulia.domain.routing import choose_worker
from tertulia.kit.crash_points import crash_point
from tertulia.ports.bus import Delivery, Retry
from tertulia.ports.chat_model import ChatModel, ModelError
from tertulia.ports.language import LanguageDetector
from tertulia.ports.leases import Leases, LeasesUnavailableError
from tertulia.ports.recent_turns import RecentMessage, RecentTurns
from tertulia.ports.store import MessageChange, Store, Tx
from tertulia.roles.preprocess.settings import PreprocessSettings

CONSUMER: Final = "preprocess"
# Byte-pair tokenizers make a token of three to four bytes of any language; this errs upwards.
BYTES_PER_TOKEN: Final = 3

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    conversation: Conversation
    message: Message
    reply: Message


class Preprocessing:
    """Consumes `turns`. Idempotent by the inbox and by the reply's epoch."""

    def __init__(
        self,
        store: Store,
        recent: RecentTurns,
        model: ChatModel,
        languages: LanguageDetector,
        leases: Leases,
        settings: PreprocessSettings,
    ) -> None:
        self._store = store
        self._recent = recent
        self._model = model
        self._languages = languages
        self._leases = leases
        self._settings = settings

    async def on_turn_requested(self, delivery: Delivery) -> None:
        """Label the message and pass the turn on. Retry while the character has no worker."""
        event = delivery.event
        if not isinstance(event, TurnRequested):
            return
        turn = await self._store.read(lambda tx: _waiting(tx, event), brief=True)
        if turn is None:
            return
        worker = await self._worker(turn.conversation)
        change = await self._labelled(turn)
        await self._remember(turn.message, change)
        request = ReplyRequested(
            conversation_id=event.conversation_id,
            message_id=event.message_id,
            reply_id=event.reply_id,
            epoch=event.epoch,
        )

        def route(tx: Tx) -> None:
            current = _waiting(tx, event)
            if current is None or not tx.inbox.accept(CONSUMER, delivery.id):
                return
            if change is not None:
                tx.messages.change(event.conversation_id, event.message_id, change)
            if current.reply.status is Status.FAILED:
                again = MessageChange(epoch=event.epoch, status=Status.QUEUED, clear_error=True)
                tx.messages.change(event.conversation_id, event.reply_id, again)
            tx.outbox.add(
                inference_topic(turn.conversation.character_id, worker),
                event.conversation_id,
                request,
            )

        crash_point("preprocess.before_commit")
        await self._store.write(route)
        crash_point("preprocess.after_commit")

    async def on_turn_given_up(self, delivery: Delivery) -> None:
        """Tell whoever waits for the reply that none will come. A replayed dead letter revives
        it."""
        event = delivery.event
        if not isinstance(event, TurnRequested):
            return

        def fail(tx: Tx) -> None:
            turn = _waiting(tx, event)
            if turn is None or turn.reply.status is not Status.QUEUED:
                return
            change = MessageChange(epoch=event.epoch, status=Status.FAILED, error_code=GAVE_UP)
            tx.messages.change(event.conversation_id, event.reply_id, change)
            finished = ReplyFinished(
                conversation_id=event.conversation_id,
                reply_id=event.reply_id,
                epoch=event.epoch,
                status=Status.FAILED,
            )
            tx.outbox.add(REPLIES, event.conversation_id, finished)

        await self._store.write(fail)

    async def _worker(self, conversation: Conversation) -> str:
        try:
            members = await self._leases.members(workers_group(conversation.character_id))
        except LeasesUnavailableError:
            members = ()
        worker = choose_worker(
            conversation.id,
            {member.name: member.capacity for member in members},
            {member.name: member.load for member in members},
        )
        if worker is None:
            log.info(
                "no worker",
                conversation_id=conversation.id,
                character=conversation.character_id,
            )
            raise Retry(self._settings.no_worker_s)
        return worker

    async def _labelled(self, turn: _Turn) -> MessageChange | None:
        """What to note about the message; None when it has been noted before."""
        if turn.message.labels is not None:
            return None
        text = turn.message.text
        shown = normalized(text)
        guess = await self._languages.detect(shown)
        certain = guess.confidence >= self._settings.language_confidence
        labels = Labels(
            language=guess.language if certain else None,
            confidence=round(guess.confidence, 3),
            characters=len(shown),
            words=count_words(shown),
            tokens=await self._tokens(turn, shown),
            changed=shown != text,
        )
        return MessageChange(labels=labels, normalized=shown if shown != text else None)

    async def _tokens(self, turn: _Turn, text: str) -> int:
        try:
            async with asyncio.timeout(self._settings.count_timeout_s):
                name = turn.reply.model or turn.conversation.model
                if name is None:
                    name = (await self._model.models())[0].id
                return (await self._model.count_tokens(name, [text]))[0]
        except (ModelError, TimeoutError, IndexError):
            # A model that cannot be asked now may be there when the turn's time comes.
            return len(text.encode(errors="replace")) // BYTES_PER_TOKEN + 1

    async def _remember(self, message: Message, change: MessageChange | None) -> None:
        """Put the message at the end of its branch in memory, so that inference need not ask
        the database."""
        text = message.prompt_text
        if change is not None and change.normalized is not None:
            text = change.normalized
        last = RecentMessage(id=message.id, seq=message.seq, author=message.author, text=text)
        conversation_id = message.conversation_id
        if message.parent_id is None:
            await self._recent.put(conversation_id, (last,))
        elif await self._recent.get(conversation_id, message.id) is None:
            earlier = await self._recent.get(conversation_id, message.parent_id)
            if earlier is not None:
                await self._recent.put(conversation_id, (*earlier, last))


def _waiting(tx: Tx, event: TurnRequested) -> _Turn | None:
    """The turn, when its reply still waits for this attempt: queued, or given up and replayed.
    One that is streaming comes from a worker who is gone; the next worker ends it."""
    conversation = tx.conversations.get(event.conversation_id)
    message = tx.messages.get(event.conversation_id, event.message_id)
    reply = tx.messages.get(event.conversation_id, event.reply_id)
    if conversation is None or message is None or reply is None or reply.epoch != event.epoch:
        return None
    given_up = reply.status is Status.FAILED and reply.error_code == GAVE_UP
    if reply.status.is_final and not given_up:
        return None
    return _Turn(conversation=conversation, message=message, reply=reply)
