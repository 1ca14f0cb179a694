"""A WebSocket to another process, passed on frame by frame."""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode

from tertulia.adapters.rpc.forwarding import EDGE, HOP_BY_HOP
from tertulia.adapters.rpc.line import Asked, Line
from tertulia.adapters.rpc.replicas import Replica, refused
from tertulia.kit.reconnecting import REASON, RESTARTING, socket_hint, spread_ms

FRAMES: Final = 16  # read ahead of a slow client, 64 KiB each at most in what chat sends
SILENT_CODES: Final = frozenset(
    {CloseCode.NO_STATUS_RCVD, CloseCode.ABNORMAL_CLOSURE, CloseCode.TLS_HANDSHAKE}
)
SECURE: Final = {"http": "ws", "https": "wss"}


class _RefusedError(Exception):
    """The other process answered the handshake with an answer of its own."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


async def converse(line: Line, asked: Asked, socket: WebSocket, leave: asyncio.Event) -> None:
    """From the handshake to the end. RoleUnavailableError before the client's handshake is
    answered, when no process takes it."""
    try:
        upstream = await _connected(line, asked)
    except _RefusedError as refusal:
        await socket.send_denial_response(refusal.answer)
        return
    try:
        await socket.accept()
        await _pass_frames(upstream, socket, leave)
    finally:
        await upstream.close()


async def _connected(line: Line, asked: Asked) -> ClientConnection:
    for replica, left_s in line.turns(await line.replicas(), asked.shown.within_s):
        try:
            return await _connect(line, asked, replica, left_s)
        except InvalidStatus as error:
            given = error.response
            headers = {
                name: value
                for name, value in given.headers.raw_items()
                if name.lower() not in HOP_BY_HOP | EDGE
            }
            answer = Response(bytes(given.body), given.status_code, headers)
            raise _RefusedError(answer) from error
        except (OSError, InvalidHandshake):
            refused(replica)
    raise line.unavailable()


async def _connect(line: Line, asked: Asked, replica: Replica, left_s: float) -> ClientConnection:
    return await connect(
        f"{SECURE[replica.scheme]}://{replica.host}{asked.target}",
        host=replica.address,
        port=replica.port,
        additional_headers=await line.headers(asked),
        user_agent_header=None,
        open_timeout=left_s,
        close_timeout=1,
        ping_interval=None,  # live answers have heartbeats of their own
        compression=None,
        max_queue=FRAMES,
        max_size=None,
        proxy=None,
    )


async def _pass_frames(upstream: ClientConnection, socket: WebSocket, leave: asyncio.Event) -> None:
    code, reason = int(CloseCode.NORMAL_CLOSURE), ""
    down = asyncio.create_task(_down(upstream, socket))
    up = asyncio.create_task(_up(upstream, socket))
    leaving = asyncio.create_task(leave.wait())
    try:
        await asyncio.wait({down, up, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if up.done():
            return
        if down.done():
            code, reason = down.result()
    finally:
        for task in (down, up, leaving):
            task.cancel()
        await asyncio.wait({down, up, leaving})
    with suppress(WebSocketDisconnect):
        if leave.is_set() or code in SILENT_CODES:
            await socket.send_text(socket_hint(spread_ms()))
            code, reason = RESTARTING, REASON
        await socket.close(code, reason)


async def _down(upstream: ClientConnection, socket: WebSocket) -> tuple[int, str]:
    """Frames to the client; the code and reason by which they end."""
    try:
        while True:
            frame = await upstream.recv()
            if isinstance(frame, str):
                await socket.send_text(frame)
            else:
                await socket.send_bytes(frame)
    except ConnectionClosed as closed:
        told = closed.rcvd
        return (told.code, told.reason) if told else (int(CloseCode.ABNORMAL_CLOSURE), "")
    except WebSocketDisconnect:
        return int(CloseCode.NORMAL_CLOSURE), ""


async def _up(upstream: ClientConnection, socket: WebSocket) -> None:
    """Frames from the client, until it leaves."""
    with suppress(ConnectionClosed):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await upstream.send(message.get("text") or message.get("bytes") or "")
    await upstream.wait_closed()
    await asyncio.Event().wait()
