"""`/openapi.json`, and `/docs`: the same as a page that needs no script and no other host."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import Response

from tertulia.adapters.http.problems import MEDIA_TYPE
from tertulia.adapters.http.reference_page import STYLE, render
from tertulia.adapters.http.rules import rule_of
from tertulia.domain.access import Rule
from tertulia.ports.http import requires

PUBLIC: Final = [requires(Rule.PUBLIC)]

SECURITY_SCHEMES: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token, `tt_…`."},
    "session": {"type": "apiKey", "in": "cookie", "name": "tertulia_session"},
}
SIGNED_IN: Final[list[Mapping[str, list[str]]]] = [{"token": []}, {"session": []}]
SECURITY: Final[Mapping[Rule, list[Mapping[str, list[str]]]]] = {
    Rule.PUBLIC: [],
    Rule.SIGNED_IN: SIGNED_IN,
    Rule.OWNER: SIGNED_IN,
    Rule.OPEN_OR_SIGNED_IN: [*SIGNED_IN, {}],
}

PROBLEM: Final = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457). `code` is stable; some codes add fields.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "description": "/problems/ and the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence for people."},
        "code": {"type": "string", "description": "For programs."},
    },
}
PROBLEM_ANSWER: Final = {
    "description": "A problem.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


Elsewhere = Callable[[], Sequence[APIRouter]]


def reference(app: FastAPI, elsewhere: Elsewhere = tuple) -> APIRouter:
    """`elsewhere`: routes that other processes answer for this one."""
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json", dependencies=PUBLIC)
    async def document() -> Response:
        return Response(
            msgspec.json.encode(described(app, elsewhere)), media_type="application/json"
        )

    @router.get("/docs", dependencies=PUBLIC)
    async def docs() -> Response:
        return Response(render(described(app, elsewhere)), media_type="text/html")

    @router.get("/docs/style.css", dependencies=PUBLIC)
    async def style() -> Response:
        return Response(STYLE, media_type="text/css")

    return router


def described(app: FastAPI, elsewhere: Elsewhere = tuple) -> dict[str, Any]:
    """The OpenAPI 3.1 document. Made once, when first asked for."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    routes = [*app.routes, *(route for router in elsewhere() for route in router.routes)]
    document = app.openapi_schema = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=routes
    )
    components = document["components"]
    components["securitySchemes"] = SECURITY_SCHEMES
    for name in ("HTTPValidationError", "ValidationError"):  # ours are problems
        components["schemas"].pop(name, None)
    components["schemas"]["Problem"] = PROBLEM
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                _complete(document["paths"][route.path_format][method.lower()], route)
    return document


def _complete(operation: dict[str, Any], route: APIRoute) -> None:
    """What FastAPI cannot know: a readable id, who may call, how errors are told."""
    operation["operationId"] = f"{route.tags[0]}_{route.name.strip('_')}"
    operation["security"] = SECURITY[rule_of(route)]
    operation["responses"].pop("422", None)
    if not hasattr(route, "answer_error"):
        operation["responses"]["default"] = PROBLEM_ANSWER
