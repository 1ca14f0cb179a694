"""Routes of the feed: everything a person can see change."""

from contextlib import aclosing
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from tertulia.domain.access import Principal, Rule
from tertulia.ports.http import requires
from tertulia.ports.signals import Signals
from tertulia.ports.store import Store
from tertulia.roles.chat.api import shapes
from tertulia.roles.chat.api.live import Event, Events, EventStream, Live, serve_socket
from tertulia.roles.chat.api.render import change_json, json_response
from tertulia.roles.chat.api.streams import ReplyEvents
from tertulia.roles.chat.errors import CursorInvalidError
from tertulia.roles.chat.service.follow_feed import feed_head, feed_page, follow_feed

SignedIn = Annotated[Principal, requires(Rule.SIGNED_IN)]
After = Annotated[
    int | None,
    Query(ge=0, le=2**53, description="Changes after this number; from now when absent."),
]


def routes(store: Store, signals: Signals, live: Live) -> APIRouter:
    router = APIRouter(tags=["feed"])

    async def events(principal: Principal, after: int | None) -> Events:
        start = await feed_head(store, principal) if after is None else after
        async with aclosing(follow_feed(store, signals, principal, start)) as pages:
            async for page in pages:
                if page.resync:
                    yield Event("resync", b'{"head":%d}' % page.head, str(page.head))
                    continue
                for change in page.changes:
                    data = msgspec.json.encode(change_json(change))
                    yield Event("change", data, str(change.seq))

    @router.get(
        "/api/feed",
        summary="Every change that you can see, as it happens",
        description="Events: `change` (its id is the number to resume after) and `resync {head}`: "
        "the cursor is not known any more, fetch everything anew and go on from `head`. The same "
        "path takes a WebSocket, whose frames are `{event, id, data}`. With `Accept: "
        "application/json`: one page.",
        response_model=shapes.FeedPage,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def follow(
        request: Request,
        principal: SignedIn,
        after: After = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        cursor = _cursor(last_event_id, after)
        if "application/json" in request.headers.get("accept", ""):
            start = await feed_head(store, principal) if cursor is None else cursor
            page = await feed_page(store, principal, start)
            items = [change_json(change) for change in page.changes]
            return json_response({"items": items, "head": page.head, "resync": page.resync})
        return EventStream(events(principal, cursor), live, ReplyEvents.check(request))

    @router.websocket("/api/feed")
    async def socket(websocket: WebSocket, principal: SignedIn, after: After = None) -> None:
        check = ReplyEvents.check(websocket)
        await serve_socket(websocket, events(principal, after), live, check)

    return router


def _cursor(last_event_id: str | None, after: int | None) -> int | None:
    if not last_event_id:
        return after
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 16):  # noqa: PLR2004  2**53 has 16 digits
        raise CursorInvalidError
    return int(last_event_id)
