"""The web page: files built into the package, held in memory."""

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tertulia.domain.access import Rule
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.http import requires

DIRECTORY: Final = Path(__file__).parents[2] / "page"

# Built files carry a hash of their content in their name: what is under it never changes.
HASHED: Final = re.compile(r".+[-.][A-Za-z0-9_-]{8,}\.\w+")
COMPRESSIBLE: Final = re.compile(r"text/.*|application/(json|manifest\+json|wasm)|image/svg.*")
INTERFACES: Final = ("api/", "v1/", "chat/")
PUBLIC: Final = [requires(Rule.PUBLIC)]
IMMUTABLE: Final = "public, max-age=31536000, immutable"

NOT_BUILT: Final = (
    "The page is not built. Build it with 'make page'; the interfaces at /docs work without it.\n"
)


class NoSuchPageError(TertuliaError):
    """There is nothing at this address."""

    code = "not_found"
    kind = Kind.NOT_FOUND


@dataclass(frozen=True)
class PageFile:
    content: bytes
    media_type: str
    immutable: bool
    etag: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self.content).hexdigest()[:32]
        object.__setattr__(self, "etag", f'"{digest}"')

    @cached_property
    def compressed(self) -> bytes | None:
        """Once, when first asked for; None where it would save nothing."""
        if not COMPRESSIBLE.fullmatch(self.media_type):
            return None
        smaller = gzip.compress(self.content, compresslevel=6, mtime=0)
        return smaller if len(smaller) < len(self.content) else None


def page(directory: Path) -> APIRouter:
    """The file, or index.html for a path without a dot, so that the page's own addresses can be
    opened and reloaded. Must come after every other route."""
    files = _load(directory)
    router = APIRouter(include_in_schema=False)

    @router.api_route("/{path:path}", methods=["GET", "HEAD"], dependencies=PUBLIC)
    async def show(path: str, request: Request) -> Response:
        if path.startswith(INTERFACES):
            raise NoSuchPageError
        found = files.get(path or "index.html")
        if found is None and "." in path.rpartition("/")[2]:
            raise NoSuchPageError
        found = found or files.get("index.html")
        if found is None:
            return Response(NOT_BUILT, 503, media_type="text/plain")
        return _file_response(found, request)

    return router


def _file_response(found: PageFile, request: Request) -> Response:
    headers = {
        "cache-control": IMMUTABLE if found.immutable else "no-cache",
        "etag": found.etag,
        "vary": "accept-encoding",
    }
    if request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    content = found.content
    if "gzip" in request.headers.get("accept-encoding", "") and found.compressed is not None:
        content = found.compressed
        headers["content-encoding"] = "gzip"
    return Response(content, headers=headers, media_type=found.media_type)


def _load(directory: Path) -> dict[str, PageFile]:
    if not directory.is_dir():
        return {}
    return {
        path.relative_to(directory).as_posix(): PageFile(
            path.read_bytes(),
            _media_type(path.name),
            immutable=path.parent != directory and HASHED.fullmatch(path.name) is not None,
        )
        for path in directory.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def _media_type(name: str) -> str:
    if name.endswith(".webmanifest"):
        return "application/manifest+json"
    guess = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return guess.replace("application/javascript", "text/javascript")
