"""The Peers of a process that runs every role itself."""

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from tertulia.domain.access import Principal
from tertulia.ports.peers import RoleUnavailableError, Surface


class NoPeers:
    """Nothing is elsewhere, so nothing leads there."""

    @property
    def surfaces(self) -> Sequence[Surface]:
        """See the port."""
        return ()

    def answer(
        self, surface: Surface, request: Request, body: bytes, who: Principal, leave: asyncio.Event
    ) -> Response:
        """See the port; never asked, as there is no surface."""
        del request, body, who, leave
        raise RoleUnavailableError(role=surface.role)

    async def converse(
        self, surface: Surface, socket: WebSocket, who: Principal, leave: asyncio.Event
    ) -> None:
        """See the port; never asked, as there is no surface."""
        del socket, who, leave
        raise RoleUnavailableError(role=surface.role)
