"""The part of OpenAI's chat completions that is relayed; the rest of a request is ignored.

https://platform.openai.com/docs/api-reference/chat
"""

from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta, Struct

from tertulia.domain.messages import Usage
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.chat_model import ChatRequest, PromptMessage, PromptRole

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Tokens = Annotated[int, Meta(ge=1, le=2**31)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
Probability = Annotated[float, Meta(ge=0, le=1)]
# 64 bits; msgspec cannot bound by the last of them.
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Stops = Annotated[list[str], Meta(max_length=16)]


class CompletionInvalidError(TertuliaError):
    """The request is not one that chat completions take."""

    code = "invalid_request"
    kind = Kind.INVALID


class ContentPart(Struct):
    type: str
    text: str = ""


class CompletionMessage(Struct):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[ContentPart] | None = None


class StreamOptions(Struct):
    include_usage: bool = False


class Completion(Struct):
    model: Name
    messages: Annotated[list[CompletionMessage], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: str | Stops | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    seed: Seed | None = None
    n: int | None = None

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


# What OpenAI calls our errors, where programs look at it.
_CODES = {"signed_out": "invalid_api_key", "prompt_too_long": "context_length_exceeded"}

_decoder = msgspec.json.Decoder(Completion)
_ROLES: dict[str, PromptRole] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


def parse(body: bytes) -> Completion:
    """CompletionInvalidError names the field, never what was in it."""
    try:
        completion = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        wrong = isinstance(error, msgspec.ValidationError)
        raise CompletionInvalidError(str(error) if wrong else None) from error
    if completion.n not in {None, 1}:
        msg = "n: only one answer at a time is given."
        raise CompletionInvalidError(msg)
    return completion


def request_of(completion: Completion) -> ChatRequest:
    stop = completion.stop
    return ChatRequest(
        model=completion.model,
        messages=tuple(
            PromptMessage(_ROLES[message.role], _text(message.content))
            for message in completion.messages
        ),
        max_tokens=completion.max_completion_tokens or completion.max_tokens,
        temperature=completion.temperature,
        top_p=completion.top_p,
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        seed=completion.seed,
        whole=not completion.stream,
    )


def _text(content: str | list[ContentPart] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if any(part.type != "text" for part in content):
        msg = "messages: only parts of type text are taken."
        raise CompletionInvalidError(msg)
    return "".join(part.text for part in content)


def usage_json(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def error_document(error: TertuliaError, status: int) -> dict[str, object]:
    kind = "invalid_request_error" if status < 500 else "server_error"  # noqa: PLR2004
    if status == 429:  # noqa: PLR2004
        kind = "rate_limit_error"
    code = _CODES.get(error.code, error.code)
    return {"error": {"message": error.message, "type": kind, "param": None, "code": code}}


def schema() -> dict[str, Any]:
    """The body as OpenAPI describes it, in one piece: FastAPI does not know of these shapes."""
    (found,), parts = msgspec.json.schema_components((Completion,), ref_template="{name}")
    return cast("dict[str, Any]", _in_one_piece(found, parts))


def _in_one_piece(node: object, parts: dict[str, dict[str, Any]]) -> object:
    if isinstance(node, list):
        return [_in_one_piece(item, parts) for item in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    fields = cast("dict[str, object]", node)
    if "$ref" in fields:
        return _in_one_piece(parts[str(fields["$ref"])], parts)
    return {name: _in_one_piece(value, parts) for name, value in fields.items()}
