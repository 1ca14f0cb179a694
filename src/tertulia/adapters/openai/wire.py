"""The shapes that OpenAI-compatible endpoints send, and what their failures mean."""

import re
from http import HTTPStatus
from typing import Final

import msgspec

from tertulia.domain.messages import Usage
from tertulia.ports.chat_model import (
    ModelCutError,
    ModelError,
    ModelNotFoundError,
    ModelRefusedError,
    ModelUnavailableError,
    PromptTooLongError,
)


class Part(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""


class Delta(msgspec.Struct, gc=False):
    """Reasoning that some endpoints send beside the content is left out."""

    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class UsageReport(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None

    def value(self) -> Usage:
        details = self.prompt_tokens_details
        return Usage(
            prompt_tokens=self.prompt_tokens or 0,
            completion_tokens=self.completion_tokens or 0,
            cached_tokens=(details.cached_tokens or 0) if details else 0,
        )


class Problem(msgspec.Struct, gc=False):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


class Completion(msgspec.Struct, gc=False):
    """A chunk of a stream, a whole answer, or an error (`{"error": …}`, or vLLM's bare one)."""

    choices: list[Choice] | None = None
    usage: UsageReport | None = None
    error: Problem | str | None = None
    object: str | None = None
    message: str | None = None
    code: str | int | None = None
    type: str | None = None

    @property
    def problem(self) -> Problem:
        """Empty when this is no error."""
        if isinstance(self.error, str):
            return Problem(message=self.error)
        if self.error is None and self.object == "error":
            return Problem(message=self.message, type=self.type, code=self.code)
        return self.error or Problem()


class ModelMeta(msgspec.Struct):
    n_ctx: int | None = None
    n_ctx_train: int | None = None


class ModelEntry(msgspec.Struct):
    """`max_model_len` is vLLM's, `context_window` Groq's, `context_length` OpenRouter's and
    others', `meta` llama.cpp's."""

    id: str
    owned_by: str | None = None
    max_model_len: int | None = None
    context_window: int | None = None
    context_length: int | None = None
    meta: ModelMeta | None = None

    def window_tokens(self, otherwise: int) -> int:
        meta = self.meta or ModelMeta()
        told = self.max_model_len or self.context_window or self.context_length or meta.n_ctx
        # What a model was trained on is an upper bound of what its server gives it.
        return told or min(otherwise, meta.n_ctx_train or otherwise)


class ModelList(msgspec.Struct):
    data: list[ModelEntry] | None = None


COMPLETION: Final = msgspec.json.Decoder(Completion)
MODELS: Final = msgspec.json.Decoder(ModelList)

_TOO_LONG: Final = re.compile(
    r"context.{0,12}(length|size|window)|too long|maximum.{0,20}tokens", re.IGNORECASE
)
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_BUSY: Final = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}
_SECONDS_KEPT: Final = 3600


def problem_of(body: bytes) -> Problem:
    """What an error answer says; empty when it says nothing that can be read."""
    try:
        return COMPLETION.decode(body).problem
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Problem()


def refusal(status: int, problem: Problem, retry_after: str | None) -> ModelError:
    """The error that an HTTP status stands for. What an endpoint says in words may repeat what
    a person wrote, so its words are judged, not passed on."""
    reason = reason_of(problem)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or is_too_long(problem):
        return PromptTooLongError(status=status, reason=reason)
    if status == HTTPStatus.NOT_FOUND:
        return ModelNotFoundError(status=status, reason=reason)
    if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ModelUnavailableError(
            status=status, reason=reason, retry_after=seconds_of(retry_after)
        )
    return ModelRefusedError(status=status, reason=reason)


def failure_in_stream(problem: Problem, *, begun: bool) -> ModelError:
    """The error that an error object inside of a stream stands for."""
    reason = reason_of(problem)
    if begun:
        return ModelCutError(reason=reason)
    if is_too_long(problem):
        return PromptTooLongError(reason=reason)
    status = problem.code
    if isinstance(status, str) and status.isascii() and status.isdigit():
        status = int(status)
    if isinstance(status, int) and HTTPStatus.BAD_REQUEST <= status <= 599:  # noqa: PLR2004
        return refusal(status, problem, None)
    return ModelUnavailableError(reason=reason)


def is_too_long(problem: Problem) -> bool:
    """Whether the prompt did not fit the model's window."""
    named = {problem.code, problem.type} & {"context_length_exceeded", "exceed_context_size_error"}
    return bool(named or (problem.message and _TOO_LONG.search(problem.message)))


def reason_of(problem: Problem) -> str | None:
    """The problem's code or type, when it looks like an identifier."""
    for name in (problem.code, problem.type):
        if name is not None and _IDENTIFIER.fullmatch(str(name)):
            return str(name)
    return None


def seconds_of(retry_after: str | None) -> int | None:
    """Retry-After in seconds; its other form, a date, is as good as none."""
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()):
        return None
    return min(int(retry_after[:6]), _SECONDS_KEPT)
