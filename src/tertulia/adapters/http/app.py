"""The application of a process: the roles' routes between the edge's own."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from tertulia import __version__
from tertulia.adapters.http.door import Door
from tertulia.adapters.http.exposure import Exposure
from tertulia.adapters.http.guard import Guard
from tertulia.adapters.http.observing import Observer
from tertulia.adapters.http.page import DIRECTORY, page
from tertulia.adapters.http.probes import probes
from tertulia.adapters.http.problems import (
    on_http_exception,
    on_surprise,
    on_tertulia_error,
    on_validation_error,
)
from tertulia.adapters.http.reference import reference
from tertulia.adapters.http.rules import check_rules
from tertulia.adapters.http.settings import HttpSettings
from tertulia.kit.errors import TertuliaError
from tertulia.ports.http import Authenticate, ReadyCheck

ALONE: Final = Exposure()

DESCRIPTION = (
    "A chat platform that people host themselves. Programs send `Authorization: Bearer tt_…` "
    "(`tertulia token create`); errors are problem documents (RFC 9457) with a stable `code`."
)


def build_edge(
    routers: Iterable[APIRouter],
    *,
    authenticate: Authenticate,
    checks: Mapping[str, ReadyCheck],
    settings: HttpSettings,
    exposure: Exposure = ALONE,
    leaving: asyncio.Event | None = None,
    loopback: bool = True,
    page_directory: Path = DIRECTORY,
) -> ASGIApp:
    """Everything that answers, without the listener. `leaving`: set when the process is about to
    stop, and no longer ready."""
    leaving = leaving or asyncio.Event()
    app: ASGIApp = build_app(
        routers,
        authenticate=authenticate,
        checks=checks,
        exposure=exposure,
        leaving=leaving,
        page_directory=page_directory,
    )
    if exposure.passes is not None:
        app = Door(app, exposure.passes)
    limits = Guard(
        app, edge=exposure.edge, loopback=loopback, max_body_bytes=settings.max_body_bytes
    )
    return Observer(limits, edge=exposure.edge, access_log=settings.access_log, leaving=leaving)


def build_app(
    routers: Iterable[APIRouter],
    *,
    authenticate: Authenticate,
    checks: Mapping[str, ReadyCheck],
    exposure: Exposure = ALONE,
    leaving: asyncio.Event | None = None,
    page_directory: Path = DIRECTORY,
) -> FastAPI:
    """Routes match in the order of the routers; those of the roles before the edge's own.

    RuleMissingError for a route that does not say who may call it.
    """
    app = FastAPI(
        title="Tertulia",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # It would look at the environment for each request; the observer counts already.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.authenticate = authenticate
    app.add_exception_handler(TertuliaError, on_tertulia_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(WebSocketRequestValidationError, on_validation_error)
    app.add_exception_handler(Exception, on_surprise)
    # Side by side in one list: matching through included routers costs twice as much.
    own = [probes(checks, leaving or asyncio.Event())]
    if exposure.edge:
        own += [reference(app, exposure.elsewhere), page(page_directory)]
    for router in (*routers, *own):
        app.router.routes.extend(router.routes)
    check_rules(app.routes)
    return app
