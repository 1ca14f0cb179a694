"""The Peers port over HTTP."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from tertulia.adapters.rpc.conversing import converse
from tertulia.adapters.rpc.forwarding import Forwarded, passed_on, target_of
from tertulia.adapters.rpc.line import Asked, Line
from tertulia.adapters.rpc.replicas import Replicas
from tertulia.adapters.rpc.settings import PeersSettings
from tertulia.domain.access import Principal
from tertulia.ports.peers import Pass, Passes, Surface

ISSUER = "gateway"


class HttpPeers:
    """See the port. `lines`: the way to each role that a surface names."""

    def __init__(
        self, surfaces: Sequence[Surface], lines: Mapping[str, Line], settings: PeersSettings
    ) -> None:
        self._surfaces = tuple(surfaces)
        self._lines = lines
        self._settings = settings

    @property
    def surfaces(self) -> Sequence[Surface]:
        return self._surfaces

    def answer(
        self, surface: Surface, request: Request, body: bytes, who: Principal, leave: asyncio.Event
    ) -> Response:
        asked = self._asked(surface, request, request.method, who, body)
        return Forwarded(self._lines[surface.role], asked, leave)

    async def converse(
        self, surface: Surface, socket: WebSocket, who: Principal, leave: asyncio.Event
    ) -> None:
        asked = self._asked(surface, socket, "GET", who, b"")
        await converse(self._lines[surface.role], asked, socket, leave)

    def _asked(
        self, surface: Surface, of: HTTPConnection, method: str, who: Principal, body: bytes
    ) -> Asked:
        given = self._settings
        within_s = given.model_answer_s if surface.patient else given.answer_s
        return Asked(
            method=method,
            target=target_of(of),
            shown=Pass(issuer=ISSUER, principal=who, within_s=within_s),
            headers=passed_on(of),
            body=body,
            repeatable=surface.repeatable,
        )


@asynccontextmanager
async def open_line(
    role: str, urls: Sequence[str], passes: Passes, settings: PeersSettings
) -> AsyncGenerator[Line]:
    """Connects when it is first used."""
    line = Line(role, Replicas(urls, settings.resolve_s), passes, settings)
    try:
        yield line
    finally:
        await line.close()


@asynccontextmanager
async def open_peers(
    surfaces: Sequence[Surface],
    urls: Mapping[str, Sequence[str]],
    passes: Passes,
    settings: PeersSettings,
) -> AsyncGenerator[HttpPeers]:
    """`urls`: those of each role that a surface names."""
    async with AsyncExitStack() as stack:
        lines = {
            role: await stack.enter_async_context(open_line(role, urls[role], passes, settings))
            for role in dict.fromkeys(surface.role for surface in surfaces)
        }
        yield HttpPeers(surfaces, lines, settings)
