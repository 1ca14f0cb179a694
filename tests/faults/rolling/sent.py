"""What a task sent last, and whether the connection had been used before."""

import re
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final

import aiohttp

IDS: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@dataclass(slots=True)
class Sent:
    """`on_kept`: over a connection that was kept open after an earlier answer. A server that closes
    it at that moment cannot know of the request, nor the client of the closing (RFC 9112, 9.5)."""

    method: str
    path: str
    on_kept: bool = False

    def __str__(self) -> str:
        way = "a kept connection" if self.on_kept else "a connection of its own"
        return f"{self.method} {IDS.sub('…', self.path)} on {way}"


LAST: Final[ContextVar[Sent | None]] = ContextVar("last", default=None)


def watching() -> aiohttp.TraceConfig:
    """For a session: whatever its requests send is noted for the task that they are in."""
    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(_on_start)
    trace.on_connection_reuseconn.append(_on_kept)
    trace.on_connection_create_end.append(_on_new)
    return trace


async def _on_start(
    _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestStartParams
) -> None:
    LAST.set(Sent(params.method, params.url.path))


async def _on_kept(*_: object) -> None:
    if sent := LAST.get():
        sent.on_kept = True


async def _on_new(*_: object) -> None:
    if sent := LAST.get():
        sent.on_kept = False
