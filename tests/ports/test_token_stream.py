"""What every adapter of TokenStream keeps."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.adapters.memory.token_stream import MemoryTokenStream
from tertulia.domain.ids import MessageId
from tertulia.domain.messages import Status
from tertulia.domain.streams import Delta, End, Part, Position, Reset, Waiting
from tertulia.ports.token_stream import Parts, TokenStream
from tests.ports.on_redis import AgeingClock, OverThere, processes, server
from tests.ports.stores import HandClock

MIB = 1024 * 1024
R, S = MessageId("r"), MessageId("s")


Make = Callable[[int], Awaitable[TokenStream]]
Opened = tuple[Make, HandClock]


@asynccontextmanager
async def memory(_: pytest.FixtureRequest) -> AsyncGenerator[Opened]:
    clock = HandClock()

    async def make(max_bytes: int) -> TokenStream:
        return MemoryTokenStream(clock, max_bytes=max_bytes, kept_s=60)

    yield make, clock


@asynccontextmanager
async def redis(request: pytest.FixtureRequest) -> AsyncGenerator[Opened]:
    clock = AgeingClock(server(request))
    async with processes(server(request), 1, clock) as [process]:
        yield process.stream, clock


@asynccontextmanager
async def redis_elsewhere(request: pytest.FixtureRequest) -> AsyncGenerator[Opened]:
    clock = AgeingClock(server(request))
    async with processes(server(request), 2, clock) as [one, other]:

        async def make(max_bytes: int) -> TokenStream:
            return OverThere(await one.stream(max_bytes), await other.stream(max_bytes))

        yield make, clock


ADAPTERS = [memory, redis, redis_elsewhere]


@pytest.fixture(params=ADAPTERS, ids=lambda opener: opener.__name__)
async def opened(request: pytest.FixtureRequest) -> AsyncGenerator[Opened]:
    async with request.param(request) as both:
        yield both


@pytest.fixture
def make(opened: Opened) -> Make:
    return opened[0]


@pytest.fixture
def clock(opened: Opened) -> HandClock:
    return opened[1]


@pytest.fixture
async def stream(make: Make) -> TokenStream:
    return await make(MIB)


async def reading(stream: TokenStream, reply_id: MessageId, after: Position | None = None) -> Parts:
    parts = await stream.read(reply_id, after)
    assert parts is not None
    return parts


async def holds(stream: TokenStream, reply_id: MessageId) -> bool:
    parts = await stream.read(reply_id, None)
    if parts is not None:
        await parts.aclose()
    return parts is not None


async def read(
    stream: TokenStream, reply_id: MessageId, after: Position | None = None
) -> list[Part]:
    """Everything, to the end."""
    async with asyncio.timeout(20):
        return [part async for part in await reading(stream, reply_id, after)]


async def write(stream: TokenStream, reply_id: MessageId, *texts: str, epoch: int = 1) -> None:
    at = 0
    for text in texts:
        await stream.append(reply_id, Position(epoch, at), text)
        at += len(text)


async def waiting(parts: Parts) -> "asyncio.Task[Part]":
    """A reader that has come to where there is no more."""
    task = asyncio.ensure_future(anext(parts))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert not task.done()
    return task


def at(offset: int, epoch: int = 1) -> Position:
    return Position(epoch, offset)


async def test_an_unknown_stream_is_none(stream: TokenStream) -> None:
    assert not await holds(stream, R)


async def test_a_reader_gets_what_was_written_then_the_end(stream: TokenStream) -> None:
    await stream.begin(R, 1, "")
    await write(stream, R, "one ", "two")
    await stream.end(R, 1, Status.COMPLETE)
    assert await read(stream, R) == [Delta(at(7), "one two"), End(at(7), Status.COMPLETE)]


async def test_a_waiting_reader_is_woken_by_text_and_by_the_end(stream: TokenStream) -> None:
    await stream.begin(R, 1, "")
    parts = await reading(stream, R)
    task = await waiting(parts)
    await write(stream, R, "one")
    assert await task == Delta(at(3), "one")
    task = await waiting(parts)
    await stream.end(R, 1, Status.CANCELLED)
    assert await task == End(at(3), Status.CANCELLED)


async def test_a_reader_goes_on_after_any_character(stream: TokenStream) -> None:
    await stream.begin(R, 1, "")
    await write(stream, R, "añ", "o🎉", "!")
    await stream.end(R, 1, Status.COMPLETE)
    whole = "año🎉!"
    for offset in range(len(whole)):
        [delta, _] = await read(stream, R, at(offset))
        assert delta == Delta(at(5), whole[offset:])
    assert await read(stream, R, at(5)) == [End(at(5), Status.COMPLETE)]


async def test_an_attempt_goes_on_from_the_text_it_is_given(stream: TokenStream) -> None:
    await stream.begin(R, 2, "kept ")
    await stream.append(R, at(5, 2), "new")
    await stream.end(R, 2, Status.COMPLETE)
    assert (await read(stream, R))[0] == Delta(at(8, 2), "kept new")


@pytest.mark.parametrize("held", [at(3, 1), at(0, 1), at(9, 2)])
async def test_a_reader_of_an_older_attempt_or_of_more_than_there_is_starts_over(
    stream: TokenStream, held: Position
) -> None:
    await stream.begin(R, 2, "kept")
    await stream.end(R, 2, Status.COMPLETE)
    assert await read(stream, R, held) == [
        Reset(at(4, 2), "kept"),
        End(at(4, 2), Status.COMPLETE),
    ]


async def test_a_reader_of_a_newer_attempt_is_sent_to_the_store(stream: TokenStream) -> None:
    await stream.begin(R, 1, "old")
    assert await stream.read(R, at(0, 2)) is None


async def test_a_reader_is_carried_over_into_the_next_attempt(stream: TokenStream) -> None:
    await stream.begin(R, 1, "")
    await write(stream, R, "one two")
    parts = await reading(stream, R)
    assert await anext(parts) == Delta(at(7), "one two")
    task = await waiting(parts)
    await stream.begin(R, 2, "one ")
    assert await task == Reset(at(4, 2), "one ")


async def test_what_an_older_attempt_still_says_is_ignored(stream: TokenStream) -> None:
    await stream.begin(R, 2, "")
    await stream.begin(R, 1, "zombie")
    await stream.append(R, at(0, 1), "zombie")
    await stream.wait(R, 1, 3)
    await stream.end(R, 1, Status.COMPLETE)
    await stream.append(R, at(0, 2), "new")
    await stream.end(R, 2, Status.COMPLETE)
    assert await read(stream, R) == [Delta(at(3, 2), "new"), End(at(3, 2), Status.COMPLETE)]


async def test_text_at_another_place_than_the_end_is_ignored(stream: TokenStream) -> None:
    await stream.begin(R, 1, "")
    await write(stream, R, "one")
    await stream.append(R, at(0), "one")
    await stream.append(R, at(9), "gap")
    await stream.end(R, 1, Status.COMPLETE)
    await stream.append(R, at(3), "late")
    assert (await read(stream, R))[0] == Delta(at(3), "one")


async def test_beginning_an_attempt_again_keeps_its_text(stream: TokenStream) -> None:
    await stream.begin(R, 1, "")
    await write(stream, R, "one")
    await stream.begin(R, 1, "")
    await stream.end(R, 1, Status.COMPLETE)
    assert (await read(stream, R))[0] == Delta(at(3), "one")


async def test_a_place_in_line_is_told_once_per_change_until_there_is_text(
    stream: TokenStream,
) -> None:
    await stream.begin(R, 1, "")
    parts = await reading(stream, R)
    await stream.wait(R, 1, 3)
    await stream.wait(R, 1, 2)
    told = await anext(parts)
    if told == Waiting(3):  # a reader may be quick
        told = await anext(parts)
    assert told == Waiting(2)
    task = await waiting(parts)
    await stream.wait(R, 1, 2)
    await stream.wait(R, 1, 0)
    assert await task == Waiting(0)
    await write(stream, R, "text")
    await stream.wait(R, 1, 9)
    await stream.end(R, 1, Status.COMPLETE)
    assert [part async for part in parts] == [Delta(at(4), "text"), End(at(4), Status.COMPLETE)]


async def test_streams_are_apart(stream: TokenStream) -> None:
    await stream.begin(R, 1, "")
    await stream.begin(S, 1, "")
    await write(stream, R, "r")
    await write(stream, S, "s")
    for reply_id in (R, S):
        await stream.end(reply_id, 1, Status.COMPLETE)
        assert (await read(stream, reply_id))[0] == Delta(at(1), reply_id)


async def test_an_ended_stream_is_kept_for_a_while(stream: TokenStream, clock: HandClock) -> None:
    await stream.begin(R, 1, "text")
    await stream.end(R, 1, Status.COMPLETE)
    clock.pass_time(timedelta(seconds=59))
    assert await holds(stream, R)
    clock.pass_time(timedelta(seconds=1))
    assert not await holds(stream, R)


async def test_a_running_stream_is_kept_however_long_it_takes(
    stream: TokenStream, clock: HandClock
) -> None:
    await stream.begin(R, 1, "text")
    clock.pass_time(timedelta(days=1))
    assert await holds(stream, R)


async def test_ended_streams_make_room_for_running_ones(make: Make) -> None:
    stream = await make(12_000)
    await stream.begin(R, 1, "r" * 4000)
    await stream.end(R, 1, Status.COMPLETE)
    await stream.begin(S, 1, "s" * 4000)
    assert await holds(stream, R)
    await stream.append(S, at(4000), "s" * 4000)
    assert not await holds(stream, R)
    assert await holds(stream, S)


async def test_a_reader_behind_the_bound_goes_to_the_store_and_can_come_back(
    make: Make,
) -> None:
    stream = await make(10_000)
    await stream.begin(R, 1, "")
    await write(stream, R, "slow")
    slow = await reading(stream, R)
    assert await anext(slow) == Delta(at(4), "slow")
    for number in range(20):
        await stream.append(R, at(4 + number * 1000), "x" * 1000)
    assert [part async for part in slow] == []  # no End: it reads on from the store
    assert await stream.read(R, at(4)) is None
    await stream.end(R, 1, Status.COMPLETE)
    assert await read(stream, R, at(20_000)) == [
        Delta(at(20_004), "xxxx"),
        End(at(20_004), Status.COMPLETE),
    ]


async def test_a_reader_costs_the_writer_nothing(stream: TokenStream) -> None:
    """Readers that never read on hold nothing up."""
    await stream.begin(R, 1, "")
    idle = [await reading(stream, R) for _ in range(100)]
    await write(stream, R, *("text" for _ in range(100)))
    await stream.end(R, 1, Status.COMPLETE)
    for parts in idle:
        assert await anext(parts) == Delta(at(400), "text" * 100)


async def test_text_before_the_first_character_is_sought_in_the_store(stream: TokenStream) -> None:
    await stream.begin(R, 1, "middle ", first=6)
    await stream.append(R, at(13), "end")
    assert not await holds(stream, R)
    assert await stream.read(R, at(5)) is None
    await stream.end(R, 1, Status.COMPLETE)
    assert await read(stream, R, at(6)) == [
        Delta(at(16), "middle end"),
        End(at(16), Status.COMPLETE),
    ]


async def test_what_was_forgotten_is_not_held_and_lets_its_readers_go(stream: TokenStream) -> None:
    await stream.begin(R, 1, "text")
    parts = await reading(stream, R)
    assert await anext(parts) == Delta(at(4), "text")
    await stream.forget(R)
    await stream.forget(S)
    assert [part async for part in parts] == []
    assert not await holds(stream, R)
    await stream.append(R, at(4), "late")
    assert not await holds(stream, R)


async def test_a_reader_may_leave_whenever_it_likes(stream: TokenStream) -> None:
    await stream.begin(R, 1, "")
    early, late = await reading(stream, R), await reading(stream, R)
    await early.aclose()
    await write(stream, R, "text")
    assert await anext(late) == Delta(at(4), "text")
    await late.aclose()
    await stream.end(R, 1, Status.COMPLETE)
    assert (await read(stream, R))[0] == Delta(at(4), "text")


@given(
    texts=st.lists(st.text(min_size=1, max_size=5), max_size=12),
    reads=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 60)), max_size=6),
)
async def test_any_reader_ends_with_the_whole_text(
    texts: list[str], reads: list[tuple[int, int]]
) -> None:
    """However text is cut, whenever and wherever a reader comes in."""
    stream = MemoryTokenStream(HandClock(), max_bytes=MIB, kept_s=60)
    whole = "".join(texts)
    await stream.begin(R, 1, "")
    readers: list[tuple[str, Parts]] = []
    written = ""
    for number in range(len(texts) + 1):
        for _, offset in (r for r in reads if r[0] == number):
            held = written[:offset]
            readers.append((held, await reading(stream, R, at(len(held)))))
        if number < len(texts):
            await stream.append(R, at(len(written)), texts[number])
            written += texts[number]
    await stream.end(R, 1, Status.COMPLETE)
    for held, parts in readers:
        text = held
        async for part in parts:
            if isinstance(part, Delta):
                text += part.text
                assert part.at == at(len(text))
        assert text == whole
