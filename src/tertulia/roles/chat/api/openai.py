"""`/v1`: OpenAI's interface, relayed to the model; nothing of it is stored."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

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
)
from tertulia.ports.http import Requires, requires
from tertulia.ports.http_leaving import Leaving
from tertulia.roles.chat.api.openai_shapes import (
    Completion,
    error_document,
    parse,
    request_of,
    schema,
    usage_json,
)
from tertulia.roles.chat.api.openai_stream import CompletionStream, Count
from tertulia.roles.chat.api.render import json_response
from tertulia.roles.chat.service.turn_limits import TurnLimits

Caller = Annotated[Principal, requires(Rule.OPEN_OR_SIGNED_IN)]

CLIENT_LEFT: Final = 499  # nobody reads it; the log does


class OpenAIRoute(APIRoute):
    """Errors as `{"error": {"message", "type", "param", "code"}}`."""

    def answer_error(self, error: TertuliaError, status: int) -> Response:
        return json_response(error_document(error, status), status)


class DirectRoute(OpenAIRoute):
    """For an endpoint that takes the request and the principal and nothing else: FastAPI only
    describes it. Its own way to the same call takes 50 us of 200."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        [needed] = [each.call for each in self.dependant.dependencies]
        find_caller = cast("Requires", needed)
        endpoint = cast("Callable[[Request, Principal], Awaitable[Response]]", self.endpoint)

        async def handle(request: Request) -> Response:
            principal = await find_caller(request)
            return await endpoint(request, cast("Principal", principal))

        return handle


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

    async def complete(request: Request, principal: Caller) -> Response:
        completion = parse(await request.body())
        await limits.check(principal)
        chunks = model.stream(request_of(completion))
        if completion.stream:
            count = partial(_counted, model, completion)
            return await _streamed(request, completion, chunks, count)
        async with Leaving(request.receive), aclosing(chunks):
            return json_response(await _whole(model, completion, chunks))
        return Response(status_code=CLIENT_LEFT)

    body = {"content": {"application/json": {"schema": schema()}}, "required": True}
    router.add_api_route(
        "/chat/completions",
        complete,
        methods=["POST"],
        route_class_override=DirectRoute,
        summary="Answer a list of messages, streamed or whole",
        openapi_extra={"requestBody": body},
    )
    return router


async def _streamed(
    request: Request, completion: Completion, chunks: AsyncGenerator[Chunk, None], count: Count
) -> Response:
    """The first chunk decides whether there is an answer at all, while the status can say so."""
    try:
        async with Leaving(request.receive):
            return CompletionStream(completion, await anext(chunks), chunks, count)
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
                    "usage": usage_json(usage),
                }
            case _:
                pass
    raise ModelCutError


async def _counted(model: ChatModel, completion: Completion, answer: str) -> Usage:
    """An estimate, for models that do not say."""
    prompt = [message.content for message in request_of(completion).messages]
    counts = await model.count_tokens(completion.model, [*prompt, answer])
    return Usage(prompt_tokens=sum(counts[:-1]), completion_tokens=counts[-1])


def _model_json(name: str, owned_by: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owned_by}
