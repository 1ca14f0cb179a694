"""Routes of models: which there are, which can be had."""

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from tertulia.domain.access import Rule
from tertulia.ports.chat_model import ChatModel
from tertulia.ports.http import requires
from tertulia.ports.model_catalogue import ModelCatalogue
from tertulia.roles.chat.api import shapes
from tertulia.roles.chat.api.render import json_response

SIGNED_IN = [requires(Rule.SIGNED_IN)]


def routes(model: ChatModel, catalogue: ModelCatalogue) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["models"])

    @router.get(
        "/models", dependencies=SIGNED_IN, summary="The models", response_model=shapes.Models
    )
    async def list_() -> Response:
        found = await model.models()
        items = [msgspec.to_builtins(info) for info in found]
        return json_response({"items": items, "default": found[0].id if found else None})

    @router.get(
        "/catalogue",
        dependencies=SIGNED_IN,
        summary="Models that can be had for the embedded runtime",
        response_model=shapes.Catalogue,
    )
    async def catalogue_() -> Response:
        return json_response({"items": list(await catalogue.list())})

    @router.post(
        "/catalogue/{name}/pull",
        status_code=202,
        dependencies=SIGNED_IN,
        summary="Get a model; it is used once verified",
        response_model=shapes.Catalogue,
    )
    async def pull(name: str) -> Response:
        await catalogue.pull(name)
        return json_response({"items": list(await catalogue.list())}, 202)

    @router.post(
        "/catalogue/{name}/use",
        dependencies=SIGNED_IN,
        summary="Give new turns to this model",
        response_model=shapes.Catalogue,
    )
    async def use(name: str) -> Response:
        await catalogue.use(name)
        return json_response({"items": list(await catalogue.list())})

    return router
