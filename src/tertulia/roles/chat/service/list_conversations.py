"""List conversations, page by page."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from tertulia.domain.access import Principal
from tertulia.domain.conversations import Conversation
from tertulia.domain.ids import ConversationId
from tertulia.kit.clock import from_us, to_us
from tertulia.kit.ids import parse_id
from tertulia.ports.store import ConversationCursor, Store, Tx
from tertulia.roles.chat.errors import CursorInvalidError


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """`feed_seq` is the feed's head in the same snapshot: the page plus the later changes equal
    a fresh page."""

    items: Sequence[Conversation]
    next: str | None
    feed_seq: int


async def list_conversations(
    store: Store, principal: Principal, *, archived: bool, cursor: str | None, limit: int
) -> ConversationPage:
    """Pinned ones first, then by latest change."""
    after = None if cursor is None else _decode(cursor)

    def look(tx: Tx) -> ConversationPage:
        found = tx.conversations.page(
            principal.user_id, archived=archived, after=after, limit=limit + 1
        )
        items = found[:limit]
        more = _encode(items[-1]) if len(found) > limit else None
        return ConversationPage(items, more, tx.feed.head(principal.user_id))

    return await store.read(look)


def _encode(last: Conversation) -> str:
    place = msgspec.json.encode((last.pinned, to_us(last.updated_at), last.id))
    return base64.urlsafe_b64encode(place).rstrip(b"=").decode()


def _decode(cursor: str) -> ConversationCursor:
    try:
        place = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        pinned, us, last_id = msgspec.json.decode(place, type=tuple[bool, int, str])
        return ConversationCursor(
            pinned=pinned, updated_at=from_us(us), id=ConversationId(parse_id(last_id))
        )
    except (ValueError, OverflowError, binascii.Error) as error:
        raise CursorInvalidError from error
