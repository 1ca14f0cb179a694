"""Routes of streams: a reply's text, over server-sent events or a WebSocket."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, assert_never

import msgspec
from fastapi import APIRouter, Header, Query
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from tertulia.domain.access import Principal, Rule
from tertulia.domain.messages import Message
from tertulia.domain.streams import Delta, Position, Reset, Waiting
from tertulia.ports.http import SignedOutError, caller, requires
from tertulia.ports.store import Store, Tx
from tertulia.roles.chat.api.live import Event, Events, EventStream, Live, serve_socket
from tertulia.roles.chat.api.render import message_json
from tertulia.roles.chat.errors import CursorInvalidError
from tertulia.roles.chat.service.access import access_message
from tertulia.roles.chat.service.follow_reply import Ended, ReplyReader, Step
from tertulia.roles.chat.service.list_messages import get_message

Owner = Annotated[Principal, requires(Rule.OWNER)]
After = Annotated[str | None, Query(description="Resume after this position, `<epoch>-<offset>`.")]
LastEventId = Annotated[str | None, Header(description="The same, as browsers send it.")]

PATH = "/api/conversations/{conversation_id}/messages/{message_id}/stream"


@dataclass(frozen=True, slots=True)
class ReplyEvents:
    """The events of a reply's stream, for whoever may read it."""

    reader: ReplyReader
    live: Live

    async def events(
        self, principal: Principal, message: Message, after: Position | None
    ) -> Events:
        def look(tx: Tx) -> Message:
            return access_message(tx, principal, message.conversation_id, message.id)[1]

        async with aclosing(self.reader.follow(message, after, look)) as steps:
            async for step in steps:
                yield event_of(step)

    @staticmethod
    def check(connection: HTTPConnection) -> Callable[[], Awaitable[None]]:
        """Asks before each event whether the caller's credential still holds."""

        async def check() -> None:
            if await caller(connection) is None:
                raise SignedOutError

        return check


def routes(store: Store, replies: ReplyEvents) -> APIRouter:
    router = APIRouter(tags=["streams"])

    @router.get(
        PATH,
        summary="A reply as it is written, from any position",
        description="Events: `waiting {ahead}`, `delta {text}`, `reset {text}` (replace what you "
        "hold), `end {status, message}`. The id of an event is the position after it. The same "
        "path takes a WebSocket, whose frames are `{event, id, data}`.",
        response_class=EventStream,
    )
    async def reply(
        conversation_id: str,
        message_id: str,
        request: Request,
        principal: Owner,
        after: After = None,
        last_event_id: LastEventId = None,
    ) -> Response:
        position = _position(last_event_id or after)
        message = await get_message(store, principal, conversation_id, message_id)
        events = replies.events(principal, message, position)
        return EventStream(events, replies.live, replies.check(request))

    @router.websocket(PATH)
    async def socket(
        conversation_id: str,
        message_id: str,
        websocket: WebSocket,
        principal: Owner,
        after: After = None,
    ) -> None:
        position = _position(after)
        message = await get_message(store, principal, conversation_id, message_id)
        events = replies.events(principal, message, position)
        await serve_socket(websocket, events, replies.live, replies.check(websocket))

    return router


def event_of(step: Step) -> Event:
    match step:
        case Delta(at, text):
            return Event("delta", msgspec.json.encode({"text": text}), str(at))
        case Reset(at, text):
            return Event("reset", msgspec.json.encode({"text": text}), str(at))
        case Waiting(ahead):
            return Event("waiting", b'{"ahead":%d}' % ahead)
        case Ended(at, message):
            document = {"status": message.status, "message": message_json(message)}
            return Event("end", msgspec.json.encode(document), str(at))
        case _:
            assert_never(step)


def _position(text: str | None) -> Position | None:
    if not text:
        return None
    try:
        return Position.parse(text)
    except ValueError as error:
        raise CursorInvalidError from error
