"""Routes of conversations."""

import re
from collections.abc import AsyncGenerator
from typing import Annotated, Final, Literal
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from tertulia.domain.access import Principal, Rule
from tertulia.domain.conversations import Conversation
from tertulia.domain.messages import Message
from tertulia.ports.http import requires
from tertulia.ports.recent_turns import RecentTurns
from tertulia.ports.store import Store
from tertulia.ports.token_stream import TokenStream
from tertulia.roles.chat.api import shapes
from tertulia.roles.chat.api.render import conversation_json, json_response, message_json
from tertulia.roles.chat.service.change_conversation import (
    ConversationChange,
    change_conversation,
    erase_conversation,
    get_conversation,
)
from tertulia.roles.chat.service.create_conversation import NewConversation, create_conversation
from tertulia.roles.chat.service.export_conversation import (
    Pages,
    as_markdown,
    every_message,
    shown_branch,
)
from tertulia.roles.chat.service.list_conversations import list_conversations

SignedIn = Annotated[Principal, requires(Rule.SIGNED_IN)]
Owner = Annotated[Principal, requires(Rule.OWNER)]

MEDIA_TYPES: Final = {"json": "application/json", "md": "text/markdown"}


def routes(store: Store, recent: RecentTurns, streams: TokenStream) -> APIRouter:
    router = APIRouter(prefix="/api/conversations", tags=["conversations"])

    @router.get("", summary="The conversations", response_model=shapes.Conversations)
    async def list_(
        principal: SignedIn,
        *,
        archived: bool = False,
        cursor: Annotated[str | None, Query(max_length=400)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        page = await list_conversations(
            store, principal, archived=archived, cursor=cursor, limit=limit
        )
        items = [conversation_json(conversation) for conversation in page.items]
        return json_response({"items": items, "next": page.next, "feed_seq": page.feed_seq})

    @router.post(
        "",
        status_code=201,
        summary="Make a conversation, once per id",
        response_model=shapes.Conversation,
        responses={200: {"description": "It was made before.", "model": shapes.Conversation}},
    )
    async def create(body: shapes.NewConversation, principal: SignedIn) -> Response:
        new = NewConversation(id=str(body.id), title=body.title, model=body.model)
        conversation, created = await create_conversation(store, principal, new)
        return json_response(conversation_json(conversation), 201 if created else 200)

    @router.get("/{conversation_id}", summary="One", response_model=shapes.Conversation)
    async def get(conversation_id: str, principal: Owner) -> Response:
        conversation = await get_conversation(store, principal, conversation_id)
        return json_response(conversation_json(conversation))

    @router.patch(
        "/{conversation_id}",
        summary="Rename, pin, archive; choose a model or a branch",
        response_model=shapes.Conversation,
    )
    async def change(
        conversation_id: str, body: shapes.ConversationChange, principal: Owner
    ) -> Response:
        wanted = ConversationChange(**body.model_dump(exclude_unset=True))
        conversation = await change_conversation(store, principal, conversation_id, wanted)
        return json_response(conversation_json(conversation))

    @router.delete("/{conversation_id}", status_code=204, summary="Erase it and destroy its key")
    async def erase(conversation_id: str, principal: Owner) -> Response:
        await erase_conversation(store, recent, streams, principal, conversation_id)
        return Response(status_code=204)

    @router.get(
        "/{conversation_id}/export",
        summary="All of it as JSON, or the branch that is shown as Markdown",
        response_class=Response,
        responses={200: {"content": {"application/json": {}, "text/markdown": {}}}},
    )
    async def export(
        conversation_id: str,
        principal: Owner,
        format: Literal["json", "markdown"] = "json",  # noqa: A002  the parameter's public name
    ) -> Response:
        conversation = await get_conversation(store, principal, conversation_id)
        if format == "markdown":
            branch = shown_branch(store, principal, conversation_id)
            return _attachment(conversation, "md", as_markdown(conversation, branch))
        messages = every_message(store, principal, conversation_id)
        return _attachment(conversation, "json", _as_json(conversation, messages))

    return router


def _attachment(
    conversation: Conversation, suffix: str, content: AsyncGenerator[str | bytes, None]
) -> Response:
    title = conversation.title or "conversation"
    plain = re.sub(r"[^A-Za-z0-9 _-]+", "", title).strip() or "conversation"
    named = f"filename=\"{plain}.{suffix}\"; filename*=UTF-8''{quote(f'{title}.{suffix}', safe='')}"
    headers = {"content-disposition": f"attachment; {named}", "cache-control": "no-store"}
    return StreamingResponse(content, headers=headers, media_type=MEDIA_TYPES[suffix])


async def _as_json(conversation: Conversation, pages: Pages) -> AsyncGenerator[bytes, None]:
    about = {
        "format": "tertulia-conversation",
        "version": 1,
        "conversation": conversation_json(conversation),
    }
    yield msgspec.json.encode(about)[:-1] + b',"messages":['
    begun = False
    async for page in pages:
        items = msgspec.json.encode([_exported(message) for message in page])[1:-1]
        yield b"," + items if begun else items
        begun = True
    yield b"]}"


def _exported(message: Message) -> dict[str, object]:
    """An export is a picture of the moment: also what a running reply has so far."""
    return {**message_json(message), "text": message.text}
