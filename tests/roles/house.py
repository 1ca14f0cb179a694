"""The roles behind a turn, over a real store in a directory of the test and ports in memory."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tertulia.adapters.echo.model import EchoModel
from tertulia.adapters.keyfile.vault import MemoryVault
from tertulia.adapters.memory.language import MemoryLanguageDetector
from tertulia.adapters.memory.leases import MemoryLeases
from tertulia.adapters.memory.recent_turns import MemoryRecentTurns
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.memory.token_stream import MemoryTokenStream
from tertulia.adapters.outbox_bus.bus import OutboxBus
from tertulia.adapters.outbox_bus.settings import OutboxBusSettings
from tertulia.adapters.sql.sqlite import open_sqlite_store
from tertulia.domain.conversations import ASSISTANT, Conversation, Purpose
from tertulia.domain.events import TURNS, ReplyRequested, TurnRequested
from tertulia.domain.ids import CharacterId, ConversationId, MessageId
from tertulia.domain.messages import Author, Message, Status
from tertulia.domain.streams import Part, Position
from tertulia.kit.clock import Clock, SystemClock
from tertulia.kit.ids import new_id
from tertulia.ports.chat_model import ChatModel
from tertulia.ports.store import MessageChange, NewMessage, Store, Tx
from tertulia.roles.inference import role as inference
from tertulia.roles.inference.settings import InferenceSettings
from tertulia.roles.preprocess import role as preprocess
from tertulia.roles.preprocess.settings import PreprocessSettings

MIB = 1024 * 1024
# Nothing here waits longer than it takes; this only ends a test that would hang.
PATIENCE_S = 20.0


@dataclass(kw_only=True)
class House:
    """Everything a role may ask for."""

    store: Store
    signals: MemorySignals
    clock: Clock
    bus: OutboxBus
    model: ChatModel
    recent: MemoryRecentTurns
    stream: MemoryTokenStream
    leases: MemoryLeases
    languages: MemoryLanguageDetector
    preprocess: PreprocessSettings
    inference: InferenceSettings
    conversations: list[ConversationId] = field(default_factory=list[ConversationId])

    @asynccontextmanager
    async def running(self, *roles: str) -> AsyncGenerator[asyncio.TaskGroup]:
        """Run these roles (both, when none is named); leaving cancels them and waits."""
        starts = {
            "preprocess": lambda: preprocess.run(
                self.store,
                self.bus,
                self.recent,
                self.model,
                self.languages,
                self.leases,
                self.preprocess,
            ),
            "inference": lambda: inference.run(
                self.store,
                self.signals,
                self.bus,
                self.recent,
                self.stream,
                self.model,
                self.leases,
                self.clock,
                self.inference,
            ),
        }
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(starts[name]()) for name in roles or starts]
            try:
                yield group
            finally:
                for task in tasks:
                    task.cancel()

    async def conversation(
        self, model: str | None = None, character_id: CharacterId = ASSISTANT.id
    ) -> ConversationId:
        """A new conversation of the owner."""

        def work(tx: Tx) -> Conversation:
            now = tx.now
            return tx.conversations.create(
                Conversation(
                    id=ConversationId(new_id()),
                    owner_id=tx.accounts.owner().id,
                    character_id=character_id,
                    purpose=Purpose.CHAT,
                    title=None,
                    titled_by_user=False,
                    model=model,
                    leaf_id=None,
                    pinned=False,
                    archived=False,
                    created_at=now,
                    updated_at=now,
                    revision=1,
                )
            )

        return (await self.store.write(work)).id

    async def ask(
        self,
        text: str,
        *,
        conversation_id: ConversationId | None = None,
        parent_id: MessageId | None = None,
        model: str | None = None,
    ) -> Message:
        """A turn, as the chat role makes it; the reply that is asked for."""
        cid = conversation_id or await self.conversation()

        def work(tx: Tx) -> Message:
            message = tx.messages.append(
                NewMessage(
                    id=MessageId(new_id()),
                    conversation_id=cid,
                    parent_id=parent_id,
                    author=Author.USER,
                    status=Status.COMPLETE,
                    text=text,
                )
            )
            reply = tx.messages.append(
                NewMessage(
                    id=MessageId(new_id()),
                    conversation_id=cid,
                    parent_id=message.id,
                    author=Author.ASSISTANT,
                    status=Status.QUEUED,
                    text="",
                    model=model,
                )
            )
            tx.conversations.touch(cid, reply.id)
            request_turn(tx, message, reply)
            return reply

        return await self.store.write(work)

    async def again(self, reply: Message) -> Message:
        """Go on with a reply, as the chat role does."""
        change = MessageChange(
            epoch=reply.epoch,
            next_epoch=reply.epoch + 1,
            status=Status.QUEUED,
            clear_error=True,
            stop_requested=False,
        )

        def work(tx: Tx) -> Message:
            begun = tx.messages.change(reply.conversation_id, reply.id, change)
            assert begun.parent_id is not None
            message = tx.messages.get(begun.conversation_id, begun.parent_id)
            assert message is not None
            request_turn(tx, message, begun)
            return begun

        return await self.store.write(work)

    async def change(self, message: Message, change: MessageChange) -> Message:
        return await self.store.write(
            lambda tx: tx.messages.change(message.conversation_id, message.id, change)
        )

    async def message(self, conversation_id: ConversationId, message_id: MessageId) -> Message:
        """As it is stored now."""
        found = await self.store.read(lambda tx: tx.messages.get(conversation_id, message_id))
        assert found is not None
        return found

    async def now(self, message: Message) -> Message:
        """The same message, as it is stored now."""
        return await self.message(message.conversation_id, message.id)

    async def question(self, reply: Message) -> Message:
        """The message that a reply answers."""
        assert reply.parent_id is not None
        return await self.message(reply.conversation_id, reply.parent_id)

    async def requested(self, reply: Message) -> ReplyRequested:
        """The request for this attempt at a reply, as preprocessing makes it."""
        return ReplyRequested(
            conversation_id=reply.conversation_id,
            message_id=(await self.question(reply)).id,
            reply_id=reply.id,
            epoch=reply.epoch,
        )

    async def until(self, message: Message, *statuses: Status) -> Message:
        """The message once it has one of these states (any final one, when none is named)."""
        async with (
            asyncio.timeout(PATIENCE_S),
            self.signals.subscribe(f"reply:{message.id}") as changed,
        ):
            while True:
                now = await self.now(message)
                if now.status in statuses or (not statuses and now.status.is_final):
                    return now
                await changed.wait()

    async def parts(self, reply: Message, after: Position | None = None) -> Sequence[Part]:
        """What a reader of the stream gets, to its end."""
        parts = await self.stream.read(reply.id, after)
        assert parts is not None
        async with asyncio.timeout(PATIENCE_S):
            return [part async for part in parts]

    async def handled(self, topic: str) -> None:
        """Returns once nothing waits or is leased in a topic."""
        async with asyncio.timeout(PATIENCE_S):
            while any(  # noqa: ASYNC110  settling is not signalled
                depth.waiting + depth.leased
                for depth in await self.store.read(lambda tx: tx.queue.depths())
                if depth.topic == topic
            ):
                await asyncio.sleep(0)


def request_turn(tx: Tx, message: Message, reply: Message) -> None:
    event = TurnRequested(
        conversation_id=reply.conversation_id,
        message_id=message.id,
        reply_id=reply.id,
        epoch=reply.epoch,
    )
    tx.outbox.add(TURNS, reply.conversation_id, event)


@asynccontextmanager
async def open_house(
    directory: Path,
    *,
    model: ChatModel | None = None,
    clock: Clock | None = None,
    bus: OutboxBusSettings | None = None,
    preprocess: PreprocessSettings | None = None,
    inference: InferenceSettings | None = None,
) -> AsyncGenerator[House]:
    """A house over the database in `directory`, as after a start: no lease of an earlier life
    holds."""
    clock = clock or SystemClock()
    signals = MemorySignals()
    async with open_sqlite_store(directory / "t.db", MemoryVault(), signals, clock) as store:
        await store.write(lambda tx: tx.queue.release_all())
        yield House(
            store=store,
            signals=signals,
            clock=clock,
            bus=OutboxBus(store, signals, clock, bus or OutboxBusSettings(backoff_s=0.001)),
            model=model or EchoModel(),
            recent=MemoryRecentTurns(max_bytes=MIB, max_messages=200),
            stream=MemoryTokenStream(clock, max_bytes=MIB, kept_s=60),
            leases=MemoryLeases(clock),
            languages=MemoryLanguageDetector({"hello": "en", "hola": "es"}),
            preprocess=preprocess or PreprocessSettings(no_worker_s=0.001),
            inference=inference or InferenceSettings(batch_s=0, checkpoint_s=0),
        )


async def within(awaitable: Awaitable[object]) -> None:
    """Wait, but not for ever."""
    async with asyncio.timeout(PATIENCE_S):
        await awaitable
