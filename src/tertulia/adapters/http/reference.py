"""`/openapi.json`, and `/docs`: the same as a page that needs no script and no other host."""

from typing import Any, Final

import msgspec
from fastapi import APIRouter, FastAPI
from starlette.responses import Response

from tertulia.adapters.http.reference_page import render
from tertulia.domain.access import Rule
from tertulia.ports.http import requires

PUBLIC: Final = [requires(Rule.PUBLIC)]


def reference(app: FastAPI) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json", dependencies=PUBLIC)
    async def document() -> Response:
        return Response(msgspec.json.encode(described(app)), media_type="application/json")

    @router.get("/docs", dependencies=PUBLIC)
    async def docs() -> Response:
        return Response(render(described(app)), media_type="text/html")

    @router.get("/docs/style.css", dependencies=PUBLIC)
    async def style() -> Response:
        return Response(STYLE, media_type="text/css")

    return router


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document. Made once, when first asked for."""
    document = app.openapi()
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "An API token, `tt_…`."},
        "session": {"type": "apiKey", "in": "cookie", "name": "tertulia_session"},
    }
    return document


STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.9em/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid #8886; border-radius: 6px; }
details { border: 1px solid #8886; border-radius: 6px; margin: 0.5rem 0; padding: 0.5rem 0.75rem; }
summary { cursor: pointer; }
summary b { display: inline-block; min-width: 4.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.5rem; }
tr { border-top: 1px solid #8884; }
h2 { margin-top: 2.5rem; }
"""
