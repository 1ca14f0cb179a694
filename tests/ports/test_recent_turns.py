"""What every adapter of RecentTurns keeps."""

import tracemalloc
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from tertulia.adapters.memory.recent_turns import MemoryRecentTurns
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author
from tertulia.kit.ids import new_id
from tertulia.ports.recent_turns import RecentMessage, RecentTurns
from tests.ports.on_redis import Client, InTurn, processes, server

Make = Callable[[int, int], RecentTurns]
A, B, C = (ConversationId(name) for name in "abc")


@asynccontextmanager
async def memory(_: pytest.FixtureRequest) -> AsyncGenerator[Make]:
    yield lambda max_bytes, max_messages: MemoryRecentTurns(
        max_bytes=max_bytes, max_messages=max_messages
    )


@asynccontextmanager
async def redis(request: pytest.FixtureRequest) -> AsyncGenerator[Make]:
    async with processes(server(request), 2) as opened:

        def make(max_bytes: int, max_messages: int) -> RecentTurns:
            with Client(server(request)) as redis:
                redis("FLUSHALL")
            turns = [process.recent_turns(max_bytes, max_messages) for process in opened]
            return cast("RecentTurns", InTurn(turns))

        yield make


ADAPTERS = [memory, redis]


@pytest.fixture(params=ADAPTERS, ids=lambda opener: opener.__name__)
async def make(request: pytest.FixtureRequest) -> AsyncGenerator[Make]:
    async with request.param(request) as opened:
        yield opened


def branch(count: int, *, first: int = 1, text: str = "text") -> tuple[RecentMessage, ...]:
    return tuple(
        RecentMessage(
            id=MessageId(f"m{seq}"),
            seq=seq,
            author=Author.USER if seq % 2 else Author.ASSISTANT,
            text=f"{text} {seq}",
        )
        for seq in range(first, first + count)
    )


async def test_a_branch_comes_back_oldest_first(make: Make) -> None:
    turns = make(10**6, 10)
    await turns.put(A, branch(4))
    assert await turns.get(A, MessageId("m4")) == branch(4)


async def test_an_unknown_leaf_or_conversation_is_a_miss(make: Make) -> None:
    turns = make(10**6, 10)
    await turns.put(A, branch(4))
    assert await turns.get(A, MessageId("m5")) is None
    assert await turns.get(B, MessageId("m4")) is None


async def test_any_message_of_a_whole_branch_ends_a_branch(make: Make) -> None:
    """Regenerating an earlier reply asks for the branch up to its question."""
    turns = make(10**6, 10)
    await turns.put(A, branch(4))
    assert await turns.get(A, MessageId("m3")) == branch(3)


async def test_the_inside_of_a_branch_that_was_cut_is_a_miss(make: Make) -> None:
    """What lies before it would be missing."""
    turns = make(10**6, 3)
    await turns.put(A, branch(5))
    assert await turns.get(A, MessageId("m5")) == branch(3, first=3)
    assert await turns.get(A, MessageId("m4")) is None
    await turns.put(B, branch(2, first=7))
    assert await turns.get(B, MessageId("m7")) is None


async def test_another_branch_takes_the_place_of_the_first(make: Make) -> None:
    turns = make(10**6, 10)
    await turns.put(A, branch(4))
    before = await turns.size_bytes()
    await turns.put(A, branch(2))
    assert await turns.get(A, MessageId("m4")) is None
    assert await turns.size_bytes() < before


async def test_what_was_forgotten_takes_no_room(make: Make) -> None:
    turns = make(10**6, 10)
    await turns.put(A, branch(4))
    await turns.forget(A)
    await turns.forget(B)
    assert await turns.get(A, MessageId("m4")) is None
    assert await turns.size_bytes() == 0


async def test_the_least_recently_used_goes_first(make: Make) -> None:
    probe = make(10**6, 10)
    await probe.put(A, branch(4))
    turns = make(2 * await probe.size_bytes(), 10)
    await turns.put(A, branch(4))
    await turns.put(B, branch(4))
    assert await turns.get(A, MessageId("m4")) is not None
    await turns.put(C, branch(4))
    assert await turns.get(B, MessageId("m4")) is None
    assert await turns.get(A, MessageId("m4")) is not None
    assert await turns.get(C, MessageId("m4")) is not None


async def test_the_bound_holds_whatever_is_put(make: Make) -> None:
    bound = 20_000
    turns = make(bound, 50)
    for number in range(200):
        name = ConversationId(f"c{number}")
        await turns.put(name, branch(number % 60 + 1, text="é" * (number % 300)))
        assert await turns.size_bytes() <= bound


async def test_a_branch_larger_than_the_bound_is_not_held_and_drives_nobody_out(
    make: Make,
) -> None:
    turns = make(20_000, 50)
    await turns.put(A, branch(4))
    await turns.put(B, branch(1, text="x" * 20_000))
    assert await turns.get(B, MessageId("m1")) is None
    assert await turns.get(A, MessageId("m4")) is not None


@pytest.mark.parametrize(("messages", "characters"), [(2, 20), (40, 400)])
async def test_in_memory_the_bytes_counted_are_the_bytes_taken(
    messages: int, characters: int
) -> None:
    """Within 10 %, against the interpreter's own accounting."""
    turns = MemoryRecentTurns(max_bytes=10**9, max_messages=200)
    conversations = 300
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        held: tuple[RecentMessage, ...] = ()
        for _ in range(conversations):
            held = tuple(
                RecentMessage(
                    id=MessageId(new_id()),
                    seq=1_000_000 + n,
                    author=Author.USER,
                    text=chr(97 + n % 26) * characters,
                )
                for n in range(messages)
            )
            await turns.put(ConversationId(new_id()), held)
        del held
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    counted = await turns.size_bytes()
    assert taken == pytest.approx(counted, rel=0.1)
