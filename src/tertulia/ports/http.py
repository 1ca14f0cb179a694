"""The HTTP surface of a process: roles add their routes, one listener serves them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, NewType, Protocol, cast

from fastapi import APIRouter, Depends
from pydantic import AfterValidator
from starlette.requests import HTTPConnection
from starlette.responses import Response

from tertulia.domain.access import Principal, Rule, allows
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.peers import Pass

SHOWN: Final = "peer"
"""Where in a request's state the edge leaves a pass that holds."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """One sentence about something that the process does without as long as it has to."""

    sentence: str


ReadyCheck = Callable[[], Awaitable[str | Degraded | None]]
"""None when ready, else one sentence that says what is missing."""

Authenticate = Callable[[HTTPConnection], Awaitable[Principal | None]]
"""From a connection to its caller; None when it shows no secret that holds."""


def _encodable(text: str) -> str:
    text.encode()  # UnicodeEncodeError is a ValueError
    return text


ENCODABLE = AfterValidator(_encodable)
"""The last thing said of a string in a body: JSON can spell half of a surrogate pair, which no
encoding can hold."""

Text = Annotated[str, ENCODABLE]
"""Any string in a body."""

Registrants = NewType("Registrants", int)
"""How many of the process add routes before the listener opens: roles, and assembly itself."""


class SignedOutError(TertuliaError):
    """Sign in first."""

    code = "signed_out"
    kind = Kind.UNAUTHENTICATED


class Http(Protocol):
    """Roles call `include`, `authenticate_with` and `check_ready` when they start, then wait in
    `served`; the listener opens when every role of the process has done so. Handlers find their
    caller by `requires(rule)`; a TertuliaError becomes a problem document (RFC 9457), or what
    the route's `ErrorSpeaker` makes of it."""

    @property
    def draining(self) -> asyncio.Event:
        """Set when the listener begins to close: answers without an end must end themselves."""
        ...

    def include(self, router: APIRouter) -> None: ...

    def authenticate_with(self, authenticate: Authenticate) -> None: ...

    def check_ready(self, name: str, check: ReadyCheck) -> None: ...

    async def served(self) -> None:
        """Returns when the listener closes; cancelling drains it."""
        ...


class ErrorSpeaker(Protocol):
    """A route (`APIRouter(route_class=…)`) whose contract has its own way to tell of errors."""

    def answer_error(self, error: TertuliaError, status: int) -> Response: ...


class Requires:
    """The dependency by which a route declares its rule.

    INTERNAL asks for the pass of another role. OWNER lets every signed-in caller through: whose
    thing it is, is only known to the use case, which asks `allows` again with the owner.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        if self.rule is Rule.PUBLIC:
            return None
        if self.rule is Rule.INTERNAL:
            if shown_pass(connection) is None:
                raise SignedOutError
            return None
        principal = await caller(connection)
        if not allows(Rule.SIGNED_IN if self.rule is Rule.OWNER else self.rule, principal):
            raise SignedOutError
        return principal


def requires(rule: Rule) -> Any:
    """How a route declares `rule`, as a parameter or among its dependencies."""
    return Depends(Requires(rule))


def shown_pass(connection: HTTPConnection) -> Pass | None:
    """The pass of another role, when the request came with one that holds."""
    return cast("Pass | None", connection.scope["state"].get(SHOWN))


async def caller(connection: HTTPConnection) -> Principal | None:
    """Who is there now: also asks again whether a live socket's credential still holds."""
    authenticate = cast("Authenticate", connection.app.state.authenticate)
    return await authenticate(connection)
