"""The ChatModel over the models of this machine."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final, Protocol, Self

from tertulia.adapters.embedded import machine
from tertulia.adapters.embedded.model_file import ModelFile
from tertulia.adapters.embedded.process import LoadError
from tertulia.adapters.embedded.runtime import Runtime, slot_count
from tertulia.adapters.embedded.settings import EmbeddedSettings
from tertulia.ports.chat_model import (
    ChatRequest,
    Chunk,
    ModelInfo,
    ModelNotFoundError,
    ModelUnavailableError,
    Waiting,
)

RETRY_LOAD_S: Final = 10.0
"""A model that could not be loaded is not tried again before that."""
OWNER: Final = "embedded"


class NoModelError(ModelUnavailableError):
    """No language model is installed yet: get one on the page, or with `tertulia model pull`."""

    code = "no_model"
    transient = False  # until somebody gets one, which takes longer than a turn waits
    local = True


class NoRuntimeError(LoadError):
    """The embedded runtime is missing: install tertulia[embedded] or name an endpoint (--model)."""

    code = "no_runtime"
    transient = False


class Shelf(Protocol):
    """The models that are present and verified."""

    def in_use(self) -> ModelFile | None:
        """The one that answers unless another is asked for."""
        ...

    def find(self, name: str) -> ModelFile | None: ...

    def present(self) -> Sequence[ModelFile]: ...

    def offered(self) -> ModelInfo:
        """What can be had when nothing is present; not ready."""
        ...


class _Loaded:
    """A model that is loading or loaded. Held (`async with`) by every request that uses it."""

    def __init__(self, model: ModelFile, start: "asyncio.Task[Runtime]") -> None:
        self.model = model
        self.start = start
        self.began = asyncio.get_running_loop().time()
        self.users = 0
        self.used_at = self.began
        self.on_idle: Callable[[], None] = lambda: None
        # A failure is told to whoever asks next; nobody may be asking now.
        start.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def __aenter__(self) -> Self:
        self.users += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.users -= 1
        self.used_at = asyncio.get_running_loop().time()
        if not self.users:
            self.on_idle()

    async def loaded(self) -> Runtime:
        """Waits for the runtime; ModelUnavailableError when it could not be loaded."""
        try:
            return await asyncio.shield(self.start)
        except asyncio.CancelledError:
            if self.start.cancelled():
                raise ModelUnavailableError from None
            raise

    @property
    def runtime(self) -> Runtime | None:
        return None if not self.start.done() or self.problem else self.start.result()

    @property
    def problem(self) -> str | None:
        """Why it cannot be used; None while it loads."""
        if not self.start.done():
            return None
        if self.start.cancelled():
            return "The model was unloaded."
        error = self.start.exception()
        if error is not None:
            return error.message if isinstance(error, ModelUnavailableError) else repr(error)
        return None if self.start.result().alive else "The model's process ended; it starts again."


class EmbeddedModel:
    """Serves every model that is present: the one in use at once, others on demand.

    The one in use is loaded in the background; while a new one loads, the former goes on
    answering. A model that is no longer in use is unloaded once it has had no work for a while,
    never under a running answer.
    """

    def __init__(self, shelf: Shelf, settings: EmbeddedSettings, *, runnable: bool) -> None:
        """`runnable`: whether the runtime is installed."""
        self._shelf = shelf
        self._settings = settings
        self._runnable = runnable
        self._entries: dict[str, _Loaded] = {}
        self._default: str | None = None
        self._one_load = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()
        self.ready = asyncio.Event()
        """Set once a model answers."""

    def refresh(self) -> None:
        """Load what is now in use, and switch to it as soon as it is loaded; let go of what is
        there no more. Returns at once."""
        wanted = self._shelf.in_use() if self._runnable else None
        if self._default not in self._entries or wanted is None:
            self._default = wanted.name if wanted else None
        if wanted is not None:
            entry = self._entry(wanted)
            entry.start.add_done_callback(lambda _: self._switch(wanted.name))
        for name in self._entries:
            if self._shelf.find(name) is None:
                self._expire_later(name)

    def loaded(self) -> Mapping[str, Runtime]:
        """The models that are in memory now, by name."""
        found = {name: entry.runtime for name, entry in self._entries.items()}
        return {name: runtime for name, runtime in found.items() if runtime is not None}

    async def models(self) -> Sequence[ModelInfo]:
        if not self._runnable:
            raise NoRuntimeError
        present = sorted(self._shelf.present(), key=lambda model: model.name != self._default)
        slots = slot_count(self._settings)
        listed = [self._info(model) for model in present] or [self._shelf.offered()]
        return [replace(info, slots=slots) for info in listed]

    async def count_tokens(self, model: str, texts: Sequence[str]) -> Sequence[int]:
        try:
            async with self._requested(model) as entry:
                runtime = await entry.loaded()
                return await runtime.count_tokens(texts)
        except ModelUnavailableError:
            return [estimated_tokens(text) for text in texts]

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        async with self._requested(request.model) as entry:
            if not entry.start.done():
                yield Waiting(0)
            runtime = await entry.loaded()
            async with aclosing(runtime.answer(request)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def close(self) -> None:
        """Unload everything; running answers break off."""
        entries, self._entries = self._entries, {}
        for entry in entries.values():
            self._unload(entry)
        while self._stopping:
            await asyncio.gather(*self._stopping)

    def _requested(self, name: str) -> _Loaded:
        if not self._runnable:
            raise NoRuntimeError
        wanted = name or self._default
        model = self._shelf.find(wanted) if wanted else self._shelf.in_use()
        if model is None and (not self._shelf.present() or not wanted):
            raise NoModelError
        if model is None:
            raise ModelNotFoundError(model=wanted)
        return self._entry(model)

    def _entry(self, model: ModelFile) -> _Loaded:
        entry = self._entries.get(model.name)
        if entry is not None and entry.problem:
            crashed = entry.start.exception() is None
            if crashed or asyncio.get_running_loop().time() - entry.began > RETRY_LOAD_S:
                self._unload(self._entries.pop(model.name))
                entry = None
        if entry is None:
            entry = _Loaded(model, asyncio.create_task(self._load(model)))
            entry.on_idle = lambda: self._expire_later(model.name)
            self._entries[model.name] = entry
        return entry

    async def _load(self, model: ModelFile) -> Runtime:
        async with self._one_load:
            await self._make_room(model)
            return await Runtime.start(model, self._settings)

    async def _make_room(self, model: ModelFile) -> None:
        for entry in list(self._entries.values()):
            if machine.free_memory_bytes() >= model.memory_bytes:
                return
            spare = entry.model.name not in {self._default, model.name} and not entry.users
            if spare and entry.start.done():
                await self._unload(self._entries.pop(entry.model.name))
        free = machine.free_memory_bytes()
        if free < model.memory_bytes:
            msg = (
                f"{model.name} needs {model.memory_bytes / 1e9:.1f} GB of memory, "
                f"{free / 1e9:.1f} GB are free."
            )
            raise LoadError(msg)

    def _switch(self, name: str) -> None:
        entry = self._entries.get(name)
        wanted = self._shelf.in_use()
        if entry is None or entry.runtime is None or wanted is None or wanted.name != name:
            return
        self.ready.set()
        former, self._default = self._default, name
        if former is not None and former != name:
            self._expire_later(former)

    def _expire_later(self, name: str) -> None:
        if name != self._default:
            loop = asyncio.get_running_loop()
            loop.call_later(self._settings.linger_s, self._expire, name, loop.time())

    def _expire(self, name: str, since: float) -> None:
        entry = self._entries.get(name)
        if entry is None or entry.users or name == self._default or entry.used_at > since:
            return
        self._unload(self._entries.pop(name))

    def _unload(self, entry: _Loaded) -> "asyncio.Task[None]":
        task = asyncio.create_task(_stop(entry))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)
        return task

    def _info(self, model: ModelFile) -> ModelInfo:
        entry = self._entries.get(model.name)
        runtime = entry.runtime if entry else None
        note = ""
        if entry is None:
            note = "Loaded when asked for; the first answer takes longer."
        elif runtime is None:
            note = entry.problem or "The model is loading."
        limit = self._settings.window_tokens
        return ModelInfo(
            id=model.name,
            window_tokens=runtime.window_tokens
            if runtime
            else min(limit, model.window_tokens or limit),
            owned_by=OWNER,
            ready=entry is None or runtime is not None,
            note=note,
        )


async def _stop(entry: _Loaded) -> None:
    entry.start.cancel()
    with contextlib.suppress(asyncio.CancelledError, ModelUnavailableError):
        runtime = await entry.start
        await runtime.stop()


def estimated_tokens(text: str) -> int:
    """An upper estimate: writing systems take from one token per four bytes (English) to one
    per two (rare scripts) with the tokenizers in use."""
    return len(text.encode("utf-8", "surrogatepass")) // 2 + 1
