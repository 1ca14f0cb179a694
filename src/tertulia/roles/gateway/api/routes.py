"""Routes to sign in and out, and to manage tokens."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tertulia.domain.access import Principal, Rule
from tertulia.ports.http import SignedOutError, requires
from tertulia.ports.rate_limiter import RateLimiter
from tertulia.ports.store import Account, Credential, Store
from tertulia.roles.gateway import service
from tertulia.roles.gateway.api import shapes
from tertulia.roles.gateway.api.authenticator import COOKIE, credential_of
from tertulia.roles.gateway.errors import RateLimitedError
from tertulia.roles.gateway.settings import GatewaySettings

SignedIn = Annotated[Principal, requires(Rule.SIGNED_IN)]


def routes(store: Store, limiter: RateLimiter, settings: GatewaySettings) -> APIRouter:
    router = APIRouter()
    _session_routes(router, store, limiter, settings)
    _token_routes(router, store)
    return router


def _session_routes(
    router: APIRouter, store: Store, limiter: RateLimiter, settings: GatewaySettings
) -> None:
    lifetime = timedelta(days=settings.session_days)

    @router.post(
        "/api/session",
        tags=["session"],
        dependencies=[requires(Rule.PUBLIC)],
        summary="Sign in with the token of a link; sets the session's cookie",
        response_model=shapes.Session,
    )
    async def sign_in(body: shapes.SignIn, request: Request) -> Response:
        address = request.client.host if request.client else "unknown"
        limit = settings.sign_ins_per_minute
        wait_s = await limiter.hit(f"sign_in:{address}", limit=limit, per_s=60)
        if wait_s is not None:
            raise RateLimitedError(retry_after_s=wait_s)
        session, account = await service.sign_in(store, body.token, lifetime)
        answer = _json(_session(account, "session", session.credential))
        answer.set_cookie(
            COOKIE,
            session.text,
            max_age=int(lifetime.total_seconds()),
            httponly=True,
            samesite="strict",
            secure="https" in {request.url.scheme, urlsplit(settings.public_url).scheme},
        )
        return answer

    @router.get(
        "/api/session",
        tags=["session"],
        summary="Who is signed in",
        response_model=shapes.Session,
    )
    async def get(principal: SignedIn, request: Request) -> Response:
        account = await store.read(lambda tx: tx.accounts.get(principal.user_id), brief=True)
        if account is None:
            raise SignedOutError
        return _json(_session(account, principal.via, credential_of(request)))

    @router.delete(
        "/api/session", tags=["session"], status_code=204, summary="Sign out; ends the session"
    )
    async def sign_out(principal: SignedIn) -> Response:
        if principal.via == "session":
            await service.sign_out(store, principal)
        answer = Response(status_code=204)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer


def _token_routes(router: APIRouter, store: Store) -> None:
    @router.get(
        "/api/tokens", tags=["tokens"], summary="The API tokens", response_model=shapes.Tokens
    )
    async def list_(principal: SignedIn) -> Response:
        tokens = await service.list_tokens(store, principal.user_id)
        return _json({"items": [_token(token) for token in tokens]})

    @router.post(
        "/api/tokens",
        tags=["tokens"],
        status_code=201,
        summary="Make an API token",
        response_model=shapes.NewToken,
    )
    async def create(body: shapes.TokenRequest, principal: SignedIn) -> Response:
        secret = await service.create_token(store, principal.user_id, body.name)
        return _json({**_token(secret.credential), "token": secret.text}, 201)

    @router.delete(
        "/api/tokens/{token_id}", tags=["tokens"], status_code=204, summary="Revoke an API token"
    )
    async def revoke(
        token_id: str, principal: Annotated[Principal, requires(Rule.OWNER)]
    ) -> Response:
        await service.revoke_token(store, principal.user_id, token_id)
        return Response(status_code=204)


def _session(account: Account, via: str, credential: Credential | None) -> dict[str, object]:
    return {
        "user": {"id": account.id, "name": account.name},
        "via": via,
        "expires_at": credential.expires_at if credential else None,
    }


def _token(token: Credential) -> dict[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "created_at": token.created_at,
        "last_used_at": token.last_used_at,
    }


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
