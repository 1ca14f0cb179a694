"""Make a conversation, once per id."""

from dataclasses import dataclass

import msgspec

from tertulia.domain.access import Principal
from tertulia.domain.conversations import ASSISTANT, Conversation, Purpose
from tertulia.domain.ids import ConversationId, RequestId
from tertulia.ports.store import AlreadyExistsError, RequestOutcome, RequestReusedError, Store, Tx
from tertulia.roles.chat.service.access import access_conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConversation:
    """`id` is made by the client: the same id again is the same request again."""

    id: str
    title: str | None = None
    model: str | None = None


async def create_conversation(
    store: Store, principal: Principal, new: NewConversation
) -> tuple[Conversation, bool]:
    """The conversation, and whether this call made it. RequestReusedError for a known id with
    another body."""
    body = msgspec.json.encode(["conversation", new.title, new.model])

    def create(tx: Tx) -> tuple[Conversation, bool]:
        outcome = tx.requests.outcome(principal.user_id, RequestId(new.id), body)
        if outcome is not None:
            return access_conversation(tx, principal, outcome.conversation_id), False
        try:
            conversation = tx.conversations.create(_fresh(tx, principal, new))
        except AlreadyExistsError as error:
            raise RequestReusedError from error
        tx.requests.record(
            principal.user_id,
            RequestId(new.id),
            body,
            RequestOutcome(conversation_id=conversation.id, message_id=None, reply_id=None),
        )
        return conversation, True

    return await store.write(create)


def _fresh(tx: Tx, principal: Principal, new: NewConversation) -> Conversation:
    return Conversation(
        id=ConversationId(new.id),
        owner_id=principal.user_id,
        character_id=ASSISTANT.id,
        purpose=Purpose.CHAT,
        title=new.title,
        titled_by_user=new.title is not None,
        model=new.model,
        leaf_id=None,
        pinned=False,
        archived=False,
        created_at=tx.now,
        updated_at=tx.now,
        revision=1,
    )
