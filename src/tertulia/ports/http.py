"""The HTTP surface of a process: roles add their routes, one listener serves them."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from fastapi import APIRouter

from tertulia.domain.access import Principal, Rule

ReadyCheck = Callable[[], Awaitable[str | None]]
"""None when ready, else one sentence that says what is missing."""

Authenticate = Callable[[Any], Awaitable[Principal | None]]
"""From a Starlette HTTPConnection to its caller; raises UNAUTHENTICATED for a bad secret."""


class Http(Protocol):
    """Roles call `include`, `authenticate_with` and `check_ready` when they start; the listener
    opens when every role of the process has done so. Handlers find the caller by
    `principal(request, rule)` of the process's authenticator; a TertuliaError becomes a problem
    document (RFC 9457), in `/v1` and `/chat` what their contracts say."""

    def include(self, router: APIRouter) -> None: ...

    def authenticate_with(self, authenticate: Authenticate) -> None: ...

    def check_ready(self, name: str, check: ReadyCheck) -> None: ...

    async def served(self) -> None:
        """Returns when the listener closes; cancelling drains it."""
        ...


__all__ = ["Authenticate", "Http", "Principal", "ReadyCheck", "Rule"]
