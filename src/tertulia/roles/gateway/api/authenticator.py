"""Who calls: a token, a session's cookie, or nobody."""

from typing import Final, Literal, cast

from starlette.requests import HTTPConnection

from tertulia.domain.access import Principal
from tertulia.domain.ids import UserId
from tertulia.domain.secrets import TOKEN_PREFIX
from tertulia.ports.rate_limiter import RateLimiter
from tertulia.ports.standing import Standing
from tertulia.ports.store import Credential, Store
from tertulia.roles.gateway.errors import RateLimitedError
from tertulia.roles.gateway.service import find
from tertulia.roles.gateway.settings import GatewaySettings

COOKIE: Final = "tertulia_session"


class Authenticator:
    """Finds the principal of a connection, and counts it once against its rate limit.

    `open_user` is who an open server takes unknown callers for; such a principal reaches only
    the routes that say so.
    """

    def __init__(
        self,
        store: Store,
        limiter: RateLimiter,
        settings: GatewaySettings,
        open_user: UserId | None,
        standing: Standing,
    ) -> None:
        self._store = store
        self._standing = standing
        self._limiter = limiter
        self._settings = settings
        self._open_user = open_user
        self.used: set[str] = set()
        """Credentials that were used and not noted yet."""

    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        """A live answer asks again and again: that is one request, and the credential by which
        it began is all that is looked at then."""
        principal = cast("Principal | None", connection.scope["state"].get("principal"))
        if principal is not None:
            if not await self._holds(principal):
                return None
        else:
            principal = await self._principal(connection)
            if principal is None:
                return None
            await self._limit(principal)
            connection.scope["state"]["principal"] = principal
        if principal.via != "open":
            self.used.add(principal.credential_id)
        return principal

    async def _holds(self, principal: Principal) -> bool:
        return principal.via == "open" or await self._standing.holds(principal.credential_id)

    async def _principal(self, connection: HTTPConnection) -> Principal | None:
        shown = connection.headers.get("authorization")
        if shown is not None:
            scheme, _, secret = shown.partition(" ")
            if scheme.lower() == "bearer" and secret.startswith(TOKEN_PREFIX):
                return await self._found(connection, "token", secret)
            # OpenAI clients must be given some key; an open server does not mind which.
        elif "cookie" in connection.headers and COOKIE in connection.cookies:
            principal = await self._found(connection, "session", connection.cookies[COOKIE])
            if principal is not None:
                return principal
        if self._open_user is None:
            return None
        return Principal(user_id=self._open_user, via="open", credential_id="open")

    async def _found(
        self, connection: HTTPConnection, kind: Literal["session", "token"], secret: str
    ) -> Principal | None:
        credential = await find(self._store, kind, secret)
        if credential is None:
            return None
        connection.scope["state"]["credential"] = credential
        return Principal(user_id=credential.user_id, via=kind, credential_id=credential.id)

    async def _limit(self, principal: Principal) -> None:
        limit = self._settings.requests_per_minute
        if limit is None:
            return
        key = f"requests:{principal.credential_id}"
        wait_s = await self._limiter.hit(key, limit=limit, per_s=60)
        if wait_s is not None:
            raise RateLimitedError(retry_after_s=wait_s)


def credential_of(connection: HTTPConnection) -> Credential | None:
    """By which the caller of this request signed in; None on an open server."""
    return cast("Credential | None", connection.scope["state"].get("credential"))
