"""`/health`, `/ready` and `/metrics`: for whoever watches over the process."""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
from fastapi import APIRouter
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from tertulia.domain.access import Rule
from tertulia.ports.http import Degraded, ReadyCheck, requires

CHECK_TIMEOUT_S: Final = 3.0  # probes of orchestrators give up after 3 to 5 s

DRAINING: Final = b'{"status":"draining","missing":{}}'
PUBLIC: Final = [requires(Rule.PUBLIC)]


def probes(checks: Mapping[str, ReadyCheck], leaving: asyncio.Event) -> APIRouter:
    """`leaving`: set when the process is about to stop; whoever sends requests then sends them
    elsewhere."""
    router = APIRouter(tags=["operation"])

    @router.get("/health", dependencies=PUBLIC, summary="Whether the process is alive")
    async def health() -> Response:
        return Response(b'{"status":"alive"}', media_type="application/json")

    @router.get(
        "/ready",
        dependencies=PUBLIC,
        summary="Whether everything that is needed works",
        responses={503: {"description": "Something is not ready; `missing` says what."}},
    )
    async def ready() -> Response:
        if leaving.is_set():
            return Response(DRAINING, 503, media_type="application/json")
        found = await _found(checks)
        missing = {name: s for name, s in found.items() if isinstance(s, str)}
        degraded = {name: s.sentence for name, s in found.items() if isinstance(s, Degraded)}
        status = "not_ready" if missing else "ready"
        document = {"status": status, "missing": missing, "degraded": degraded}
        return Response(
            msgspec.json.encode(document),
            503 if missing else 200,
            media_type="application/json",
        )

    @router.get("/metrics", dependencies=PUBLIC, summary="Prometheus metrics")
    async def metrics() -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return router


async def _found(checks: Mapping[str, ReadyCheck]) -> dict[str, str | Degraded | None]:
    found = await asyncio.gather(*(_outcome(check) for check in checks.values()))
    return dict(zip(checks, found, strict=True))


async def _outcome(check: ReadyCheck) -> str | Degraded | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check()
    except TimeoutError:
        return f"It did not answer within {CHECK_TIMEOUT_S:g} s."
