"""Domain values as the JSON that clients see. `shapes` describes the same for OpenAPI."""

from typing import Any

import msgspec
from starlette.responses import Response

from tertulia.domain.conversations import Conversation
from tertulia.domain.feed import Change
from tertulia.domain.messages import Message
from tertulia.roles.chat.service.request_turn import Turn

Json = dict[str, Any]


def conversation_json(conversation: Conversation) -> Json:
    return {
        "id": conversation.id,
        "character_id": conversation.character_id,
        "title": conversation.title,
        "model": conversation.model,
        "leaf_id": conversation.leaf_id,
        "pinned": conversation.pinned,
        "archived": conversation.archived,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "revision": conversation.revision,
    }


def message_json(message: Message) -> Json:
    """The text of a reply that is being written lives at its stream: here it is null, so that
    state and events always agree."""
    return {
        "id": message.id,
        "conversation_id": message.conversation_id,
        "parent_id": message.parent_id,
        "seq": message.seq,
        "author": message.author,
        "status": message.status,
        "epoch": message.epoch,
        "text": message.text if message.status.is_final else None,
        "model": message.model,
        "labels": message.labels,
        "usage": message.usage,
        "context": message.context,
        "error_code": message.error_code,
        "feedback": message.feedback,
        "created_at": message.created_at,
        "updated_at": message.updated_at,
        "revision": message.revision,
    }


def turn_json(turn: Turn) -> Json:
    return {"message": message_json(turn.message), "reply": message_json(turn.reply)}


def change_json(change: Change) -> Json:
    return {
        "seq": change.seq,
        "kind": change.kind,
        "conversation_id": change.conversation_id,
        "message_id": change.message_id,
        "at": change.at,
        "conversation": conversation_json(change.conversation) if change.conversation else None,
        "message": message_json(change.message) if change.message else None,
    }


def json_response(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
