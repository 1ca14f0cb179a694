"""What every ChatModel keeps, whoever stands behind it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tertulia.adapters.echo.model import EchoModel
from tertulia.adapters.embedded.opening import open_catalogue, open_embedded
from tertulia.adapters.embedded.settings import EmbeddedSettings, ModelsSettings
from tertulia.adapters.models.directory import ModelDirectory
from tertulia.adapters.openai.model import open_openai
from tertulia.adapters.openai.settings import UpstreamSettings
from tertulia.ports.chat_model import (
    ChatModel,
    ChatRequest,
    Finished,
    ModelNotFoundError,
    PromptMessage,
    Text,
    Waiting,
)
from tests.ports.memory_catalogue import MemoryCatalogue
from tests.ports.remote_models import serving_model
from tests.ports.upstream import repeats_the_user, serving

LIMIT_S = 300


@dataclass(frozen=True)
class Subject:
    """A model that is ready, and the name by which it is asked."""

    model: ChatModel
    name: str

    def ask(self, said: str, *more: PromptMessage, max_tokens: int | None = 24) -> ChatRequest:
        messages = (PromptMessage("user", said), *more)
        return ChatRequest(model=self.name, messages=messages, max_tokens=max_tokens, temperature=0)


Opening = Callable[[Path], AbstractAsyncContextManager[Subject]]


@asynccontextmanager
async def echo(place: Path) -> AsyncGenerator[Subject, None]:
    del place
    yield Subject(EchoModel(slots=2), "echo")


@asynccontextmanager
async def openai(place: Path) -> AsyncGenerator[Subject, None]:
    del place
    async with (
        serving(repeats_the_user()) as upstream,
        open_openai(upstream.url, UpstreamSettings()) as model,
    ):
        yield Subject(model, "fake")


@asynccontextmanager
async def directory(place: Path) -> AsyncGenerator[Subject, None]:
    async with openai(place) as first:
        yield Subject(ModelDirectory([first.model], unlisted=[EchoModel()]), "fake")


@asynccontextmanager
async def embedded(place: Path) -> AsyncGenerator[Subject, None]:
    settings = EmbeddedSettings(window_tokens=2048, slots=2)
    async with (
        open_catalogue(ModelsSettings(directory=place), place, entries=[]) as catalogue,
        open_embedded(catalogue, settings, upgrade=False) as model,
        asyncio.timeout(LIMIT_S),
    ):
        await model.ready.wait()
        yield Subject(model, "small")


@asynccontextmanager
async def remote(place: Path) -> AsyncGenerator[Subject, None]:
    """The model of another process."""
    del place
    async with serving_model(EchoModel(slots=2), MemoryCatalogue()) as there:
        yield Subject(there.model, "echo")


@pytest.fixture(
    params=[echo, openai, directory, embedded, remote], ids=lambda opening: opening.__name__
)
def opening(request: pytest.FixtureRequest) -> Opening:
    return request.param


@pytest.fixture
async def subject(
    opening: Opening, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Subject]:
    if opening is embedded:
        smollm2: Path = request.getfixturevalue("smollm2")
        (tmp_path / "small.gguf").symlink_to(smollm2)
    async with opening(tmp_path) as opened:
        yield opened


async def text_of(subject: Subject, request: ChatRequest) -> str:
    chunks = [chunk async for chunk in subject.model.stream(request)]
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))


async def test_models_are_listed_with_their_window(subject: Subject) -> None:
    first = (await subject.model.models())[0]
    assert first.id == subject.name
    assert first.ready
    assert first.window_tokens > 0


async def test_stream_is_waiting_then_text_then_one_end(subject: Subject) -> None:
    chunks = [chunk async for chunk in subject.model.stream(subject.ask("Say one two three"))]
    kinds = [type(chunk) for chunk in chunks]
    assert kinds == sorted(kinds, key=[Waiting, Text, Finished].index)
    assert kinds.count(Finished) == 1
    assert Text in kinds
    assert all(chunk.text for chunk in chunks if isinstance(chunk, Text))


async def test_usage_counts_both_sides(subject: Subject) -> None:
    chunks = [chunk async for chunk in subject.model.stream(subject.ask("Say one two three"))]
    finished = chunks[-1]
    assert isinstance(finished, Finished)
    assert finished.usage is not None
    assert finished.usage.prompt_tokens > 0
    assert finished.usage.completion_tokens > 0


async def test_limit_ends_an_answer_and_says_so(subject: Subject) -> None:
    request = subject.ask("Write a long story about the sea and the wind", max_tokens=3)
    chunks = [chunk async for chunk in subject.model.stream(request)]
    assert isinstance(chunks[-1], Finished)
    assert chunks[-1].reason == "length"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3


async def test_stop_text_is_not_in_the_answer(subject: Subject) -> None:
    whole = await text_of(subject, subject.ask("Count: one two three four five"))
    stop = whole.split()[2]
    cut = await text_of(
        subject, replace(subject.ask("Count: one two three four five"), stop=(stop,))
    )
    assert whole.startswith(cut)
    assert stop not in cut


async def test_same_prompt_at_temperature_zero_gives_the_same_answer(subject: Subject) -> None:
    request = subject.ask("Name three colours")
    assert await text_of(subject, request) == await text_of(subject, request)


async def test_partial_answer_is_continued_not_begun_again(subject: Subject) -> None:
    whole = await text_of(subject, subject.ask("Repeat: red green blue yellow"))
    partial = whole[: len(whole) // 2].rsplit(" ", 1)[0]
    request = subject.ask("Repeat: red green blue yellow", PromptMessage("assistant", partial))
    rest = await text_of(subject, request)
    assert rest
    assert (partial + rest)[: len(whole)] == whole


async def test_several_conversations_stream_at_once(subject: Subject) -> None:
    """Each of two answers goes on only when the other one has begun."""
    async with asyncio.timeout(LIMIT_S):
        first = subject.model.stream(subject.ask("Tell me about the sea"))
        second = subject.model.stream(subject.ask("Tell me about the wind"))
        heads = [await anext(first), await anext(second)]
        rests = [[chunk async for chunk in first], [chunk async for chunk in second]]
    for head, rest in zip(heads, rests, strict=True):
        assert isinstance([head, *rest][-1], Finished)


async def test_more_requests_than_slots_are_all_answered(subject: Subject) -> None:
    requests = [subject.ask(f"Say the number {n} please", max_tokens=6) for n in range(6)]
    async with asyncio.timeout(LIMIT_S):
        answers = await asyncio.gather(*(text_of(subject, request) for request in requests))
    assert all(answers)


async def test_closed_stream_makes_room_for_the_next(subject: Subject) -> None:
    async with asyncio.timeout(LIMIT_S):
        for _ in range(4):
            stream = subject.model.stream(subject.ask("Write a long story", max_tokens=1000))
            while not isinstance(await anext(stream), Text):
                pass
            await stream.aclose()
        assert await text_of(subject, subject.ask("Say one two three"))


async def test_cancelled_task_makes_room_for_the_next(subject: Subject) -> None:
    async with asyncio.timeout(LIMIT_S):
        for _ in range(4):
            begun = asyncio.Event()
            task = asyncio.create_task(_listen(subject, begun))
            await begun.wait()
            task.cancel()
            await asyncio.wait([task])
        assert await text_of(subject, subject.ask("Say one two three"))


async def _listen(subject: Subject, begun: asyncio.Event) -> None:
    async for _ in subject.model.stream(subject.ask("Write a long story", max_tokens=1000)):
        begun.set()
        await asyncio.sleep(0)


async def test_tokens_are_counted_text_by_text(subject: Subject) -> None:
    texts = ["hello", "hello hello hello hello", "", "grüße 🧁", "<|im_end|>"]
    counts = await subject.model.count_tokens(subject.name, texts)
    assert len(counts) == len(texts)
    assert counts[0] < counts[1]
    assert list(await subject.model.count_tokens(subject.name, [])) == []


async def test_prompt_costs_no_more_than_was_counted(subject: Subject) -> None:
    """The count and what the model reports differ by the template alone."""
    said = "The quick brown fox jumps over the lazy dog. " * 20
    chunks = [chunk async for chunk in subject.model.stream(subject.ask(said, max_tokens=1))]
    finished = chunks[-1]
    assert isinstance(finished, Finished)
    assert finished.usage is not None
    counted = (await subject.model.count_tokens(subject.name, [said]))[0]
    assert finished.usage.prompt_tokens <= counted + 40


async def test_unknown_model_is_not_found(subject: Subject) -> None:
    request = replace(subject.ask("hello"), model="no such model")
    with pytest.raises(ModelNotFoundError):
        await text_of(subject, request)
