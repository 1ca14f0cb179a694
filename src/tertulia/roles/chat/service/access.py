"""Whose thing is it? What is not the caller's is as good as absent."""

from tertulia.domain.access import Principal, Rule, allows
from tertulia.domain.conversations import Conversation
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author, Message
from tertulia.kit.ids import parse_id
from tertulia.ports.store import Tx
from tertulia.roles.chat.errors import (
    ConversationNotFoundError,
    MessageNotFoundError,
    NotAReplyError,
)


def access_conversation(tx: Tx, principal: Principal, conversation_id: str) -> Conversation:
    """ConversationNotFoundError also for what is no id, and for a stranger's conversation."""
    try:
        conversation = tx.conversations.get(ConversationId(parse_id(conversation_id)))
    except ValueError:
        conversation = None
    if conversation is None or not allows(Rule.OWNER, principal, conversation.owner_id):
        raise ConversationNotFoundError
    return conversation


def access_message(
    tx: Tx, principal: Principal, conversation_id: str, message_id: str
) -> tuple[Conversation, Message]:
    conversation = access_conversation(tx, principal, conversation_id)
    return conversation, message_of(tx, conversation, message_id)


def access_reply(
    tx: Tx, principal: Principal, conversation_id: str, message_id: str
) -> tuple[Conversation, Message]:
    """As `access_message`; NotAReplyError for a person's message."""
    conversation, message = access_message(tx, principal, conversation_id, message_id)
    if message.author is not Author.ASSISTANT:
        raise NotAReplyError
    return conversation, message


def message_of(tx: Tx, conversation: Conversation, message_id: str) -> Message:
    try:
        message = tx.messages.get(conversation.id, MessageId(parse_id(message_id)))
    except ValueError:
        message = None
    if message is None:
        raise MessageNotFoundError
    return message
