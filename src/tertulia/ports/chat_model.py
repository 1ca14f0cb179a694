"""Chat models: from a prompt to tokens."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tertulia.domain.messages import Usage
from tertulia.kit.errors import Kind, TertuliaError

PromptRole = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class PromptMessage:
    role: PromptRole
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """`conversation_id` is a hint that lets a model keep the evaluated prefix of a prompt.
    A last message of role `assistant` is to be continued, not answered."""

    model: str
    messages: tuple[PromptMessage, ...]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    conversation_id: str | None = None
    background: bool = False
    """May wait behind others (titles)."""
    whole: bool = False
    """Nobody reads along: a source may answer in one Text, when that costs it less."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The request waits for a free slot; `ahead` requests go first."""

    ahead: int


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is whole. `reason`: it ended by itself, or at the token limit."""

    reason: Literal["stop", "length"]
    usage: Usage | None = None


Chunk = Waiting | Text | Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    id: str
    window_tokens: int
    owned_by: str
    ready: bool = True
    note: str = ""
    """Why it is not ready, or what else a person should know."""
    slots: int | None = None
    """Answers that it writes at once; None: as many as are asked for, or nobody knows."""


class ModelError(TertuliaError):
    """The model did not answer. Whatever was streamed before is not a complete answer.

    `transient`: the same request may succeed within seconds, so asking again is worth it.
    `local`: the reason lies in this process or its machine; another may well answer.
    """

    code = "model_failed"
    kind = Kind.UPSTREAM
    transient = False
    local = False


class ModelNotFoundError(ModelError):
    """There is no model of that name."""

    code = "model_not_found"
    kind = Kind.NOT_FOUND


class ModelUnavailableError(ModelError):
    """The model cannot be reached or is not loaded; the same request may succeed later."""

    code = "model_unavailable"
    kind = Kind.UNAVAILABLE
    transient = True


class ModelRefusedError(ModelError):
    """The model's endpoint refused the request."""

    code = "model_refused"
    kind = Kind.UPSTREAM


class ModelCutError(ModelError):
    """The model's answer broke off."""

    code = "model_cut"
    kind = Kind.UPSTREAM
    transient = True


class ModelTimeoutError(ModelError):
    """The model took too long."""

    code = "model_timeout"
    kind = Kind.UPSTREAM
    transient = True


class PromptTooLongError(ModelError):
    """The prompt does not fit the model's window."""

    code = "prompt_too_long"
    kind = Kind.INVALID


class ChatModel(Protocol):
    """One source of models (an embedded runtime, an endpoint).

    `stream` yields any number of Waiting, then Text chunks as they come, then exactly one
    Finished; anything else ends in a ModelError. Closing the generator (or cancelling the task)
    stops the model itself. It never blocks the event loop.
    """

    async def models(self) -> Sequence[ModelInfo]:
        """The models on offer, the default first. ModelUnavailableError when unreachable."""
        ...

    async def count_tokens(self, model: str, texts: Sequence[str]) -> Sequence[int]:
        """Tokens of each text; an upper estimate where the model has no tokenizer at hand."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]: ...
