"""Routes that lead to roles in other processes. The caller is known and counted here."""

import asyncio
from typing import Annotated

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from tertulia.domain.access import Principal
from tertulia.ports.http import requires
from tertulia.ports.peers import Peers, Surface

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def leading(peers: Peers, draining: asyncio.Event) -> APIRouter:
    """Must come after the gateway's own routes: what those do not match is the others'."""
    router = APIRouter(include_in_schema=False)
    for surface in peers.surfaces:
        _lead(router, surface, peers, draining)
    return router


def _lead(router: APIRouter, surface: Surface, peers: Peers, draining: asyncio.Event) -> None:
    caller = requires(surface.rule)
    path = surface.prefix + "{path:path}"

    async def answer(request: Request, principal: Annotated[Principal, caller]) -> Response:
        # Whole before it is passed on: then it can be sent to another process. The edge bounds it.
        body = await request.body()
        return peers.answer(surface, request, body, principal, draining)

    async def converse(websocket: WebSocket, principal: Annotated[Principal, caller]) -> None:
        await peers.converse(surface, websocket, principal, draining)

    router.add_api_route(path, answer, methods=METHODS, route_class_override=surface.route_class)
    if surface.sockets:
        router.add_api_websocket_route(path, converse)
