"""The embedded model: how fast it speaks, and what the kept prefix is worth in the second turn."""

import asyncio
import os
import time
from pathlib import Path
from typing import Final

import platformdirs

from bench.figures import Figure, at_most
from tertulia.adapters.embedded import machine
from tertulia.adapters.embedded.entries import built_in
from tertulia.adapters.embedded.model_file import ModelFile
from tertulia.adapters.embedded.opening import open_catalogue
from tertulia.adapters.embedded.runtime import Runtime
from tertulia.adapters.embedded.settings import EmbeddedSettings, ModelsSettings
from tertulia.kit.ids import new_id
from tertulia.ports.chat_model import ChatRequest, Finished, PromptMessage, Text

SENTENCE: Final = "The sea was calm and wide when our small boat left its harbour at dawn. "
SENTENCES: Final = 86  # some 1,400 tokens
SPOKEN_TOKENS: Final = 96
CONVERSATION: Final = "bench"


def measure() -> list[Figure]:
    """Every model of the catalogue that is on this machine; nothing is pulled for it."""
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    figures: list[Figure] = []
    for model in await models_here():
        figures += await of(model)
    return figures


async def models_here() -> list[ModelFile]:
    """By size: from the folder of the settings, the default home's, or that of the tests."""
    data = Path(platformdirs.user_data_dir("tertulia", appauthor=False))
    cache = Path(platformdirs.user_cache_dir("tertulia", appauthor=False))
    named = os.environ.get("TERTULIA_MODELS_DIRECTORY")
    places = [Path(named)] if named else [data / "models", cache / "models"]
    found: dict[str, ModelFile] = {}
    for place in places:
        async with open_catalogue(ModelsSettings(directory=place), place) as catalogue:
            found = {model.name: model for model in catalogue.shelf.present()} | found
    return [found[entry.name] for entry in built_in() if entry.name in found]


async def of(model: ModelFile) -> list[Figure]:
    """A runtime of its own for each, so that none has another's prefixes or memory."""
    started = time.perf_counter()
    runtime = await Runtime.start(model, EmbeddedSettings(slots=2))
    loading_s = time.perf_counter() - started
    try:
        first_s, _ = await _first_text(runtime, _history(), SPOKEN_TOKENS)
        speed = await _tokens_per_s(runtime)
        kept_s, fresh_s, cached = await _second_turn(runtime)
    finally:
        await runtime.stop()
    cores = f"{machine.cores()} cores"
    share = f"{cached:.0%} of the prompt was kept"
    return [
        Figure(name=f"{model.name}: loading", value=loading_s, unit="s", note=cores),
        Figure(name=f"{model.name}: speech", value=speed, unit="tokens/s", note=cores),
        Figure(
            name=f"{model.name}: first text of a first turn of 1,400 tokens",
            value=first_s,
            unit="s",
            note=cores,
        ),
        Figure(
            name=f"{model.name}: the second turn's, prefix not kept",
            value=fresh_s,
            unit="s",
            note=cores,
        ),
        at_most(
            f"{model.name}: the second turn's, prefix kept",
            kept_s,
            "s",
            fresh_s / 10,
            note=f"{fresh_s / kept_s:.0f} times faster; {share}",
        ),
    ]


async def _tokens_per_s(runtime: Runtime) -> float:
    began = 0.0
    asked = _request((PromptMessage("user", "Tell a long story of the sea."),), SPOKEN_TOKENS)
    async for chunk in runtime.answer(asked):
        if isinstance(chunk, Text):
            began = began or time.perf_counter()
        if isinstance(chunk, Finished) and chunk.usage is not None:
            return (chunk.usage.completion_tokens - 1) / (time.perf_counter() - began)
    msg = "the model did not finish"
    raise RuntimeError(msg)


async def _second_turn(runtime: Runtime) -> tuple[float, float, float]:
    """Seconds to the first text with and without the kept prefix, and the share that was kept."""
    history = _history()
    _, answer = await _first_text(runtime, history, 24)
    more = (PromptMessage("assistant", answer), PromptMessage("user", "And what came next?"))
    started = time.perf_counter()
    kept_s, cached = 0.0, 0.0
    async for chunk in runtime.answer(_request((*history, *more), 8)):
        if isinstance(chunk, Text):
            kept_s = kept_s or time.perf_counter() - started
        if isinstance(chunk, Finished) and chunk.usage is not None:
            cached = chunk.usage.cached_tokens / chunk.usage.prompt_tokens
    fresh_s, _ = await _first_text(runtime, (*_history(), *more), 8)
    return kept_s, fresh_s, cached


async def _first_text(
    runtime: Runtime, messages: tuple[PromptMessage, ...], tokens: int
) -> tuple[float, str]:
    started = time.perf_counter()
    first_s, text = 0.0, ""
    async for chunk in runtime.answer(_request(messages, tokens)):
        if isinstance(chunk, Text):
            first_s = first_s or time.perf_counter() - started
            text += chunk.text
    return first_s, text


def _request(messages: tuple[PromptMessage, ...], tokens: int) -> ChatRequest:
    return ChatRequest(
        model="",
        messages=messages,
        max_tokens=tokens,
        temperature=0,
        conversation_id=CONVERSATION,
    )


def _history() -> tuple[PromptMessage, ...]:
    """A long message that begins like no other, so that nothing of it is known."""
    return (PromptMessage("user", f"{new_id()} {SENTENCE * SENTENCES}"),)
