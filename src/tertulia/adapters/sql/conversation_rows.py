"""How a conversation lies in its row: a sealed title, and plain columns that the seal binds too."""

from typing import Any

from tertulia.adapters.sql.data_keys import GENERATION
from tertulia.adapters.sql.statements import Row
from tertulia.domain.conversations import Conversation, Purpose
from tertulia.domain.ids import ConversationId
from tertulia.kit.clock import from_us, to_us
from tertulia.kit.sealing import Sealer, place


def sealed_row(conversation: Conversation, sealer: Sealer) -> dict[str, Any]:
    """The columns of `conversation` but those of its key, by name, in the schema's order."""
    row: dict[str, Any] = {
        "id": conversation.id,
        "owner_id": conversation.owner_id,
        "character_id": conversation.character_id,
        "purpose": conversation.purpose,
        "titled_by_user": int(conversation.titled_by_user),
        "model": conversation.model,
        "leaf_id": conversation.leaf_id,
        "pinned": int(conversation.pinned),
        "archived": int(conversation.archived),
        "created_us": to_us(conversation.created_at),
        "updated_us": to_us(conversation.updated_at),
        "revision": conversation.revision,
    }
    title = b"-" if conversation.title is None else b"+" + conversation.title.encode()
    row["title"] = sealer.seal(title, _place(tuple(row.values())))
    return row


def opened_row(row: Row, sealer: Sealer) -> Conversation:
    """The conversation of a row of every column in the schema's order. TamperedError when
    anything in the row is not what was written."""
    title = sealer.open(row[-1], _place(row[:12]))
    return Conversation(
        id=ConversationId(row[0]),
        owner_id=row[1],
        character_id=row[2],
        purpose=Purpose(row[3]),
        title=title[1:].decode() if title.startswith(b"+") else None,
        titled_by_user=bool(row[4]),
        model=row[5],
        leaf_id=row[6],
        pinned=bool(row[7]),
        archived=bool(row[8]),
        created_at=from_us(row[9]),
        updated_at=from_us(row[10]),
        revision=row[11],
    )


def _place(columns: tuple[Any, ...]) -> bytes:
    conversation_id, owner_id, *others, revision = columns
    return place(owner_id, conversation_id, None, "title", revision, GENERATION, *others)
