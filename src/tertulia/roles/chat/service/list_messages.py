"""Messages of a conversation, paged both ways."""

from collections.abc import Sequence
from dataclasses import dataclass

from tertulia.domain.access import Principal
from tertulia.domain.messages import Message
from tertulia.ports.store import Store, Tx
from tertulia.roles.chat.service.access import access_conversation, access_message


@dataclass(frozen=True, slots=True)
class MessagePage:
    """By `seq`, ascending; `feed_seq` is the feed's head in the same snapshot."""

    items: Sequence[Message]
    has_before: bool
    has_after: bool
    feed_seq: int


async def list_messages(
    store: Store,
    principal: Principal,
    conversation_id: str,
    *,
    before: int | None,
    after: int | None,
    limit: int,
) -> MessagePage:
    """Those after `after`; else the last ones before `before`, or of all."""

    def look(tx: Tx) -> MessagePage:
        conversation = access_conversation(tx, principal, conversation_id)
        found = tx.messages.page(conversation.id, before=before, after=after, limit=limit + 1)
        more = len(found) > limit
        head = tx.feed.head(principal.user_id)
        if after is not None:
            older = tx.messages.page(conversation.id, before=after + 1, after=None, limit=1)
            return MessagePage(found[:limit], bool(older), more, head)
        items = found[-limit:]
        newer = before is not None and bool(
            tx.messages.page(conversation.id, before=None, after=before - 1, limit=1)
        )
        return MessagePage(items, more, newer, head)

    return await store.read(look)


async def get_message(
    store: Store, principal: Principal, conversation_id: str, message_id: str
) -> Message:
    return await store.read(
        lambda tx: access_message(tx, principal, conversation_id, message_id)[1], brief=True
    )
