"""`echo` says the user's last message again, word by word; `echo/<tokens>/<ms>` says exactly
that many words of it, over and over, one every so many milliseconds."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final, Literal

from tertulia.adapters.echo.slots import Slots
from tertulia.domain.messages import Usage
from tertulia.kit.clock import Clock, SystemClock
from tertulia.ports.chat_model import (
    ChatRequest,
    Chunk,
    Finished,
    ModelInfo,
    ModelNotFoundError,
    Text,
    Waiting,
)

NAME: Final = re.compile(r"echo(?:/(?P<tokens>\d{1,6})/(?P<ms>\d{1,6}))?")
WORD: Final = re.compile(r"\s*\S+|\s+\Z")
WINDOW_TOKENS: Final = 8192
SILENCE: Final = "…"


class EchoModel:
    """A token is a word with the white space before it. `slots`: how many requests are answered
    at once (None: any number); the rest are told their place in line. `default` is the model
    that is named first."""

    def __init__(
        self, default: str = "echo", *, slots: int | None = None, clock: Clock | None = None
    ) -> None:
        _pace(default)
        self._default = default
        self._count = slots
        self._slots = Slots(slots)
        self._clock = clock or SystemClock()

    @property
    def running(self) -> int:
        """How many requests are being answered."""
        return self._slots.taken

    async def models(self) -> Sequence[ModelInfo]:
        """See the port."""
        names = dict.fromkeys((self._default, "echo"))
        return [
            ModelInfo(id=n, window_tokens=WINDOW_TOKENS, owned_by="tertulia", slots=self._count)
            for n in names
        ]

    async def count_tokens(self, model: str, texts: Sequence[str]) -> Sequence[int]:
        """See the port."""
        _pace(model)
        return [len(_tokens(text)) for text in texts]

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """See the port."""
        pace = _pace(request.model)
        with self._slots.place(background=request.background) as place:
            while (ahead := self._slots.ahead(place)) is not None:
                moved = self._slots.moved  # the line may move while the caller looks
                yield Waiting(ahead)
                await moved.wait()
            answer, reason = _cut(_answer(request, pace), request)
            due = self._clock.monotonic()
            for token in answer:
                due += pace.every_s
                await asyncio.sleep(max(due - self._clock.monotonic(), 0))
                yield Text(token)
            yield Finished(reason, _usage(request, answer))


@dataclass(frozen=True, slots=True)
class _Pace:
    tokens: int | None
    every_s: float


def _pace(model: str) -> _Pace:
    match = NAME.fullmatch(model)
    if match is None:
        raise ModelNotFoundError(model=model)
    if match["tokens"] is None:
        return _Pace(None, 0.0)
    return _Pace(int(match["tokens"]), int(match["ms"]) / 1000)


def _tokens(text: str) -> list[str]:
    return WORD.findall(text)


def _answer(request: ChatRequest, pace: _Pace) -> list[str]:
    """The whole answer, or what is missing from it when its beginning is given."""
    said = [m.content for m in request.messages if m.role == "user"]
    words = _tokens(said[-1] if said else "") or [SILENCE]
    if pace.tokens is not None:
        spaced = (word if word[0].isspace() else f" {word}" for word in cycle(words))
        words = list(islice(spaced, pace.tokens))
        words[:1] = [word.lstrip() for word in words[:1]]
    last = request.messages[-1] if request.messages else None
    if last is None or last.role != "assistant":
        return words
    whole = "".join(words)
    return _tokens(whole[len(last.content) :]) if whole.startswith(last.content) else []


def _cut(answer: list[str], request: ChatRequest) -> tuple[list[str], Literal["stop", "length"]]:
    """Up to the first stop sequence, and no longer than allowed."""
    whole = "".join(answer)
    ends = [whole.find(stop) for stop in request.stop if stop in whole]
    if ends:
        answer = _tokens(whole[: min(ends)])
    if request.max_tokens is not None and len(answer) > request.max_tokens:
        return answer[: request.max_tokens], "length"
    return answer, "stop"


def _usage(request: ChatRequest, answer: Sequence[str]) -> Usage:
    prompt = sum(len(_tokens(message.content)) for message in request.messages)
    return Usage(prompt_tokens=prompt, completion_tokens=len(answer))
