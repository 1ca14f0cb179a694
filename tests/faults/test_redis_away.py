"""Redis is killed, restarted, emptied and frozen, with everything under way."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from tertulia.adapters.redis.line import RedisTroubleError
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author, Status
from tertulia.domain.streams import Delta, End, Position, Reset
from tertulia.ports.leases import LeasesUnavailableError
from tertulia.ports.recent_turns import RecentMessage
from tertulia.ports.token_stream import TokenStream
from tests.ports.on_redis import Client, Process, processes
from tests.servers.redis import Redis

PATIENCE_S = 60
STREAMS = 20
WORDS = 120
MESSAGE = RecentMessage(id=MessageId("m"), seq=1, author=Author.USER, text="hello")
C = ConversationId("c")


@pytest.fixture
async def both(redis: Redis) -> AsyncGenerator[list[Process]]:
    async with processes(redis, 2) as opened:
        yield opened


async def until_back(process: Process) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await process.link.trouble() is not None:  # noqa: ASYNC110  what is waited for
            await asyncio.sleep(0.01)


def empty(redis: Redis) -> None:
    with Client(redis) as client:
        client("FLUSHALL")


def restart(redis: Redis) -> None:
    redis.kill()
    redis.start()


def restart_empty(redis: Redis) -> None:
    empty(redis)
    restart(redis)


class Book:
    """The text of replies, as the store has it: right behind what is shown."""

    def __init__(self) -> None:
        self.texts: dict[MessageId, str] = {}
        self.ended: set[MessageId] = set()


async def write(stream: TokenStream, book: Book, reply_id: MessageId) -> None:
    await stream.begin(reply_id, 1, "")
    book.texts[reply_id] = ""
    for word in range(WORDS):
        text = f"{reply_id} {word} "
        await stream.append(reply_id, Position(1, len(book.texts[reply_id])), text)
        book.texts[reply_id] += text
        await asyncio.sleep(0.01)
    book.ended.add(reply_id)
    await stream.end(reply_id, 1, Status.COMPLETE)


async def follow(stream: TokenStream, book: Book, reply_id: MessageId) -> str:
    """As the chat role does: from the stream, and from the store where it is not held."""
    held = ""
    while True:
        parts = await stream.read(reply_id, Position(1, len(held)))
        if parts is not None:
            async for part in parts:
                match part:
                    case Delta(_, text):
                        held += text
                    case Reset(_, text):
                        held = text
                    case End():
                        break
                    case _:
                        pass
        stored, ended = book.texts.get(reply_id, ""), reply_id in book.ended
        held = stored if len(stored) > len(held) else held
        if ended:
            return held
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("trouble", [empty, restart, restart_empty])
async def test_streams_go_on_over_it(
    both: list[Process], redis: Redis, trouble: Callable[[Redis], None]
) -> None:
    """Everybody ends with the whole text, and what comes later is streamed again."""
    writer, reader = [await process.stream() for process in both]
    book = Book()
    ids = [MessageId(f"r{number}") for number in range(STREAMS)]
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        writing = [group.create_task(write(writer, book, each)) for each in ids]
        near = [group.create_task(follow(writer, book, each)) for each in ids]
        far = [group.create_task(follow(reader, book, each)) for each in ids]
        for _ in range(3):
            await asyncio.sleep(0.2)
            await asyncio.to_thread(trouble, redis)
            assert not all(task.done() for task in writing)
    whole = [book.texts[each] for each in ids]
    assert [task.result() for task in near] == whole
    assert [task.result() for task in far] == whole
    await until_back(both[0])
    later = MessageId("later")
    async with asyncio.timeout(PATIENCE_S):
        await writer.begin(later, 1, "streamed ")
        await writer.append(later, Position(1, 9), "again")
        while (parts := await reader.read(later, None)) is None:  # noqa: ASYNC110  see above
            await asyncio.sleep(0.01)
        assert await anext(aiter(parts)) == Delta(Position(1, 14), "streamed again")
        await parts.aclose()


async def test_a_reader_notices_that_its_stream_is_lost(both: list[Process], redis: Redis) -> None:
    """Its parts end, though nothing is ever said of the stream again."""
    writer, reader = [await process.stream() for process in both]
    await writer.begin(MessageId("r"), 1, "text")
    parts = await reader.read(MessageId("r"), None)
    assert parts is not None
    assert await anext(aiter(parts)) == Delta(Position(1, 4), "text")
    empty(redis)
    async with asyncio.timeout(PATIENCE_S):
        assert [part async for part in parts] == []


async def test_what_was_written_meanwhile_is_told_when_it_is_back(
    both: list[Process], redis: Redis
) -> None:
    writer, reader = [await process.stream() for process in both]
    await writer.begin(MessageId("r"), 1, "before ")
    redis.kill()
    await writer.append(MessageId("r"), Position(1, 7), "meanwhile")
    await writer.end(MessageId("r"), 1, Status.COMPLETE)
    here = await writer.read(MessageId("r"), None)
    assert here is not None
    assert (await anext(aiter(here))) == Delta(Position(1, 16), "before meanwhile")
    redis.start()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            parts = await reader.read(MessageId("r"), None)
            found = [part async for part in parts] if parts is not None else []
            if found[-1:] == [End(Position(1, 16), Status.COMPLETE)]:
                break
            await asyncio.sleep(0.01)
    assert found[:-1] == [Delta(Position(1, 16), "before meanwhile")]


async def test_nothing_but_leases_complains_while_it_is_away(
    both: list[Process], redis: Redis
) -> None:
    process = both[0]
    leases, turns, limiter = process.leases(), process.recent_turns(), process.limiter()
    stream, signals = await process.stream(), await process.signals()
    fence = await leases.claim("g", "a", capacity=1, ttl_s=60)
    assert fence is not None
    [member] = await leases.members("g")
    await turns.put(C, (MESSAGE,))
    redis.kill()
    assert list(await leases.members("g")) == [member]  # as it was seen last
    with pytest.raises(LeasesUnavailableError):
        await leases.members("unseen")
    with pytest.raises(LeasesUnavailableError):
        await leases.renew("g", "a", fence, ttl_s=60)
    assert await turns.get(C, MESSAGE.id) is None
    await turns.put(C, (MESSAGE,))
    await turns.forget(C)
    assert await limiter.hit("k", limit=1, per_s=1000) is None
    assert await limiter.hit("k", limit=1, per_s=1000) is not None
    await stream.begin(MessageId("r"), 1, "")
    assert await stream.read(MessageId("elsewhere"), None) is None
    async with signals.subscribe("a") as subscription:
        signals.publish(frozenset({"a"}))
        assert await subscription.wait(0)
    redis.start()
    await until_back(process)
    assert await leases.renew("g", "a", fence, ttl_s=60)


async def test_a_lost_place_is_noticed_and_claimed_anew(both: list[Process], redis: Redis) -> None:
    holder, other = (process.leases() for process in both)
    fence = await holder.claim("g", "a", capacity=1, ttl_s=60)
    assert fence is not None
    assert [member.name for member in await other.members("g")] == ["a"]
    empty(redis)
    assert [member.name for member in await other.members("g")] == ["a"]  # as it was seen last
    assert not await holder.renew("g", "a", fence, ttl_s=60)
    again = await holder.claim("g", "a", capacity=1, ttl_s=60)
    assert again is not None
    assert again > fence
    await holder.release("g", "a", again)
    assert await other.members("g") == []


async def test_what_was_to_be_forgotten_is_forgotten_when_it_is_back(
    both: list[Process], redis: Redis
) -> None:
    here, there = (process.recent_turns() for process in both)
    await here.put(C, (MESSAGE,))
    redis.kill()
    await here.forget(C)
    redis.start()
    await until_back(both[0])
    await here.get(ConversationId("another"), MESSAGE.id)
    assert await there.get(C, MESSAGE.id) is None


async def test_waiters_are_woken_when_they_may_have_missed_something(
    both: list[Process], redis: Redis
) -> None:
    here, there = [await process.signals() for process in both]
    async with there.subscribe("a") as subscription:
        redis.kill()
        here.publish(frozenset({"a"}))
        redis.start()
        assert await subscription.wait(PATIENCE_S)


async def test_a_frozen_redis_costs_a_moment_and_not_a_turn(
    both: list[Process], redis: Redis
) -> None:
    stream = await both[0].stream()
    await stream.begin(MessageId("r"), 1, "")
    redis.freeze()
    try:
        async with asyncio.timeout(PATIENCE_S):
            for number in range(100):
                await stream.append(MessageId("r"), Position(1, number), "x")
        with pytest.raises(RedisTroubleError):
            await both[0].link.line.command("PING")
    finally:
        redis.thaw()
    await until_back(both[0])
