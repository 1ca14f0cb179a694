"""Rename, pin, archive; choose a branch or a model; erase."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tertulia.domain.access import Principal
from tertulia.domain.conversations import Conversation
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author
from tertulia.ports.recent_turns import RecentTurns
from tertulia.ports.store import Store, Tx
from tertulia.ports.token_stream import TokenStream
from tertulia.roles.chat.service.access import access_conversation, message_of


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave it as it is (None means none)."""


KEEP: Final = Keep()
STREAMED_LATELY: Final = 20  # messages; streams are kept for minutes only


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationChange:
    """A `title` of None gives the model leave to find one."""

    title: str | Keep | None = KEEP
    model: str | Keep | None = KEEP
    pinned: bool | Keep = KEEP
    archived: bool | Keep = KEEP
    leaf_id: str | Keep = KEEP


async def get_conversation(
    store: Store, principal: Principal, conversation_id: str
) -> Conversation:
    return await store.read(
        lambda tx: access_conversation(tx, principal, conversation_id), brief=True
    )


async def change_conversation(
    store: Store, principal: Principal, conversation_id: str, change: ConversationChange
) -> Conversation:
    """Nothing is written when nothing differs."""

    def apply(tx: Tx) -> Conversation:
        old = access_conversation(tx, principal, conversation_id)
        new = old
        if not isinstance(change.title, Keep):
            new = replace(new, title=change.title, titled_by_user=change.title is not None)
        if not isinstance(change.model, Keep):
            new = replace(new, model=change.model)
        if not isinstance(change.pinned, Keep):
            new = replace(new, pinned=change.pinned)
        if not isinstance(change.archived, Keep):
            new = replace(new, archived=change.archived)
        if not isinstance(change.leaf_id, Keep):
            new = replace(new, leaf_id=message_of(tx, old, change.leaf_id).id)
        return old if new == old else tx.conversations.change(new)

    return await store.write(apply)


async def erase_conversation(
    store: Store,
    recent: RecentTurns,
    streams: TokenStream,
    principal: Principal,
    conversation_id: str,
) -> None:
    """Its key and every row are destroyed, and what is at hand of it is forgotten."""

    def erase(tx: Tx) -> tuple[ConversationId, Sequence[MessageId]]:
        conversation = access_conversation(tx, principal, conversation_id)
        leaf_id = conversation.leaf_id
        last = tx.messages.path(conversation.id, leaf_id, limit=STREAMED_LATELY) if leaf_id else ()
        tx.conversations.erase(conversation.id)
        return conversation.id, [m.id for m in last if m.author is Author.ASSISTANT]

    erased_id, reply_ids = await store.write(erase)
    await recent.forget(erased_id)
    for reply_id in reply_ids:
        await streams.forget(reply_id)
