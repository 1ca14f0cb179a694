"""The HTTP interface as a client sees it, for tests that talk to real processes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import cycle
from typing import Any, Final, Literal

import aiohttp
import msgspec

from tests.e2e.sse import SseEvent, SseParser

TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
ENDLESS: Final = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)
FINAL: Final = frozenset({"complete", "interrupted", "failed", "cancelled"})

Transport = Literal["sse", "websocket"]


class Conversation(msgspec.Struct, frozen=True):
    id: str
    title: str | None
    model: str | None
    leaf_id: str | None
    pinned: bool
    archived: bool
    revision: int


class Message(msgspec.Struct, frozen=True):
    id: str
    conversation_id: str
    parent_id: str | None
    seq: int
    author: str
    status: str
    epoch: int
    text: str | None
    revision: int
    error_code: str | None = None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


class Turn(msgspec.Struct, frozen=True):
    message: Message
    reply: Message


class MessagePage(msgspec.Struct, frozen=True):
    items: list[Message]
    has_before: bool
    has_after: bool
    feed_seq: int


def unrepeated(http: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """One that tells of every request that broke off: by itself it sends again what does no harm,
    and a deletion, which then finds nothing."""
    http._retry_connection = False  # pyright: ignore[reportPrivateUsage]  no other way
    return http


class _Frame(msgspec.Struct, frozen=True):
    event: str
    data: msgspec.Raw = msgspec.Raw(b"{}")
    id: str | None = None


class ProblemError(Exception):
    """The server answered with an error: its status and the problem document."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status} {body[:300].decode(errors='replace')}")
        self.status = status
        self.body = body

    @property
    def code(self) -> str:
        """The stable code of the problem document; empty when there was none."""
        try:
            return str(msgspec.json.decode(self.body, type=dict[str, Any]).get("code", ""))
        except msgspec.DecodeError:
            return ""


class Api:
    """One signed-in client. Errors of the transport pass as aiohttp raises them.

    Of several `doors` each request takes the next, so that nobody comes back to where he was.
    """

    def __init__(self, http: aiohttp.ClientSession, doors: str | Sequence[str], token: str) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {token}"}
        self.doors = [doors] if isinstance(doors, str) else list(doors)
        self._token = token
        self._next = cycle(self.doors)

    def apart(self) -> "Api":
        """The same client, that goes round the doors by itself."""
        return Api(self.http, self.doors, self._token)

    @property
    def base(self) -> str:
        """Scheme, host and port of the door that comes next."""
        return next(self._next)

    async def request(self, method: str, path: str, body: object = None) -> bytes:
        """The body of a 2xx answer; ProblemError for every other."""
        content = None if body is None else msgspec.json.encode(body)
        headers = self.headers | ({"Content-Type": "application/json"} if content else {})
        async with self.http.request(
            method, self.base + path, data=content, headers=headers, timeout=TIMEOUT
        ) as answer:
            payload = await answer.read()
            if answer.status >= 300:
                raise ProblemError(answer.status, payload)
            return payload

    async def create_conversation(
        self, conversation_id: str, *, model: str | None = None, title: str | None = None
    ) -> Conversation:
        body = {"id": conversation_id, "model": model, "title": title}
        body = {name: value for name, value in body.items() if value is not None}
        payload = await self.request("POST", "/api/conversations", body)
        return msgspec.json.decode(payload, type=Conversation)

    async def erase_conversation(self, conversation_id: str) -> None:
        await self.request("DELETE", f"/api/conversations/{conversation_id}")

    async def send_turn(
        self, conversation_id: str, turn_id: str, text: str, *, model: str | None = None
    ) -> Turn:
        body = {"id": turn_id, "text": text} | ({"model": model} if model else {})
        path = f"/api/conversations/{conversation_id}/turns"
        return msgspec.json.decode(await self.request("POST", path, body), type=Turn)

    async def act(self, message: Message, action: str, body: object = None) -> bytes:
        """`regenerate`, `continue` or `stop` a message."""
        return await self.request("POST", f"{path_of(message)}/{action}", body)

    async def message(self, message: Message) -> Message:
        return msgspec.json.decode(await self.request("GET", path_of(message)), type=Message)

    async def messages(self, conversation_id: str, *, limit: int = 200) -> list[Message]:
        """Every message of a conversation, by `seq`, fetched page by page."""
        found: list[Message] = []
        after = 0
        while True:
            query = f"?after={after}&limit={limit}"
            path = f"/api/conversations/{conversation_id}/messages{query}"
            page = msgspec.json.decode(await self.request("GET", path), type=MessagePage)
            found += page.items
            if not page.has_after or not page.items:
                return found
            after = page.items[-1].seq

    async def finished(self, message: Message) -> Message:
        """The message in its final state: reads its stream to the end."""
        async with asyncio.timeout(60):
            while not message.is_final:
                async with self.stream(message) as events:
                    async for event in events:
                        if event.event == "end":
                            break
                message = await self.message(message)
        return message

    def stream(
        self, message: Message, after: str | None = None, transport: Transport = "sse"
    ) -> AbstractAsyncContextManager[AsyncGenerator[SseEvent]]:
        """The events of a reply's stream; leaving the block cuts the connection."""
        query = "" if after is None else f"?after={after}"
        return self._live(f"{path_of(message)}/stream{query}", transport)

    def feed(
        self, after: int, transport: Transport = "sse"
    ) -> AbstractAsyncContextManager[AsyncGenerator[SseEvent]]:
        """Every change after that number; leaving the block cuts the connection."""
        return self._live(f"/api/feed?after={after}", transport)

    @asynccontextmanager
    async def _live(
        self, path: str, transport: Transport
    ) -> AsyncGenerator[AsyncGenerator[SseEvent]]:
        url = self.base + path
        if transport == "websocket":
            async with self.http.ws_connect(url, headers=self.headers, max_msg_size=0) as socket:
                yield _frames(socket)
            return
        headers = self.headers | {"Accept": "text/event-stream"}
        async with self.http.get(url, headers=headers, timeout=ENDLESS) as answer:
            if answer.status != 200:
                raise ProblemError(answer.status, await answer.read())
            yield _events(answer)
            answer.close()


def path_of(message: Message) -> str:
    return f"/api/conversations/{message.conversation_id}/messages/{message.id}"


async def _events(answer: aiohttp.ClientResponse) -> AsyncGenerator[SseEvent]:
    parser = SseParser()
    async for piece in answer.content.iter_any():
        for event in parser.feed(piece):
            yield event


async def _frames(
    socket: aiohttp.ClientWebSocketResponse,
) -> AsyncGenerator[SseEvent]:
    async for received in socket:
        frame = msgspec.json.decode(received.data, type=_Frame)
        yield SseEvent(frame.event, bytes(frame.data).decode(), frame.id)
