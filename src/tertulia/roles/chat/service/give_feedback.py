"""Say what one thinks of a reply, or take it back."""

from tertulia.domain.access import Principal
from tertulia.domain.messages import Feedback, Message
from tertulia.ports.store import MessageChange, Store, Tx
from tertulia.roles.chat.service.access import access_reply


async def give_feedback(
    store: Store,
    principal: Principal,
    conversation_id: str,
    message_id: str,
    feedback: Feedback | None,
) -> Message:
    """None takes it back."""

    def give(tx: Tx) -> Message:
        conversation, reply = access_reply(tx, principal, conversation_id, message_id)
        if reply.feedback == feedback:
            return reply
        change = MessageChange(feedback=feedback, clear_feedback=feedback is None)
        return tx.messages.change(conversation.id, reply.id, change)

    return await store.write(give)
