"""A reader of a reply whose stream falls silent."""

import asyncio
from collections.abc import Generator

import pytest

from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.memory.token_stream import MemoryTokenStream
from tertulia.domain.access import Principal
from tertulia.domain.ids import UserId
from tertulia.domain.messages import Message, Status
from tertulia.domain.streams import Delta, Position
from tertulia.kit.clock import SystemClock
from tertulia.kit.ids import new_id
from tertulia.ports.store import MessageChange, Tx
from tertulia.roles.chat.service.access import access_message
from tertulia.roles.chat.service.create_conversation import NewConversation, create_conversation
from tertulia.roles.chat.service.follow_reply import Ended, ReplyReader
from tertulia.roles.chat.service.request_turn import TurnRequest, request_turn
from tests.simulation.database import Database, InlineStore, NearStore
from tests.simulation.loop import SeededLoop


@pytest.fixture
def runner() -> Generator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=lambda: SeededLoop(0)) as runner:
        yield runner


def test_a_reader_is_told_of_an_end_that_was_stored_and_never_streamed(
    runner: asyncio.Runner,
) -> None:
    """Whoever wrote the reply died between its commit and its word to the readers."""

    async def read() -> list[object]:
        database, signals, clock = Database(), MemorySignals(), SystemClock()
        database.add_person("ada")
        store = NearStore(InlineStore(database, signals, clock))
        streams = MemoryTokenStream(clock, max_bytes=1 << 20, kept_s=60)
        who = Principal(user_id=UserId("ada"), via="session", credential_id="c")
        conversation, _ = await create_conversation(store, who, NewConversation(id=new_id()))
        request = TurnRequest(id=new_id(), text="hello")
        reply = (await request_turn(store, who, conversation.id, request)).reply
        await streams.begin(reply.id, reply.epoch, "")
        await streams.append(reply.id, Position(reply.epoch, 0), "hel")
        change = MessageChange(epoch=reply.epoch, status=Status.COMPLETE, text="hello")
        await store.write(lambda tx: tx.messages.change(conversation.id, reply.id, change))

        def look(tx: Tx) -> Message:
            return access_message(tx, who, conversation.id, reply.id)[1]

        reader = ReplyReader(store, signals, streams)
        async with asyncio.timeout(60):
            return [step async for step in reader.follow(reply, None, look)]

    *text, end = runner.run(read())
    assert text == [Delta(Position(1, 3), "hel"), Delta(Position(1, 5), "lo")]
    assert isinstance(end, Ended)
    assert end.message.status is Status.COMPLETE
