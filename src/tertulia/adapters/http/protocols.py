"""uvicorn's protocols, impatient with readers that do not read.

A transport holds back the application when its buffer is full (64 KiB), so the memory that a slow
reader takes is bounded; one that takes nothing at all for `send_timeout_s` is cut off. Closing
would wait for the buffer to be sent, so the connection is aborted.
"""

import asyncio
from typing import Any, ClassVar, cast

import structlog
from prometheus_client import Counter
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

CUT_OFF = Counter("tertulia_http_readers_cut_off", "Readers that took nothing for too long.")

log = structlog.stdlib.get_logger(__name__)


def _cut_off(transport: asyncio.Transport) -> None:
    CUT_OFF.inc()
    log.info("reader cut off", reason="it takes nothing")
    transport.abort()


class _Impatient(asyncio.Protocol):
    """Mixed into a protocol: the timer hangs on its flow control."""

    send_timeout_s: ClassVar[float] = 30.0
    transport: asyncio.Transport

    _timer: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.send_timeout_s, _cut_off, self.transport)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._end_patience()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_patience()
        super().connection_lost(exc)

    def _end_patience(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HttpProtocol(_Impatient, HttpToolsProtocol):
    """While it is idle, its client may be about to ask: that answer gives it up (Observer)."""

    idle_s: ClassVar[float] = 0.0

    def shutdown(self) -> None:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if self.idle_s and (cycle is None or cycle.response_complete):
            asyncio.get_running_loop().call_later(self.idle_s, super().shutdown)
        else:
            super().shutdown()


class WebSocketProtocol(_Impatient, WebSocketsSansIOProtocol):
    async def send(self, message: Any) -> None:
        """A handshake that was refused is complete: uvicorn would log it as an error of ours."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete |= not message.get("more_body", False)

    def shutdown(self) -> None:
        """Applications are told that the listener drains: they say when to come back, and close.
        uvicorn would close at once, before them, and answer a handshake that has begun with 500."""
        if self.close_sent:
            super().shutdown()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()
