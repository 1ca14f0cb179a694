"""Roles in other processes: what they answer, how they are reached, how they know each other."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from tertulia.domain.access import Principal, Rule
from tertulia.kit.errors import Kind, TertuliaError


class RoleUnavailableError(TertuliaError):
    """A part of this server does not answer; try again in a moment."""

    code = "role_unavailable"
    kind = Kind.UNAVAILABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one role shows another with a request: who asks, for whom, and within how many seconds
    the answer must begin."""

    issuer: str
    principal: Principal | None
    within_s: float


class Passes(Protocol):
    """Passes between the processes of one installation, which share the master key.

    A pass holds for a minute at most, for one method and one target (path and query as they are
    on the wire), and only while the version of the master key that vouches for it is kept.
    """

    async def issue(self, shown: Pass, method: str, target: str) -> str:
        """A pass as a header's value."""
        ...

    async def check(self, text: str, method: str, target: str) -> Pass | None:
        """None for one that is forged, altered, too old or made for something else."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Paths below `prefix` that a role answers, and who may ask.

    `patient`: an answer may wait for a language model. `repeatable`: asking twice is as good as
    asking once, for every method. `route_class` tells of errors in the surface's own way.
    """

    role: str
    prefix: str
    rule: Rule
    patient: bool = False
    repeatable: bool = True
    sockets: bool = False
    route_class: type[APIRoute] = APIRoute


class Peers(Protocol):
    """The ways from a gateway to roles that run elsewhere. There may be several processes of a
    role; each request goes to any of them that takes it."""

    @property
    def surfaces(self) -> Sequence[Surface]:
        """What roles elsewhere answer; the first whose prefix fits leads. Empty when all of them
        run in this process."""
        ...

    def answer(
        self, surface: Surface, request: Request, body: bytes, who: Principal, leave: asyncio.Event
    ) -> Response:
        """The role's answer, passed on as it comes; RoleUnavailableError when it is sent and no
        process takes the request. A client that leaves takes its request along. `leave` ends
        event streams with a hint to come back."""
        ...

    async def converse(
        self, surface: Surface, socket: WebSocket, who: Principal, leave: asyncio.Event
    ) -> None:
        """The same for a WebSocket: from its handshake to its end."""
        ...
