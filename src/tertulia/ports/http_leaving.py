"""Noticing that the client of a request has left."""

import asyncio
from types import TracebackType
from typing import Final, Self

from starlette.types import Message, Receive

WATCH_AFTER_S: Final = 0.05  # quick answers then need no second task, 40 us of 300 at 1,500/s


class Leaving:
    """Cancels its block when the client of a request leaves; the block then ends quietly. The
    request's body must have been read."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task: asyncio.Task[object] | None = None
        self._watching: asyncio.Task[None] | None = None
        self.left = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        self._soon = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._begin)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        self._soon.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if not self.left or kind is not asyncio.CancelledError or self._task is None:
            return False
        return self._task.uncancel() == 0

    def _begin(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        await http_gone(self._receive)
        self.left = True
        if self._task is not None:
            self._task.cancel()


async def http_gone(receive: Receive) -> None:
    """Returns when the client of an HTTP request, whose body was read, has left."""
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()
