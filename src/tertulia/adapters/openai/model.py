"""The ChatModel over an OpenAI-compatible endpoint."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import msgspec

from tertulia.adapters.openai.answer import Answer
from tertulia.adapters.openai.dialect import Dialect
from tertulia.adapters.openai.endpoint import Endpoint, RefusedBodyError, open_endpoint
from tertulia.adapters.openai.settings import UpstreamSettings
from tertulia.adapters.openai.watch import Watch
from tertulia.adapters.openai.wire import MODELS, ModelEntry
from tertulia.kit.sse import EventTooLargeError
from tertulia.ports.chat_model import (
    ChatRequest,
    Chunk,
    ModelError,
    ModelInfo,
    ModelNotFoundError,
    ModelTimeoutError,
    ModelUnavailableError,
    Text,
)

DRAIN_S: Final = 0.2
"""How long the last bytes after `[DONE]` may take, so that the connection can be used again."""
UNLISTED_S: Final = 1.0
"""How long it is remembered that an endpoint gave no list of its models."""
OLLAMA: Final = "library"
OLLAMA_WINDOW: Final = 4096
"""What Ollama gives a model unless told otherwise; it cuts longer prompts without a word."""


class OpenAIModel:
    """Any number of streams at once over kept connections. Requests are tried again only before
    the first byte of an answer; closing a stream closes its connection, which stops the model."""

    def __init__(self, endpoint: Endpoint, settings: UpstreamSettings) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._dialect = Dialect(settings.continue_final)
        self._listing = asyncio.Lock()
        self._models: tuple[ModelInfo, ...] = ()
        self._models_until = 0.0
        self._unlisted: ModelError | None = None

    async def models(self) -> Sequence[ModelInfo]:
        """See the port."""
        async with self._listing:
            if time.monotonic() >= self._models_until:
                await self._learn_models()
        if self._unlisted is not None:
            raise self._unlisted
        return self._models

    async def count_tokens(self, model: str, texts: Sequence[str]) -> Sequence[int]:
        """An upper estimate: writing systems take from one token per four bytes (English) to one
        per two (rare scripts) with the tokenizers in use."""
        del model
        return [len(text.encode("utf-8", "surrogatepass")) // 2 + 1 for text in texts]

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """See the port."""
        settings = self._settings
        limit_s = settings.answer_timeout_s if request.whole else settings.first_token_timeout_s
        deadline = time.monotonic() + limit_s
        model = request.model or await self._default()
        response = await self._request(request, model, limit_s)
        watch = Watch(response.close)
        # Some endpoints answer as a whole though a stream was asked for.
        answer = Answer(in_one="json" in response.content_type)
        try:
            watch.arm(deadline - time.monotonic())
            while not answer.ended:
                text = answer.take(await response.content.readany())
                watch.pause()
                if text:
                    yield Text(text)
                watch.arm(self._pause_s(answer, deadline))
            finished = answer.finish()
            watch.arm(DRAIN_S)
            await _drain(response)
            yield finished
        except (aiohttp.ClientError, OSError, EventTooLargeError) as error:
            if watch.expired:
                raise ModelTimeoutError from error
            raise answer.broken() from error
        finally:
            watch.stop()
            response.close()

    def _pause_s(self, answer: Answer, deadline: float) -> float:
        if answer.heard:
            return self._settings.token_timeout_s
        return deadline - time.monotonic()

    async def _request(
        self, request: ChatRequest, model: str, limit_s: float
    ) -> aiohttp.ClientResponse:
        while True:
            body = self._dialect.body(request, model, self._owner(model))
            try:
                return await self._endpoint.post("chat/completions", body, limit_s)
            except RefusedBodyError as error:
                if not self._dialect.learn(error.problem):
                    raise

    async def _default(self) -> str:
        models = await self.models()
        if not models:
            raise ModelNotFoundError
        return models[0].id

    def _owner(self, model: str) -> str:
        return next((known.owned_by for known in self._models if known.id == model), "")

    async def _learn_models(self) -> None:
        kept_s = self._settings.models_kept_s
        try:
            self._models, self._unlisted = await self._list(), None
        except ModelError as error:
            # Those who wait behind this one must not each wait as long for the same answer.
            self._unlisted = ModelUnavailableError(None, **error.data)
            kept_s = min(kept_s, UNLISTED_S)
        self._models_until = time.monotonic() + kept_s

    async def _list(self) -> tuple[ModelInfo, ...]:
        preferred = self._settings.model
        try:
            listing = MODELS.decode(await self._endpoint.get("models"))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ModelUnavailableError from error
        except ModelNotFoundError:
            if not preferred:
                raise ModelUnavailableError from None
            listing = None
        entries = (listing.data or []) if listing else []
        if preferred and all(entry.id != preferred for entry in entries):
            entries.append(ModelEntry(id=preferred))
        entries.sort(key=lambda entry: entry.id != preferred)
        return tuple(self._info(entry) for entry in entries)

    def _info(self, entry: ModelEntry) -> ModelInfo:
        otherwise = self._settings.window_tokens
        if entry.owned_by == OLLAMA and "window_tokens" not in self._settings.model_fields_set:
            otherwise = OLLAMA_WINDOW
        return ModelInfo(
            id=entry.id,
            window_tokens=entry.window_tokens(otherwise),
            owned_by=entry.owned_by or "",
        )


@asynccontextmanager
async def open_openai(url: str, settings: UpstreamSettings) -> AsyncGenerator[OpenAIModel, None]:
    """The models of the endpoint at `url`, given with or without `/v1`. Connects to nothing yet."""
    async with open_endpoint(url, settings) as endpoint:
        yield OpenAIModel(endpoint, settings)


async def _drain(response: aiohttp.ClientResponse) -> None:
    with contextlib.suppress(aiohttp.ClientError):
        while await response.content.readany():
            pass
