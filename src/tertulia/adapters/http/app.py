"""The application of a process: the roles' routes between the edge's own."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from tertulia import __version__
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
    loopback: bool = True,
    page_directory: Path = DIRECTORY,
) -> ASGIApp:
    """Everything that answers, without the listener."""
    app = build_app(
        routers, authenticate=authenticate, checks=checks, page_directory=page_directory
    )
    guarded = Guard(app, loopback=loopback, max_body_bytes=settings.max_body_bytes)
    return Observer(guarded, access_log=settings.access_log)


def build_app(
    routers: Iterable[APIRouter],
    *,
    authenticate: Authenticate,
    checks: Mapping[str, ReadyCheck],
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
    for router in (*routers, probes(checks), reference(app), page(page_directory)):
        app.router.routes.extend(router.routes)
    check_rules(app.routes)
    return app
