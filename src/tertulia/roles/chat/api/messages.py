"""Routes of messages and turns."""

from contextlib import aclosing
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from tertulia.domain.access import Principal, Rule
from tertulia.domain.messages import Feedback
from tertulia.ports.http import requires
from tertulia.ports.store import Store
from tertulia.roles.chat.api import shapes
from tertulia.roles.chat.api.live import Event, Events, EventStream
from tertulia.roles.chat.api.render import json_response, message_json, turn_json
from tertulia.roles.chat.api.streams import ReplyEvents
from tertulia.roles.chat.service.give_feedback import give_feedback
from tertulia.roles.chat.service.list_messages import get_message, list_messages
from tertulia.roles.chat.service.request_turn import Turn, TurnRequest, request_turn
from tertulia.roles.chat.service.rewrite_reply import continue_reply, regenerate
from tertulia.roles.chat.service.stop_reply import stop_reply
from tertulia.roles.chat.service.turn_limits import TurnLimits

Owner = Annotated[Principal, requires(Rule.OWNER)]
Seq = Annotated[int | None, Query(ge=0, le=2**53)]

REPEATED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The request was made before.", "model": shapes.Turn}
}


def routes(store: Store, limits: TurnLimits, replies: ReplyEvents) -> APIRouter:
    router = APIRouter(prefix="/api/conversations/{conversation_id}", tags=["messages"])
    _reading(router, store)
    _turns(router, store, limits, replies)
    _replies(router, store, limits)
    return router


def _reading(router: APIRouter, store: Store) -> None:
    @router.get(
        "/messages",
        summary="The messages of all branches, by seq",
        description="Those after `after`; else the last ones before `before`, or of all.",
        response_model=shapes.Messages,
    )
    async def list_(
        conversation_id: str,
        principal: Owner,
        before: Seq = None,
        after: Seq = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        found = await list_messages(
            store, principal, conversation_id, before=before, after=after, limit=limit
        )
        return json_response(
            {
                "items": [message_json(message) for message in found.items],
                "has_before": found.has_before,
                "has_after": found.has_after,
                "feed_seq": found.feed_seq,
            }
        )

    @router.get("/messages/{message_id}", summary="One", response_model=shapes.Message)
    async def get(conversation_id: str, message_id: str, principal: Owner) -> Response:
        message = await get_message(store, principal, conversation_id, message_id)
        return json_response(message_json(message))


def _turns(router: APIRouter, store: Store, limits: TurnLimits, replies: ReplyEvents) -> None:
    @router.post(
        "/turns",
        status_code=201,
        summary="Say something",
        description="With `Accept: text/event-stream` the answer is a stream: `turn`, then the "
        "events of the reply's stream.",
        response_model=shapes.Turn,
        responses=REPEATED,
    )
    async def begin_turn(
        conversation_id: str, body: shapes.NewTurn, request: Request, principal: Owner
    ) -> Response:
        await limits.check(principal, body.text)
        wanted = TurnRequest(
            id=str(body.id),
            text=body.text,
            at_leaf="parent_id" not in body.model_fields_set,
            parent_id=body.parent_id,
            model=body.model,
        )
        turn = await request_turn(store, principal, conversation_id, wanted)
        status = 201 if turn.created else 200
        if "text/event-stream" not in request.headers.get("accept", ""):
            return json_response(turn_json(turn), status)
        events = _turn_events(replies, principal, turn)
        return EventStream(events, replies.live, replies.check(request), status)


async def _turn_events(replies: ReplyEvents, principal: Principal, turn: Turn) -> Events:
    yield Event("turn", msgspec.json.encode(turn_json(turn)))
    async with aclosing(replies.events(principal, turn.reply, None)) as events:
        async for event in events:
            yield event


def _replies(router: APIRouter, store: Store, limits: TurnLimits) -> None:
    @router.post(
        "/messages/{message_id}/regenerate",
        status_code=201,
        summary="Another reply to the same message",
        response_model=shapes.Turn,
        responses=REPEATED,
    )
    async def regenerate_(
        conversation_id: str, message_id: str, body: shapes.Regeneration, principal: Owner
    ) -> Response:
        await limits.check(principal)
        turn = await regenerate(
            store,
            principal,
            conversation_id,
            message_id,
            request_id=str(body.id),
            model=body.model,
        )
        return json_response(turn_json(turn), 201 if turn.created else 200)

    @router.post(
        "/messages/{message_id}/continue",
        status_code=201,
        summary="Go on with a reply that was interrupted, cancelled or failed",
        response_model=shapes.Turn,
        responses=REPEATED,
    )
    async def continue_(
        conversation_id: str, message_id: str, body: shapes.Continuation, principal: Owner
    ) -> Response:
        await limits.check(principal)
        turn = await continue_reply(store, principal, conversation_id, message_id, str(body.id))
        return json_response(turn_json(turn), 201 if turn.created else 200)

    @router.post(
        "/messages/{message_id}/stop",
        summary="Stop a reply; what it has is kept",
        response_model=shapes.Message,
    )
    async def stop(conversation_id: str, message_id: str, principal: Owner) -> Response:
        message = await stop_reply(store, principal, conversation_id, message_id)
        return json_response(message_json(message))

    @router.put(
        "/messages/{message_id}/feedback",
        summary="Say what you think of a reply",
        response_model=shapes.Message,
    )
    async def give_feedback_(
        conversation_id: str, message_id: str, body: shapes.Feedback, principal: Owner
    ) -> Response:
        verdict = Feedback(rating=body.rating, comment=body.comment)
        message = await give_feedback(store, principal, conversation_id, message_id, verdict)
        return json_response(message_json(message))

    @router.delete(
        "/messages/{message_id}/feedback",
        summary="Take the verdict back",
        response_model=shapes.Message,
    )
    async def withdraw_feedback(
        conversation_id: str, message_id: str, principal: Owner
    ) -> Response:
        message = await give_feedback(store, principal, conversation_id, message_id, None)
        return json_response(message_json(message))
