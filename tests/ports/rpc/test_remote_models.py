"""The model of another process: errors, cancelling, strangers. What every model keeps is in
test_chat_model.py."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import httpx
import pytest

from tertulia.adapters.echo.model import EchoModel
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.chat_model import (
    ChatRequest,
    Chunk,
    ModelCutError,
    ModelError,
    ModelInfo,
    ModelNotFoundError,
    ModelUnavailableError,
    PromptMessage,
    PromptTooLongError,
    Text,
)
from tests.ports.memory_catalogue import MemoryCatalogue
from tests.ports.remote_models import serving_model

REQUEST = ChatRequest(model="m", messages=(PromptMessage("user", "hello"),))


class NothingInstalledError(ModelUnavailableError):
    """Nothing is installed."""

    code = "nothing_installed"
    transient = False


class OwnError(TertuliaError):
    """It is your own."""

    code = "model_is_own"
    kind = Kind.CONFLICT


class Scripted:
    """Fails after one text, or never goes on; says when it was stopped."""

    def __init__(self, error: TertuliaError | None = None) -> None:
        self.error = error
        self.stopped = asyncio.Event()

    async def models(self) -> Sequence[ModelInfo]:
        raise self.error or ModelError

    async def count_tokens(self, model: str, texts: Sequence[str]) -> Sequence[int]:
        del model, texts
        raise self.error or ModelError

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        del request
        try:
            yield Text("one")
            if self.error:
                raise self.error
            await asyncio.Event().wait()
        finally:
            self.stopped.set()


@pytest.mark.parametrize(
    ("error", "family"),
    [
        (ModelNotFoundError(model="m"), ModelNotFoundError),
        (PromptTooLongError("It has 9 tokens.", tokens=9), PromptTooLongError),
        (ModelCutError(), ModelCutError),
        (NothingInstalledError(), ModelUnavailableError),
    ],
)
async def test_errors_come_over_as_what_they_are(
    error: ModelError, family: type[ModelError]
) -> None:
    async with serving_model(Scripted(error), MemoryCatalogue()) as there:
        chunks = there.model.stream(REQUEST)
        assert await anext(chunks) == Text("one")
        calls = (anext(chunks), there.model.models(), there.model.count_tokens("m", ["x"]))
        for call in calls:
            with pytest.raises(ModelError) as raised:
                await call
            told = raised.value
            assert isinstance(told, family)
            assert (told.code, told.kind, told.message) == (error.code, error.kind, error.message)
            assert (told.transient, dict(told.data)) == (error.transient, dict(error.data))


@pytest.mark.parametrize("way", ["close", "cancel"])
async def test_leaving_stops_the_model_itself(way: str) -> None:
    model = Scripted()
    async with asyncio.timeout(10), serving_model(model, MemoryCatalogue()) as there:
        begun = asyncio.Event()

        async def listen() -> None:
            async for _ in there.model.stream(REQUEST):
                begun.set()

        if way == "cancel":
            task = asyncio.create_task(listen())
            await begun.wait()
            task.cancel()
            await asyncio.wait({task})
        else:
            stream = there.model.stream(REQUEST)
            assert await anext(stream) == Text("one")
            await stream.aclose()
        await model.stopped.wait()


async def test_model_that_is_away_is_unavailable() -> None:
    async with serving_model(EchoModel(), MemoryCatalogue()) as there:
        await there.leave()
        with pytest.raises(ModelUnavailableError):
            await there.model.models()
        with pytest.raises(ModelUnavailableError):
            await anext(there.model.stream(REQUEST))


async def test_catalogue_is_the_other_process_s() -> None:
    catalogue = MemoryCatalogue()
    async with serving_model(EchoModel(), catalogue) as there:
        assert list(await there.catalogue.list()) == list(await catalogue.list())
        await there.catalogue.pull("small")
        await there.catalogue.use("large")
        await there.catalogue.remove("small")
        assert (catalogue.pulled, catalogue.used) == (["small"], ["large"])
        assert "small" not in catalogue.entries
        with pytest.raises(ModelNotFoundError):
            await there.catalogue.pull("../no such/model?")


async def test_nobody_without_a_pass_gets_at_the_model() -> None:
    async with (
        serving_model(EchoModel(), MemoryCatalogue()) as there,
        httpx.AsyncClient(base_url=there.url, trust_env=False) as stranger,
    ):
        for shown in ({}, {"x-tertulia-pass": "AAAA.AAAA"}, {"authorization": "Bearer tt_x"}):
            answers = [
                await stranger.get("/internal/models", headers=shown),
                await stranger.post("/internal/models/stream", headers=shown, json={}),
                await stranger.post("/internal/catalogue/small/pull", headers=shown),
            ]
            assert [answer.status_code for answer in answers] == [401] * 3
        assert (await stranger.get("/health")).status_code == 200
