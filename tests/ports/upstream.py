"""A real OpenAI-compatible server on loopback that can behave as badly as any."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Act = Callable[["Upstream", web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class Upstream:
    """`acts` are what the next requests meet, one each; then every request meets `act`."""

    act: Act
    acts: list[Act] = field(default_factory=list[Act])
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    model_entries: Sequence[dict[str, Any]] = ({"id": "fake", "owned_by": "tests"},)
    models_status: int = 200
    model_requests: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client went away before its answer was whole."""
    resume: asyncio.Event = field(default_factory=asyncio.Event)
    """What `hold` waits for."""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        act = self.acts.pop(0) if self.acts else self.act
        self.arrived.set()
        try:
            return await act(self, request, body)
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise

    async def models(self, request: web.Request) -> web.Response:
        del request
        self.model_requests += 1
        return web.json_response(
            {"object": "list", "data": list(self.model_entries)}, status=self.models_status
        )


@asynccontextmanager
async def serving(act: Act) -> AsyncGenerator[Upstream, None]:
    upstream = Upstream(act)
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/chat/completions", upstream.chat)
    app.router.add_get("/v1/models", upstream.models)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield upstream
    finally:
        await runner.cleanup()


def event(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def delta(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return event({"object": "chat.completion.chunk", "choices": [choice]})


def usage(prompt: int, completion: int, cached: int = 0) -> bytes:
    told = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return event({"choices": [], "usage": told})


DONE = b"data: [DONE]\n\n"


def sends(*pieces: bytes, cut: bool = False) -> Act:
    """Each piece is a network write of its own. `cut`: the connection breaks off after them."""

    async def act(
        upstream: Upstream, request: web.Request, body: dict[str, Any]
    ) -> web.StreamResponse:
        del upstream, body
        response = await _begin(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        if cut and request.transport is not None:
            request.transport.abort()
        return response

    return act


def holds(*pieces: bytes, then: Sequence[bytes] = ()) -> Act:
    """Sends the pieces, then nothing until `upstream.resume` is set."""

    async def act(
        upstream: Upstream, request: web.Request, body: dict[str, Any]
    ) -> web.StreamResponse:
        del body
        response = await _begin(request)
        for piece in pieces:
            await response.write(piece)
        await upstream.resume.wait()
        for piece in then:
            await response.write(piece)
        return response

    return act


def hangs() -> Act:
    """Not even a status line comes."""

    async def act(
        upstream: Upstream, request: web.Request, body: dict[str, Any]
    ) -> web.StreamResponse:
        del request, body
        await upstream.resume.wait()
        return web.Response(status=500)

    return act


def refuses(status: int, document: object, **headers: str) -> Act:
    async def act(
        upstream: Upstream, request: web.Request, body: dict[str, Any]
    ) -> web.StreamResponse:
        del upstream, request, body
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(document, status=status, headers=names)

    return act


def answers_whole(document: object) -> Act:
    return refuses(200, document)


def repeats_the_user() -> Act:
    """A model good enough for the conformance suite: it says the last user message again, word
    by word, from where a partial answer left off, within `max_tokens` and up to `stop`."""

    async def act(
        upstream: Upstream, request: web.Request, body: dict[str, Any]
    ) -> web.StreamResponse:
        if body["model"] not in {entry["id"] for entry in upstream.model_entries}:
            return web.json_response({"error": {"code": "model_not_found"}}, status=404)
        response = await _begin(request)
        async for piece in _words(body):
            await response.write(piece)
        return response

    return act


async def _words(body: dict[str, Any]) -> AsyncIterator[bytes]:
    messages: list[dict[str, str]] = body["messages"]
    said = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    if messages[-1]["role"] == "assistant":
        said = said.removeprefix(messages[-1]["content"])
    for stop in body.get("stop", ()):
        said = said.split(stop)[0]
    words = said.split(" ")
    words = [words[0], *(f" {word}" for word in words[1:])]
    limit: int = body.get("max_tokens", len(words))
    for word in words[:limit]:
        yield delta(word)
        await asyncio.sleep(0)
    yield delta("", "length" if limit < len(words) else "stop")
    prompt = sum(len(message["content"].split()) for message in messages)
    yield usage(prompt, min(limit, len(words)))
    yield DONE


async def _begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response
