"""One loaded model: its process, its prompts, its slots, its answers."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Final, Literal

import aiohttp
import msgspec

from tertulia.adapters.embedded import machine
from tertulia.adapters.embedded.model_file import ModelFile
from tertulia.adapters.embedded.process import Launch, LoadError, ModelProcess
from tertulia.adapters.embedded.prompts import Prompt, Prompts
from tertulia.adapters.embedded.settings import EmbeddedSettings
from tertulia.adapters.embedded.slots import Slots
from tertulia.domain.messages import Usage
from tertulia.kit.sse import Payloads
from tertulia.ports.chat_model import (
    ChatRequest,
    Chunk,
    Finished,
    ModelCutError,
    ModelError,
    ModelTimeoutError,
    ModelUnavailableError,
    PromptTooLongError,
    Text,
    Waiting,
)

# How much of a prompt is read between two tokens of the other answers. Measured with 1,400
# tokens on two cores: 2,048 stall them for 5.1 s, 512 for 1.8 s, 256 for 1.0 s, all three equally
# fast; 64 costs a tenth of the speed.
BATCH_TOKENS: Final = 256
MANY_CORES: Final = 8
CRASH_S: Final = 1.0


class _Slot(msgspec.Struct):
    n_ctx: int


class _Properties(msgspec.Struct):
    default_generation_settings: _Slot
    eos_token: str


class _Timings(msgspec.Struct):
    cache_n: int = 0


class _Failure(msgspec.Struct):
    type: str = ""
    n_prompt_tokens: int | None = None
    n_ctx: int | None = None


class _Event(msgspec.Struct):
    """What the runtime says while it answers, and its error documents."""

    content: str = ""
    stop: bool = False
    stop_type: str = ""
    tokens_predicted: int = 0
    tokens_evaluated: int = 0
    timings: _Timings | None = None
    error: _Failure | None = None


_EVENT: Final = msgspec.json.Decoder(_Event)


class Runtime:
    """Serves from `start` to `stop`. Everything heavy happens in the child process."""

    def __init__(self, model: ModelFile, settings: EmbeddedSettings, process: ModelProcess) -> None:
        self.model = model
        self.window_tokens = 0
        self._settings = settings
        self.process = process
        self.slots = Slots(slot_count(settings), waiting=settings.waiting)
        self._http = aiohttp.ClientSession(
            base_url=process.address,
            headers={"Authorization": f"Bearer {process.key}"},
            # A new connection costs 0.1 ms on loopback; a kept one may be closed under a request.
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_read=settings.stall_timeout_s),
        )
        self.prompts = Prompts(self._post, 0)

    @classmethod
    async def start(cls, model: ModelFile, settings: EmbeddedSettings) -> "Runtime":
        """LoadError when the model cannot be loaded."""
        launch = _launch(model, settings)
        process = await ModelProcess.start(launch, timeout_s=settings.load_timeout_s)
        self = cls(model, settings, process)
        try:
            await self._learn()
        except BaseException:
            await asyncio.shield(self.stop())
            raise
        return self

    @property
    def alive(self) -> bool:
        return not self.process.ended.done()

    @property
    def pid(self) -> int:
        return self.process.pid

    async def stop(self) -> None:
        await self._http.close()
        await self.process.stop()

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(tokens) for tokens in await self.prompts.tokenize(texts)]

    async def answer(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """As ChatModel.stream."""
        prompt = await self.prompts.render(request.messages)
        if len(prompt.tokens) >= self.window_tokens:
            raise PromptTooLongError(
                prompt_tokens=len(prompt.tokens), window_tokens=self.window_tokens
            )
        ticket = self.slots.enter(request.conversation_id, background=request.background)
        try:
            while (slot := ticket.slot) is None:
                yield Waiting(ticket.ahead)
                await ticket.moved()
            async with aclosing(self._generate(request, prompt, slot)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self.slots.leave(ticket)

    async def _generate(
        self, request: ChatRequest, prompt: Prompt, slot: int
    ) -> AsyncGenerator[Chunk, None]:
        begun = False
        drop_space = prompt.drop_space
        try:
            async with aclosing(self._events(self._order(request, prompt, slot))) as batches:
                async for events in batches:
                    text = "".join(event.content for event in events)
                    if drop_space and text:
                        text, drop_space = text.removeprefix(" "), False
                    if text:
                        begun = True
                        yield Text(text)
                    if events[-1].stop:
                        yield _finished(events[-1])
                        return
        except TimeoutError as error:
            raise ModelTimeoutError from error
        except (aiohttp.ClientError, msgspec.DecodeError) as error:
            await self._look_whether_it_ended()
            raise self._broken(begun=begun) from error
        raise self._broken(begun=begun)

    async def _events(self, order: bytes) -> AsyncGenerator[list[_Event], None]:
        """What arrived together, never empty. Errors of the runtime are raised."""
        # Leaving this block closes the connection, which is what stops the model.
        async with self._http.post("/completion", data=order) as response:
            if response.status != HTTPStatus.OK:
                raise _refused(_EVENT.decode(await response.read()))
            payloads = Payloads()
            async for received in response.content.iter_any():
                events = [_EVENT.decode(payload) for payload in payloads.feed(received)]
                for event in events:
                    if event.error is not None:
                        raise _refused(event)
                if events:
                    yield events

    def _order(self, request: ChatRequest, prompt: Prompt, slot: int) -> bytes:
        room = self.window_tokens - len(prompt.tokens)
        order: dict[str, object] = {
            **self.model.sampling,
            "prompt": prompt.tokens,
            "n_predict": min(room, request.max_tokens or self._settings.reply_tokens),
            "id_slot": slot,
            "cache_prompt": True,
            "stream": True,
            # Events while a long prompt is read: each is a chance to notice a cancellation.
            "return_progress": True,
        }
        asked = {
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed,
            "stop": list(request.stop) or None,
        }
        order.update({name: value for name, value in asked.items() if value is not None})
        return msgspec.json.encode(order)

    async def _learn(self) -> None:
        try:
            async with self._http.get("/props") as response:
                properties = msgspec.json.decode(await response.read(), type=_Properties)
            body = await self._post(
                "/tokenize", {"content": properties.eos_token, "parse_special": True}
            )
            separator = msgspec.json.decode(body, type=dict[str, list[int]])["tokens"]
        except (aiohttp.ClientError, msgspec.DecodeError, ModelError) as error:
            raise LoadError from error
        if len(separator) != 1:
            msg = "The model could not be loaded: it names no end token."
            raise LoadError(msg)
        self.window_tokens = properties.default_generation_settings.n_ctx
        self.prompts = Prompts(self._post, separator[0])

    async def _post(self, path: str, document: object) -> bytes:
        try:
            async with self._http.post(path, data=msgspec.json.encode(document)) as response:
                body = await response.read()
        except TimeoutError as error:
            raise ModelTimeoutError from error
        except aiohttp.ClientError as error:
            await self._look_whether_it_ended()
            raise self._broken(begun=False) from error
        if response.status != HTTPStatus.OK:
            msg = "The model's template refused the conversation."
            raise ModelError(msg, status=response.status)
        return body

    async def _look_whether_it_ended(self) -> None:
        """A crash breaks connections a moment before the process is known to be gone; whoever is
        told of the one must not meet the other."""
        await asyncio.wait([self.process.ended], timeout=CRASH_S)

    def _broken(self, *, begun: bool) -> ModelError:
        error = ModelCutError() if begun else ModelUnavailableError()
        error.local = not self.alive
        return error


def slot_count(settings: EmbeddedSettings) -> int:
    """How many conversations are answered at once."""
    return settings.slots or (4 if machine.cores() >= MANY_CORES else 2)


def _launch(model: ModelFile, settings: EmbeddedSettings) -> Launch:
    # A thread on every core loses two thirds of its speed as soon as one core is busy elsewhere;
    # prompts are read in bursts and gain from all of them.
    cores = machine.cores()
    # Kept prefixes may fill what the model leaves free, but never more than half of it.
    spare_mib = max(0, machine.free_memory_bytes() - model.memory_bytes) // 2 >> 20
    return Launch(
        path=str(model.path),
        window_tokens=min(settings.window_tokens, model.window_tokens or settings.window_tokens),
        slots=slot_count(settings),
        threads=settings.threads or max(1, cores - 1),
        batch_threads=settings.batch_threads or cores,
        batch_tokens=BATCH_TOKENS,
        prefix_cache_mib=min(settings.prefix_cache_mib, spare_mib),
    )


def _finished(event: _Event) -> Finished:
    reason: Literal["stop", "length"] = "length" if event.stop_type == "limit" else "stop"
    return Finished(
        reason,
        Usage(
            prompt_tokens=event.tokens_evaluated,
            completion_tokens=event.tokens_predicted,
            cached_tokens=event.timings.cache_n if event.timings else 0,
        ),
    )


def _refused(event: _Event) -> ModelError:
    failure = event.error or _Failure()
    if failure.type == "exceed_context_size_error":
        return PromptTooLongError(
            prompt_tokens=failure.n_prompt_tokens, window_tokens=failure.n_ctx
        )
    return ModelError(reason=failure.type or None)
