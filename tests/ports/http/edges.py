"""An edge around a few routes of a test."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.types import ASGIApp

from tertulia.adapters.http.app import build_edge
from tertulia.adapters.http.server import HttpServer, nobody, open_http
from tertulia.adapters.http.settings import HttpSettings
from tertulia.domain.access import Rule
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.kit.process_settings import ProcessSettings
from tertulia.ports.http import ReadyCheck, Registrants, Text, requires

PUBLIC = [requires(Rule.PUBLIC)]


class TeapotError(TertuliaError):
    """It is a teapot."""

    code = "teapot"
    kind = Kind.CONFLICT


class Said(BaseModel):
    text: Text
    count: int = 0


def routes() -> APIRouter:
    """They say something back, or fail in known and in unknown ways."""
    router = APIRouter(tags=["test"])

    @router.post("/api/echo", dependencies=PUBLIC)
    async def echo(body: Said) -> Said:
        return body

    @router.post("/api/raw", dependencies=PUBLIC)
    async def raw(request: Request) -> int:
        return len(await request.body())

    @router.get("/api/teapot", dependencies=PUBLIC)
    async def teapot() -> None:
        raise TeapotError(cups=3)

    @router.get("/api/broken", dependencies=PUBLIC)
    async def broken() -> None:
        secret = "what somebody wrote"
        raise RuntimeError(secret)

    @router.get("/api/things/{thing}", dependencies=PUBLIC)
    async def show(thing: str) -> str:
        return thing

    _ = echo, raw, teapot, broken, show
    return router


def edge(
    *routers: APIRouter,
    settings: HttpSettings | None = None,
    checks: dict[str, ReadyCheck] | None = None,
    page: Path = Path("/nowhere"),
) -> ASGIApp:
    return build_edge(
        routers or [routes()],
        authenticate=nobody,
        checks=checks or {},
        settings=settings or HttpSettings(),
        page_directory=page,
    )


def client(app: ASGIApp, base_url: str = "http://127.0.0.1") -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app, raise_app_exceptions=True), base_url=base_url
    )


@asynccontextmanager
async def listening(
    routers: Sequence[APIRouter] = (), settings: HttpSettings | None = None
) -> AsyncGenerator[tuple[HttpServer, asyncio.Task[None]]]:
    """A server on a free port, with the task of its one role."""
    process = ProcessSettings(address="127.0.0.1:0")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            open_http(process, settings or HttpSettings(), Registrants(1))
        )
        for router in routers:
            server.include(router)
        role = asyncio.create_task(server.served())
        await server.listening()
        try:
            yield server, role
        finally:
            role.cancel()
            await asyncio.wait({role})
