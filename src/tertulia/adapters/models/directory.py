"""A ChatModel that sends each request to the source that has the model."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from tertulia.ports.chat_model import (
    ChatModel,
    ChatRequest,
    Chunk,
    ModelInfo,
    ModelNotFoundError,
    ModelUnavailableError,
)


class ModelDirectory:
    """`sources` are listed in their order, so the first one's first model is the default.
    `unlisted` sources serve models that must be asked for by their exact name (`echo`).
    A name that several sources have is the first one's."""

    def __init__(self, sources: Sequence[ChatModel], *, unlisted: Sequence[ChatModel] = ()) -> None:
        self._sources = tuple(sources)
        self._unlisted = tuple(unlisted)
        self._source_of: dict[str, ChatModel] = {}

    async def models(self) -> Sequence[ModelInfo]:
        """What every reachable source offers; when none is, what the first one says of it."""
        listings = await asyncio.gather(*(_models_of(source) for source in self._sources))
        models: dict[str, ModelInfo] = {}
        source_of: dict[str, ChatModel] = {}
        problems: list[ModelUnavailableError] = []
        for source, listing in zip(self._sources, listings, strict=True):
            if isinstance(listing, ModelUnavailableError):
                problems.append(listing)
                continue
            for model in listing:
                models.setdefault(model.id, model)
                source_of.setdefault(model.id, source)
        if len(problems) == len(listings):
            raise problems[0]
        self._source_of = source_of
        return list(models.values())

    async def count_tokens(self, model: str, texts: Sequence[str]) -> Sequence[int]:
        """See the port."""
        source = await self._source(model)
        return await source.count_tokens(model, texts)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """See the port."""
        source = await self._source(request.model)
        async with aclosing(source.stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _source(self, model: str) -> ChatModel:
        """An empty name is the default's, so the first source's. With one source the question is
        its own to answer: it may have a model that it could not list just now."""
        if known := self._source_of.get(model):
            return known
        for source in self._unlisted:
            if await _answers_to(source, model):
                return source
        if not model or len(self._sources) == 1:
            return self._sources[0]
        await self.models()
        if found := self._source_of.get(model):
            return found
        raise ModelNotFoundError(model=model)


async def _models_of(source: ChatModel) -> Sequence[ModelInfo] | ModelUnavailableError:
    try:
        return await source.models()
    except ModelUnavailableError as error:
        return error


async def _answers_to(source: ChatModel, model: str) -> bool:
    """Whether an unlisted source knows the name; counting nothing costs nothing."""
    try:
        await source.count_tokens(model, ())
    except ModelNotFoundError:
        return False
    return True
