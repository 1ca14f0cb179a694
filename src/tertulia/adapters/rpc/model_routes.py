"""The model and the catalogue, for roles in processes that have none of their own."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, TypeVar

import msgspec
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tertulia.adapters.rpc import wire
from tertulia.domain.access import Rule
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.chat_model import ChatModel, ChatRequest, Chunk
from tertulia.ports.http import requires
from tertulia.ports.http_leaving import Leaving
from tertulia.ports.model_catalogue import ModelCatalogue

INTERNAL: Final = [requires(Rule.INTERNAL)]
MEDIA_TYPE: Final = "application/x-ndjson"

T = TypeVar("T")

_requests: Final = msgspec.json.Decoder(ChatRequest)
_countings: Final = msgspec.json.Decoder(wire.Counting)


class MalformedError(TertuliaError):
    """The other process speaks another version of this interface."""

    code = "malformed"
    kind = Kind.INVALID


class WireRoute(APIRoute):
    """Errors as the other side reads them."""

    def answer_error(self, error: TertuliaError, status: int) -> Response:
        return Response(wire.written(error), status, media_type=MEDIA_TYPE)


def model_routes(model: ChatModel, catalogue: ModelCatalogue) -> APIRouter:
    router = APIRouter(prefix="/internal", include_in_schema=False, route_class=WireRoute)
    _model_routes(router, model)
    _catalogue_routes(router, catalogue)
    return router


def _model_routes(router: APIRouter, model: ChatModel) -> None:
    @router.get("/models", dependencies=INTERNAL)
    async def models() -> Response:
        return _json(list(await model.models()))

    @router.post("/models/tokens", dependencies=INTERNAL)
    async def tokens(request: Request) -> Response:
        wanted = await _body(request, _countings)
        return _json(list(await model.count_tokens(wanted.model, wanted.texts)))

    @router.post("/models/stream", dependencies=INTERNAL)
    async def stream(request: Request) -> Response:
        wanted = await _body(request, _requests)
        return ChunkStream(model.stream(wanted))


def _catalogue_routes(router: APIRouter, catalogue: ModelCatalogue) -> None:
    @router.get("/catalogue", dependencies=INTERNAL)
    async def entries() -> Response:
        return _json(list(await catalogue.list()))

    @router.post("/catalogue/{name:path}/pull", dependencies=INTERNAL)
    async def pull(name: str) -> Response:
        await catalogue.pull(name)
        return await entries()

    @router.post("/catalogue/{name:path}/use", dependencies=INTERNAL)
    async def use(name: str) -> Response:
        await catalogue.use(name)
        return await entries()

    @router.delete("/catalogue/{name:path}", dependencies=INTERNAL)
    async def remove(name: str) -> Response:
        await catalogue.remove(name)
        return await entries()


class ChunkStream(Response):
    """A line for each chunk. The model stops when the other side hangs up."""

    media_type = MEDIA_TYPE

    def __init__(self, chunks: AsyncGenerator[Chunk, None]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._chunks = chunks

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        async def write(line: bytes, *, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": line, "more_body": more})

        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async with Leaving(receive), aclosing(self._chunks):
            try:
                async for chunk in self._chunks:
                    await write(wire.written(chunk))
            except TertuliaError as error:
                await write(wire.written(error))
        await write(b"", more=False)


async def _body(request: Request, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(await request.body())
    except msgspec.DecodeError as error:
        raise MalformedError from error


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
