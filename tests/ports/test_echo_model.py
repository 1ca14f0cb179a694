"""The echo model: the whole port, and what makes it deterministic."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.adapters.echo.model import EchoModel
from tertulia.domain.messages import Usage
from tertulia.ports.chat_model import (
    ChatRequest,
    Chunk,
    Finished,
    ModelNotFoundError,
    PromptMessage,
    PromptRole,
    Text,
    Waiting,
)

SYSTEM: tuple[PromptRole, str] = ("system", "You are terse.")


def request(
    *messages: tuple[PromptRole, str],
    model: str = "echo",
    max_tokens: int | None = None,
    stop: tuple[str, ...] = (),
    background: bool = False,
) -> ChatRequest:
    return ChatRequest(
        model=model,
        messages=tuple(PromptMessage(role, content) for role, content in messages),
        max_tokens=max_tokens,
        stop=stop,
        background=background,
    )


async def answer(model: EchoModel, asked: ChatRequest) -> tuple[list[str], Finished]:
    chunks = [chunk async for chunk in model.stream(asked)]
    finished = chunks.pop()
    assert isinstance(finished, Finished)
    return [chunk.text for chunk in chunks if isinstance(chunk, Text)], finished


async def test_it_says_the_last_message_again_word_by_word() -> None:
    texts, finished = await answer(
        EchoModel(),
        request(SYSTEM, ("user", "one"), ("assistant", "one"), ("user", "two  three\n")),
    )
    assert texts == ["two", "  three", "\n"]
    assert finished == Finished("stop", Usage(prompt_tokens=8, completion_tokens=3))


async def test_it_says_exactly_as_many_tokens_as_it_is_told() -> None:
    texts, finished = await answer(
        EchoModel(), request(("user", "one two three"), model="echo/7/0")
    )
    assert "".join(texts) == "one two three one two three one"
    assert len(texts) == 7
    assert finished.usage is not None
    assert finished.usage.completion_tokens == 7


@given(
    text=st.text(max_size=40),
    model=st.sampled_from(["echo", "echo/5/0", "echo/0/0"]),
    cut=st.integers(0, 50),
)
async def test_it_goes_on_where_it_was_cut(text: str, model: str, cut: int) -> None:
    echo = EchoModel()
    whole = "".join((await answer(echo, request(("user", text), model=model)))[0])
    begun = whole[:cut]
    rest, _ = await answer(echo, request(("user", text), ("assistant", begun), model=model))
    assert begun + "".join(rest) == whole


async def test_a_silent_prompt_gets_an_answer_too() -> None:
    texts, _ = await answer(EchoModel(), request(("user", "")))
    assert "".join(texts)


async def test_the_token_limit_and_stop_sequences_are_kept() -> None:
    echo = EchoModel()
    texts, finished = await answer(echo, request(("user", "a b c d"), max_tokens=2))
    assert ("".join(texts), finished.reason) == ("a b", "length")
    texts, finished = await answer(echo, request(("user", "a b c d"), max_tokens=4))
    assert ("".join(texts), finished.reason) == ("a b c d", "stop")
    texts, finished = await answer(echo, request(("user", "a b c d"), stop=(" c", "d")))
    assert ("".join(texts), finished.reason) == ("a b", "stop")


async def test_it_counts_words() -> None:
    assert await EchoModel().count_tokens("echo", ["", "one", "one two  three\n"]) == [0, 1, 4]


@pytest.mark.parametrize("name", ["gpt", "echo/", "echo/1", "echo/x/1", "echo/1/1/1", "echo/-1/1"])
async def test_other_names_are_not_found(name: str) -> None:
    with pytest.raises(ModelNotFoundError):
        await answer(EchoModel(), request(("user", "x"), model=name))
    with pytest.raises(ModelNotFoundError):
        EchoModel(name)


async def test_the_default_is_named_first() -> None:
    assert [info.id for info in await EchoModel("echo/5/10").models()] == ["echo/5/10", "echo"]


async def until_waiting(chunks: "asyncio.Queue[Chunk]") -> int:
    chunk = await chunks.get()
    assert isinstance(chunk, Waiting)
    return chunk.ahead


async def test_requests_beyond_the_slots_wait_and_know_their_place() -> None:
    echo = EchoModel(slots=1)
    seen: dict[str, asyncio.Queue[Chunk]] = {name: asyncio.Queue() for name in ("a", "b", "c")}
    gate = asyncio.Event()

    async def ask(name: str, *, background: bool = False) -> None:
        async with aclosing(echo.stream(request(("user", name), background=background))) as chunks:
            async for chunk in chunks:
                seen[name].put_nowait(chunk)
                if isinstance(chunk, Text) and name == "a":
                    await gate.wait()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(ask("a"))
        assert await seen["a"].get() == Text("a")
        group.create_task(ask("b", background=True))
        assert await until_waiting(seen["b"]) == 0
        group.create_task(ask("c"))  # a person goes before work in the background
        assert await until_waiting(seen["c"]) == 0
        assert await until_waiting(seen["b"]) == 1
        gate.set()
    assert rest(seen["c"])[-2:] == [
        Text("c"),
        Finished("stop", Usage(prompt_tokens=1, completion_tokens=1)),
    ]
    assert rest(seen["b"])[-2:] == [
        Text("b"),
        Finished("stop", Usage(prompt_tokens=1, completion_tokens=1)),
    ]
    assert echo.running == 0


def rest(chunks: "asyncio.Queue[Chunk]") -> Sequence[Chunk]:
    return [chunks.get_nowait() for _ in range(chunks.qsize())]


async def test_closing_a_stream_stops_the_model_and_frees_its_place() -> None:
    echo = EchoModel(slots=1)
    async with aclosing(echo.stream(request(("user", "a b c"), model="echo/9/0"))) as chunks:
        assert await anext(chunks) == Text("a")
        assert echo.running == 1
    assert echo.running == 0
    texts, _ = await answer(echo, request(("user", "next")))
    assert texts == ["next"]


async def test_one_that_leaves_the_line_lets_the_others_move_up() -> None:
    echo = EchoModel(slots=1)
    first = echo.stream(request(("user", "a"), model="echo/9/0"))
    await anext(first)
    second, third = (echo.stream(request(("user", name))) for name in "bc")
    assert await anext(second) == Waiting(0)
    assert await anext(third) == Waiting(1)
    await second.aclose()
    assert await anext(third) == Waiting(0)
    await first.aclose()
    assert await anext(third) == Text("c")
    await third.aclose()
