"""What processes of one installation see of each other through Redis."""

import asyncio
import random
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.redis.seals import LOOK_AGAIN_S, Seals
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author, Status
from tertulia.domain.streams import Delta, End, Part, Position, Reset
from tertulia.ports.recent_turns import RecentMessage
from tertulia.ports.token_stream import TokenStream
from tests.ports.on_redis import Client, Process, processes
from tests.ports.stores import HandClock
from tests.servers.redis import Redis

STREAMS = 100
CUTS = 3
WORDS = 40
CANARY = "canary-7c1f"
PATIENCE_S = 60


@pytest.fixture
async def several(redis: Redis) -> AsyncGenerator[list[Process]]:
    async with processes(redis, 4) as opened:
        yield opened


def held_after(held: str, part: Part) -> str:
    """What a reader holds after a part."""
    match part:
        case Delta(_, text):
            return held + text
        case Reset(_, text):
            return text
        case _:
            return held


async def follow_from_process_to_process(
    streams: list[TokenStream], reply_id: MessageId, dice: random.Random
) -> str:
    """Read to the end, cut off at random, each time going on in another process."""
    held, epoch = "", 1
    cuts = CUTS
    start = dice.randrange(len(streams))
    for turn in range(start, start + 1000):
        parts = await streams[turn % len(streams)].read(reply_id, Position(epoch, len(held)))
        assert parts is not None
        limit = dice.randint(1, WORDS // 3) if cuts else None
        cuts -= 1
        count = 0
        try:
            async for part in parts:
                held = held_after(held, part)
                count += 1
                if isinstance(part, End):
                    return held
                if count == limit:
                    break
        finally:
            await parts.aclose()
        cuts = max(cuts, 0)
    raise AssertionError(held)


async def test_readers_go_on_in_other_processes_byte_for_byte(several: list[Process]) -> None:
    streams: list[TokenStream] = [await process.stream() for process in several]
    writer, readers = streams[0], streams[1:]
    dice = random.Random(7)  # noqa: S311  no secret
    texts = [[f"{n}·{w} é🎉 " for w in range(WORDS)] for n in range(STREAMS)]

    async def write(number: int) -> None:
        at = 0
        for text in texts[number]:
            await writer.append(MessageId(f"r{number}"), Position(1, at), text)
            at += len(text)
            await asyncio.sleep(dice.random() / 200)
        await writer.end(MessageId(f"r{number}"), 1, Status.COMPLETE)

    for number in range(STREAMS):
        await writer.begin(MessageId(f"r{number}"), 1, "")
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        following = [
            group.create_task(
                follow_from_process_to_process(readers, MessageId(f"r{number}"), dice)
            )
            for number in range(STREAMS)
        ]
        for number in range(STREAMS):
            group.create_task(write(number))
    assert [task.result() for task in following] == ["".join(parts) for parts in texts]


async def test_a_process_hears_only_streams_that_are_read_there(
    several: list[Process], redis: Redis
) -> None:
    writer, reader = [await process.stream() for process in several[:2]]
    with Client(redis) as client:
        await writer.begin(MessageId("r"), 1, "text")
        await writer.begin(MessageId("s"), 1, "text")
        first = await reader.read(MessageId("r"), None)
        second = await reader.read(MessageId("r"), None)
        assert first is not None
        assert second is not None
        channels: list[bytes] = client("PUBSUB", "CHANNELS")
        assert channels == [b"tertulia:streams:r"]
        assert client("PUBSUB", "NUMSUB", "tertulia:streams:r")[1] == 1
        await first.aclose()
        await second.aclose()
        async with asyncio.timeout(PATIENCE_S):
            while client("PUBSUB", "CHANNELS"):  # noqa: ASYNC110  Redis tells nobody
                await asyncio.sleep(0.01)


async def test_a_writer_whose_attempt_is_over_gives_up(several: list[Process]) -> None:
    zombie, writer, reader = [await process.stream() for process in several[:3]]
    reply_id = MessageId("r")
    await zombie.begin(reply_id, 1, "")
    await zombie.append(reply_id, Position(1, 0), "old")
    there = await zombie.read(reply_id, None)
    assert there is not None
    assert await anext(aiter(there)) == Delta(Position(1, 3), "old")
    await writer.begin(reply_id, 2, "kept ")
    await zombie.append(reply_id, Position(1, 3), " news")
    await zombie.end(reply_id, 1, Status.COMPLETE)
    await writer.append(reply_id, Position(2, 5), "new")
    await writer.end(reply_id, 2, Status.COMPLETE)
    assert [part async for part in there if not isinstance(part, Delta)] == []
    for process in (zombie, writer, reader):
        parts = await process.read(reply_id, None)
        assert parts is not None
        assert [part async for part in parts] == [
            Delta(Position(2, 8), "kept new"),
            End(Position(2, 8), Status.COMPLETE),
        ]


async def test_whoever_ends_a_stream_of_a_dead_writer_is_heard(several: list[Process]) -> None:
    writer, other, reader = [await process.stream() for process in several[:3]]
    await writer.begin(MessageId("r"), 1, "cut")
    parts = await reader.read(MessageId("r"), None)
    assert parts is not None
    assert await anext(aiter(parts)) == Delta(Position(1, 3), "cut")
    await other.end(MessageId("r"), 1, Status.INTERRUPTED)
    assert [part async for part in parts] == [End(Position(1, 3), Status.INTERRUPTED)]


async def test_signals_reach_other_processes_and_come_back_to_none(several: list[Process]) -> None:
    one, other = [await process.signals() for process in several[:2]]
    async with one.subscribe("a", "fence") as here, other.subscribe("a") as there:
        one.publish(frozenset({"a"}))
        assert await here.wait(0)
        assert await there.wait(PATIENCE_S)
        other.publish(frozenset({"fence"}))  # what comes before it has come by then
        assert await here.wait(PATIENCE_S)
        assert not await here.wait(0)


async def test_nothing_that_people_wrote_lies_in_redis(
    several: list[Process], redis: Redis
) -> None:
    process = several[0]
    stream, turns = await process.stream(), process.recent_turns()
    await stream.begin(MessageId("r"), 1, f"kept {CANARY} ")
    await stream.append(MessageId("r"), Position(1, len(CANARY) + 6), f"new {CANARY}")
    message = RecentMessage(id=MessageId("m"), seq=1, author=Author.USER, text=CANARY)
    await turns.put(ConversationId("c"), (message,))
    assert await turns.get(ConversationId("c"), MessageId("m")) == (message,)
    with Client(redis) as client:
        client("SAVE")
    for file in redis.place.folder.rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes(), file


async def test_after_a_rotation_a_new_key_seals_and_a_destroyed_one_is_a_miss() -> None:
    vault, clock = MemoryVault(), HandClock()
    writer, reader = Seals(vault, clock), Seals(vault, clock)
    old = await writer.own()
    found = await reader.opened(old.envelope)
    assert found is not None
    assert found.key == old.key
    vault.rotate()
    vault.retire(vault.version)
    clock.pass_time(timedelta(seconds=LOOK_AGAIN_S))
    new = await writer.own()
    assert new.key != old.key
    assert await Seals(vault, clock).opened(old.envelope) is None
    assert await Seals(vault, clock).opened(new.envelope) == new


@pytest.mark.parametrize(("messages", "characters"), [(2, 20), (10, 500), (40, 370), (40, 400)])
async def test_the_bytes_that_recent_turns_count_are_the_bytes_that_redis_takes(
    several: list[Process], redis: Redis, messages: int, characters: int
) -> None:
    turns = several[0].recent_turns(max_bytes=10**9, max_messages=200)
    conversations = 300
    for number in range(conversations):
        branch = tuple(
            RecentMessage(
                id=MessageId(f"{number:018}{n:018}"),
                seq=n + 1,
                author=Author.USER,
                text="x" * characters,
            )
            for n in range(messages)
        )
        await turns.put(ConversationId(f"{number:036}"), branch)
    counted = await turns.size_bytes()
    with Client(redis) as client:
        taken = sum(client("MEMORY", "USAGE", key, "SAMPLES", 0) for key in client("KEYS", "*"))
    assert taken == pytest.approx(counted, rel=0.05)
