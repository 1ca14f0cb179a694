"""`/chat/*`: the simplest interface, with the answers and errors of its own contract."""

import asyncio
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.responses import Response

from tertulia.domain.access import Principal, Rule
from tertulia.domain.messages import Status
from tertulia.kit.errors import TertuliaError
from tertulia.ports.http import Text, requires
from tertulia.ports.store import Store
from tertulia.roles.chat.api.live import Live
from tertulia.roles.chat.api.render import json_response
from tertulia.roles.chat.errors import AnswerFailedError, AnswerLateError, RestartingError
from tertulia.roles.chat.service.follow_reply import ReplyReader
from tertulia.roles.chat.service.simple_chat import read_history, say
from tertulia.roles.chat.service.turn_limits import TurnLimits

Caller = Annotated[Principal, requires(Rule.OPEN_OR_SIGNED_IN)]

SERVER_ERROR = 500


class SimpleExchange(BaseModel):
    """What a person said and what was answered."""

    user: str
    AI: str


class SimpleMessage(BaseModel):
    message: Text


class SimpleAnswer(BaseModel):
    status: str = Field(examples=["Success"])
    response: str


class HistoryRoute(APIRoute):
    """`{"message"}`; every failure of the server is 500 with one sentence."""

    def answer_error(self, error: TertuliaError, status: int) -> Response:
        if status >= SERVER_ERROR:
            return json_response({"message": "Failed to fetch chat history."}, SERVER_ERROR)
        return json_response({"message": error.message}, status)


class MessageRoute(APIRoute):
    """`{"status": "error", "message"}`; every failure of the server is 500."""

    def answer_error(self, error: TertuliaError, status: int) -> Response:
        status = min(status, SERVER_ERROR)
        return json_response({"status": "error", "message": error.message}, status)


def history_routes(store: Store) -> APIRouter:
    router = APIRouter(prefix="/chat", tags=["simple"], route_class=HistoryRoute)

    @router.get(
        "/history",
        summary="What was said and answered, oldest first",
        description='The header `Link: <…>; rel="next"` leads to the exchanges before these.',
        response_model=list[SimpleExchange],
    )
    async def history(
        principal: Caller,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[str | None, Query(description="From the Link header.")] = None,
        conversation: Annotated[str | None, Query(description="Another one of yours.")] = None,
    ) -> Response:
        page = await read_history(
            store, principal, conversation_id=conversation, before=before, limit=limit
        )
        answer = json_response([{"user": e.message.text, "AI": e.answer} for e in page.exchanges])
        if page.before is not None:
            query = {"limit": limit, "before": page.before}
            query |= {"conversation": conversation} if conversation else {}
            answer.headers["link"] = f'</chat/history?{urlencode(query)}>; rel="next"'
        return answer

    return router


def message_routes(
    store: Store, reader: ReplyReader, limits: TurnLimits, live: Live, answer_timeout_s: float
) -> APIRouter:
    router = APIRouter(prefix="/chat", tags=["simple"], route_class=MessageRoute)

    @router.post(
        "/message",
        summary="Say something and wait for the answer",
        response_model=SimpleAnswer,
    )
    async def message(body: SimpleMessage, principal: Caller) -> Response:
        await limits.check(principal, body.message)
        answering = asyncio.ensure_future(say(store, principal, reader, body.message))
        draining = asyncio.ensure_future(live.draining.wait())
        try:
            await asyncio.wait(
                {answering, draining},
                timeout=answer_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not answering.done():
                raise RestartingError if draining.done() else AnswerLateError
            reply = answering.result()
        finally:
            answering.cancel()
            draining.cancel()
        if reply.status is not Status.COMPLETE:
            raise AnswerFailedError(reason=reply.error_code or reply.status.value)
        return json_response({"status": "Success", "response": reply.text})

    return router
