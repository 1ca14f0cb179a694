"""What every adapter of TokenStream keeps."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.adapters.memory.token_stream import MemoryTokenStream
from tertulia.domain.ids import MessageId
from tertulia.domain.messages import Status
from tertulia.domain.streams import Delta, End, Part, Position, Reset, Waiting
from tertulia.kit.clock import Clock
from tertulia.ports.token_stream import TokenStream
from tests.ports.stores import HandClock

MIB = 1024 * 1024
Make = Callable[[Clock, int], TokenStream]
ADAPTERS: dict[str, Make] = {
    "memory": lambda clock, max_bytes: MemoryTokenStream(clock, max_bytes=max_bytes, kept_s=60)
}
R, S = MessageId("r"), MessageId("s")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=list(ADAPTERS.values()), ids=list(ADAPTERS))
def make(request: pytest.FixtureRequest) -> Make:
    return request.param


@pytest.fixture
def stream(make: Make, clock: HandClock) -> TokenStream:
    return make(clock, MIB)


def reading(
    stream: TokenStream, reply_id: MessageId, after: Position | None = None
) -> AsyncIterator[Part]:
    parts = stream.read(reply_id, after)
    assert parts is not None
    return parts


async def read(
    stream: TokenStream, reply_id: MessageId, after: Position | None = None
) -> list[Part]:
    """Everything, to the end."""
    async with asyncio.timeout(20):
        return [part async for part in reading(stream, reply_id, after)]


async def write(stream: TokenStream, reply_id: MessageId, *texts: str, epoch: int = 1) -> None:
    at = 0
    for text in texts:
        await stream.append(reply_id, Position(epoch, at), text)
        at += len(text)


async def waiting(parts: AsyncIterator[Part]) -> "asyncio.Task[Part]":
    """A reader that has come to where there is no more."""
    task = asyncio.ensure_future(anext(parts))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert not task.done()
    return task


def at(offset: int, epoch: int = 1) -> Position:
    return Position(epoch, offset)


async def test_an_unknown_stream_is_none(stream: TokenStream) -> None:
    assert stream.read(R, None) is None


async def test_a_reader_gets_what_was_written_then_the_end(stream: TokenStream) -> None:
    await stream.begin(R, 1, "")
    await write(stream, R, "one ", "two")
    await stream.end(R, 1, Status.COMPLETE)
    assert await read(stream, R) == [Delta(at(7), "one two"), End(at(7), Status.COMPLETE)]


async def test_a_waiting_reader_is_woken_by_text_and_by_the_end(stream: TokenStream) -> None:
    await stream.begin(R, 1, "")
    parts = reading(stream, R)
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
    assert stream.read(R, at(0, 2)) is None


async def test_a_reader_is_carried_over_into_the_next_attempt(stream: TokenStream) -> None:
    await stream.begin(R, 1, "")
    await write(stream, R, "one two")
    parts = reading(stream, R)
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
    parts = reading(stream, R)
    await stream.wait(R, 1, 3)
    await stream.wait(R, 1, 2)
    assert await anext(parts) == Waiting(2)
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
    assert stream.read(R, None) is not None
    clock.pass_time(timedelta(seconds=1))
    assert stream.read(R, None) is None


async def test_a_running_stream_is_kept_however_long_it_takes(
    stream: TokenStream, clock: HandClock
) -> None:
    await stream.begin(R, 1, "text")
    clock.pass_time(timedelta(days=1))
    assert stream.read(R, None) is not None


async def test_ended_streams_make_room_for_running_ones(make: Make, clock: HandClock) -> None:
    stream = make(clock, 12_000)
    await stream.begin(R, 1, "r" * 4000)
    await stream.end(R, 1, Status.COMPLETE)
    await stream.begin(S, 1, "s" * 4000)
    assert stream.read(R, None) is not None
    await stream.append(S, at(4000), "s" * 4000)
    assert stream.read(R, None) is None
    assert stream.read(S, None) is not None


async def test_a_reader_behind_the_bound_goes_to_the_store_and_can_come_back(
    make: Make, clock: HandClock
) -> None:
    stream = make(clock, 10_000)
    await stream.begin(R, 1, "")
    await write(stream, R, "slow")
    slow = reading(stream, R)
    assert await anext(slow) == Delta(at(4), "slow")
    for number in range(20):
        await stream.append(R, at(4 + number * 1000), "x" * 1000)
    assert [part async for part in slow] == []  # no End: it reads on from the store
    assert stream.read(R, at(4)) is None
    await stream.end(R, 1, Status.COMPLETE)
    assert await read(stream, R, at(20_000)) == [
        Delta(at(20_004), "xxxx"),
        End(at(20_004), Status.COMPLETE),
    ]


async def test_a_reader_costs_the_writer_nothing(stream: TokenStream) -> None:
    """Readers that never read on hold nothing up."""
    await stream.begin(R, 1, "")
    idle = [reading(stream, R) for _ in range(100)]
    await write(stream, R, *("text" for _ in range(100)))
    await stream.end(R, 1, Status.COMPLETE)
    for parts in idle:
        assert await anext(parts) == Delta(at(400), "text" * 100)


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
    readers: list[tuple[str, AsyncIterator[Part]]] = []
    written = ""
    for number in range(len(texts) + 1):
        for _, offset in (r for r in reads if r[0] == number):
            held = written[:offset]
            readers.append((held, reading(stream, R, at(len(held)))))
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
