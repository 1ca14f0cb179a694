"""Another reply to the same message; more of a reply that broke off."""

from typing import Final

import msgspec

from tertulia.domain.access import Principal
from tertulia.domain.conversations import Conversation
from tertulia.domain.messages import Message, Status
from tertulia.ports.store import MessageChange, Store, Tx
from tertulia.roles.chat.errors import NotAReplyError, NotContinuableError
from tertulia.roles.chat.service.access import access_reply, message_of
from tertulia.roles.chat.service.request_turn import (
    Turn,
    append_reply,
    ask_for,
    commit_turn,
    record,
    repeated,
)

CONTINUABLE: Final = frozenset({Status.INTERRUPTED, Status.CANCELLED, Status.FAILED})


async def regenerate(
    store: Store,
    principal: Principal,
    conversation_id: str,
    message_id: str,
    *,
    request_id: str,
    model: str | None,
) -> Turn:
    """A new reply beside the one given. Idempotent by `request_id`."""
    body = msgspec.json.encode(["regenerate", conversation_id, message_id, model])

    def begin(tx: Tx) -> Turn:
        conversation, old = access_reply(tx, principal, conversation_id, message_id)
        known = repeated(tx, conversation, request_id, body)
        if known is not None:
            return known
        message = _asked(tx, conversation, old)
        reply = append_reply(tx, conversation, message, model)
        turn = Turn(message=message, reply=reply, created=True)
        return record(tx, conversation, request_id, body, turn)

    return await commit_turn(store, begin)


async def continue_reply(
    store: Store, principal: Principal, conversation_id: str, message_id: str, request_id: str
) -> Turn:
    """The next attempt at the same reply goes on from the text it has. Idempotent by
    `request_id`."""
    body = msgspec.json.encode(["continue", conversation_id, message_id])

    def begin(tx: Tx) -> Turn:
        conversation, old = access_reply(tx, principal, conversation_id, message_id)
        known = repeated(tx, conversation, request_id, body)
        if known is not None:
            return known
        if old.status not in CONTINUABLE:
            raise NotContinuableError(reply_status=old.status.value)
        message = _asked(tx, conversation, old)
        change = MessageChange(
            epoch=old.epoch,
            next_epoch=old.epoch + 1,
            status=Status.QUEUED,
            clear_error=True,
            stop_requested=False,
        )
        reply = tx.messages.change(conversation.id, old.id, change)
        ask_for(tx, conversation, message.id, reply)
        turn = Turn(message=message, reply=reply, created=True)
        return record(tx, conversation, request_id, body, turn)

    return await commit_turn(store, begin)


def _asked(tx: Tx, conversation: Conversation, reply: Message) -> Message:
    """The message that the reply answers."""
    if reply.parent_id is None:
        raise NotAReplyError
    return message_of(tx, conversation, reply.parent_id)
