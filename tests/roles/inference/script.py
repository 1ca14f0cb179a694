"""A model that says what a test tells it, when the test tells it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from tertulia.domain.messages import Usage
from tertulia.ports.chat_model import ChatRequest, Chunk, Finished, ModelInfo, Text, Waiting

NAME = "script"
DONE = Finished("stop", Usage(prompt_tokens=5, completion_tokens=7))

Step = str | Waiting | Finished | Exception | asyncio.Event
"""Say, tell a place in line, end, fail, or go on once it is set."""


class ScriptModel:
    """Each request plays the next of `scripts`, the last one for ever. A script that ends
    without Finished or an error is a stream that was cut."""

    def __init__(self, *scripts: Sequence[Step], window_tokens: int = 8192) -> None:
        self._scripts = list(scripts)
        self._window_tokens = window_tokens
        self.requests: list[ChatRequest] = []
        self.running = 0
        self.unready: Exception | None = None
        self._asked = asyncio.Event()

    async def asked(self, count: int) -> None:
        """Returns once there have been this many requests."""
        async with asyncio.timeout(20):
            while len(self.requests) < count:
                self._asked.clear()
                await self._asked.wait()

    async def models(self) -> Sequence[ModelInfo]:
        if self.unready is not None:
            raise self.unready
        return [ModelInfo(id=NAME, window_tokens=self._window_tokens, owned_by="test")]

    async def count_tokens(self, model: str, texts: Sequence[str]) -> Sequence[int]:
        del model
        return [len(text.split()) for text in texts]

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        self.requests.append(request)
        self._asked.set()
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        self.running += 1
        try:
            for step in script:
                match step:
                    case str():
                        yield Text(step)
                    case asyncio.Event():
                        await step.wait()
                    case Exception():
                        raise step
                    case Waiting() | Finished():
                        yield step
        finally:
            self.running -= 1
