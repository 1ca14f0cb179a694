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
        items = tx.messages.page(conversation.id, before=before, after=after, limit=limit)
        # Long messages end a page before its limit, so what lies beside it is looked for.
        edge = after + 1 if after is not None else before or 1
        first, last = (items[0].seq, items[-1].seq) if items else (edge, edge - 1)
        older = tx.messages.page(conversation.id, before=first, after=None, limit=1)
        newer: Sequence[Message] = ()
        if before is not None or after is not None:
            newer = tx.messages.page(conversation.id, before=None, after=last, limit=1)
        head = tx.feed.head(principal.user_id)
        return MessagePage(items, bool(older), bool(newer), head)

    return await store.read(look)


async def get_message(
    store: Store, principal: Principal, conversation_id: str, message_id: str
) -> Message:
    return await store.read(
        lambda tx: access_message(tx, principal, conversation_id, message_id)[1], brief=True
    )
