"""`/v1`: OpenAI's interface, relayed to the model; nothing of it is stored.

This is the hot path: bodies are decoded once, each chunk is put together from bytes that were
encoded once.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Final, assert_never

import msgspec
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tertulia.domain.access import Principal, Rule
from tertulia.domain.messages import Usage
from tertulia.kit.errors import TertuliaError
from tertulia.kit.ids import new_id
from tertulia.ports.chat_model import (
    ChatModel,
    Chunk,
    Finished,
    ModelCutError,
    ModelNotFoundError,
    Text,
    Waiting,
)
from tertulia.ports.http import requires
from tertulia.roles.chat.api.live import STREAM_HEADERS, Leaving
from tertulia.roles.chat.api.openai_shapes import Completion, parse, request_of, schema
from tertulia.roles.chat.api.render import json_response
from tertulia.roles.chat.service.turn_limits import TurnLimits

Caller = Annotated[Principal, requires(Rule.OPEN_OR_SIGNED_IN)]

CLIENT_LEFT: Final = 499  # nobody reads it; the log does
DONE: Final = b"data: [DONE]\n\n"

_encode = msgspec.json.Encoder().encode

# What OpenAI calls our errors, where programs look at it.
_CODES: Final = {"signed_out": "invalid_api_key", "prompt_too_long": "context_length_exceeded"}


class OpenAIRoute(APIRoute):
    """Errors as `{"error": {"message", "type", "param", "code"}}`."""

    def answer_error(self, error: TertuliaError, status: int) -> Response:
        return json_response(error_document(error, status), status)


def error_document(error: TertuliaError, status: int) -> dict[str, object]:
    kind = "invalid_request_error" if status < 500 else "server_error"  # noqa: PLR2004
    if status == 429:  # noqa: PLR2004
        kind = "rate_limit_error"
    code = _CODES.get(error.code, error.code)
    return {"error": {"message": error.message, "type": kind, "param": None, "code": code}}


def routes(model: ChatModel, limits: TurnLimits) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["openai"], route_class=OpenAIRoute)

    @router.get("/models", summary="The models, as OpenAI lists them")
    async def list_models(_principal: Caller) -> Response:
        data = [_model_json(info.id, info.owned_by) for info in await model.models()]
        return json_response({"object": "list", "data": data})

    @router.get("/models/{name:path}", summary="One model, as OpenAI shows it")
    async def get_model(name: str, _principal: Caller) -> Response:
        for info in await model.models():
            if info.id == name:
                return json_response(_model_json(info.id, info.owned_by))
        raise ModelNotFoundError

    @router.post(
        "/chat/completions",
        summary="Answer a list of messages, streamed or whole",
        openapi_extra={
            "requestBody": {"content": {"application/json": {"schema": schema()}}, "required": True}
        },
    )
    async def complete(request: Request, principal: Caller) -> Response:
        completion = parse(await request.body())
        await limits.check(principal)
        chunks = model.stream(request_of(completion))
        if completion.stream:
            return await _streamed(request, completion, chunks)
        async with Leaving(request.receive), aclosing(chunks):
            return json_response(await _whole(model, completion, chunks))
        return Response(status_code=CLIENT_LEFT)

    return router


async def _streamed(
    request: Request, completion: Completion, chunks: AsyncGenerator[Chunk, None]
) -> Response:
    """The first chunk decides whether there is an answer at all, while the status can say so."""
    try:
        async with Leaving(request.receive):
            return CompletionStream(completion, await anext(chunks), chunks)
    except BaseException:
        await chunks.aclose()
        raise
    await chunks.aclose()
    return Response(status_code=CLIENT_LEFT)


async def _whole(
    model: ChatModel, completion: Completion, chunks: AsyncGenerator[Chunk, None]
) -> dict[str, object]:
    texts: list[str] = []
    async for chunk in chunks:
        match chunk:
            case Text(text):
                texts.append(text)
            case Finished(reason, usage):
                text = "".join(texts)
                usage = usage or await _counted(model, completion, text)
                choice = {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": reason,
                }
                return {
                    "id": f"chatcmpl-{new_id()}",
                    "object": "chat.completion",
                    "created": int(time.time()),
                    "model": completion.model,
                    "choices": [choice],
                    "usage": _usage_json(usage),
                }
            case _:
                pass
    raise ModelCutError


class CompletionStream(Response):
    """Chunks as they come, `[DONE]` last. An answer that breaks off ends in an `error` and
    without `[DONE]`, so that no client takes it for whole."""

    media_type = "text/event-stream"

    def __init__(
        self, completion: Completion, first: Chunk, chunks: AsyncGenerator[Chunk, None]
    ) -> None:
        super().__init__(None, 200, STREAM_HEADERS)
        del self.headers["content-length"]
        self._first = first
        self._chunks = chunks
        self._with_usage = completion.include_usage
        usage = b',"usage":null' if self._with_usage else b""
        self._head = (
            b'data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":%d,"model":%s'
            % (new_id().encode(), int(time.time()), _encode(completion.model))
        )
        self._before = self._head + usage + b',"choices":[{"index":0,"delta":'
        self._after = b',"finish_reason":null}]}\n\n'

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        async with Leaving(receive), aclosing(self._chunks):
            await self._relay(send)

    async def _relay(self, send: Send) -> None:
        role = self._delta(b'{"role":"assistant","content":""}')
        await _write(send, role + self._part(self._first))
        try:
            async for chunk in self._chunks:
                await _write(send, self._part(chunk))
        except TertuliaError as error:
            document = error_document(error, 500)
            await _write(send, b"data: %s\n\n" % _encode(document))
        await _write(send, b"", more=False)

    def _part(self, chunk: Chunk) -> bytes:
        match chunk:
            case Text(text):
                return self._delta(b'{"content":%s}' % _encode(text))
            case Finished(reason, usage):
                return self._end(reason, usage)
            case Waiting(ahead):
                return b": waiting, %d ahead\n\n" % ahead
            case _:
                assert_never(chunk)

    def _delta(self, delta: bytes) -> bytes:
        return self._before + delta + self._after

    def _end(self, reason: str, usage: Usage | None) -> bytes:
        last = self._before + b'{},"finish_reason":"%s"}]}\n\n' % reason.encode()
        if self._with_usage:
            counted = _encode(_usage_json(usage) if usage else None)
            last += self._head + b',"choices":[],"usage":%s}\n\n' % counted
        return last + DONE


async def _write(send: Send, chunk: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": more})


async def _counted(model: ChatModel, completion: Completion, answer: str) -> Usage:
    """An estimate, for models that do not say."""
    prompt = [message.content for message in request_of(completion).messages]
    counts = await model.count_tokens(completion.model, [*prompt, answer])
    return Usage(prompt_tokens=sum(counts[:-1]), completion_tokens=counts[-1])


def _usage_json(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def _model_json(name: str, owned_by: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owned_by}
