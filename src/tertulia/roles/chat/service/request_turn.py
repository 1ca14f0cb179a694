"""A turn: a person's message and the reply to it."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from tertulia.domain.access import Principal
from tertulia.domain.conversations import Conversation
from tertulia.domain.events import TURNS, TurnRequested
from tertulia.domain.ids import MessageId, RequestId
from tertulia.domain.messages import Author, Message, Status
from tertulia.kit.crash_points import crash_point
from tertulia.kit.ids import new_id
from tertulia.ports.store import NewMessage, RequestOutcome, Store, Tx
from tertulia.roles.chat.errors import MessageNotFoundError, ParentInvalidError
from tertulia.roles.chat.service.access import access_conversation, message_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """`id` is made by the client. `parent_id` None begins a new branch at the root; it counts
    only when `at_leaf` is false, else the message follows the branch that is shown."""

    id: str
    text: str
    at_leaf: bool = True
    parent_id: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """`created`: this call made it, it is not a repeated request."""

    message: Message
    reply: Message
    created: bool


async def request_turn(
    store: Store, principal: Principal, conversation_id: str, request: TurnRequest
) -> Turn:
    """Message, reply, feed and event in one unit of work. A repeated request gives the same
    answer; the same id with another body is RequestReusedError."""

    def begin(tx: Tx) -> Turn:
        conversation = access_conversation(tx, principal, conversation_id)
        return begin_turn(tx, conversation, request)

    return await commit_turn(store, begin)


async def commit_turn(store: Store, begin: Callable[[Tx], Turn]) -> Turn:
    """Run a unit of work that makes a turn."""
    crash_point("chat.before_turn_commit")
    turn = await store.write(begin)
    crash_point("chat.after_turn_commit")
    return turn


def begin_turn(tx: Tx, conversation: Conversation, request: TurnRequest) -> Turn:
    """In a conversation that the caller may write to."""
    place = ["leaf"] if request.at_leaf else ["at", request.parent_id]
    body = msgspec.json.encode(["turn", conversation.id, request.text, place, request.model])
    known = repeated(tx, conversation, request.id, body)
    if known is not None:
        return known
    message = tx.messages.append(
        NewMessage(
            id=MessageId(new_id()),
            conversation_id=conversation.id,
            parent_id=_parent(tx, conversation, request),
            author=Author.USER,
            status=Status.COMPLETE,
            text=request.text,
        )
    )
    reply = append_reply(tx, conversation, message, request.model)
    turn = Turn(message=message, reply=reply, created=True)
    return record(tx, conversation, request.id, body, turn)


def append_reply(
    tx: Tx, conversation: Conversation, message: Message, model: str | None
) -> Message:
    """A new empty reply to `message`: the leaf now, and asked for."""
    reply = tx.messages.append(
        NewMessage(
            id=MessageId(new_id()),
            conversation_id=conversation.id,
            parent_id=message.id,
            author=Author.ASSISTANT,
            status=Status.QUEUED,
            text="",
            model=model or conversation.model,
        )
    )
    tx.conversations.touch(conversation.id, reply.id)
    ask_for(tx, conversation, message.id, reply)
    return reply


def ask_for(tx: Tx, conversation: Conversation, message_id: MessageId, reply: Message) -> None:
    """Events of a conversation keep their order: its replies are written one after another."""
    event = TurnRequested(
        conversation_id=conversation.id,
        message_id=message_id,
        reply_id=reply.id,
        epoch=reply.epoch,
    )
    tx.outbox.add(TURNS, conversation.id, event)


def repeated(tx: Tx, conversation: Conversation, request_id: str, body: bytes) -> Turn | None:
    """What the same request led to before, in its present state."""
    outcome = tx.requests.outcome(conversation.owner_id, RequestId(request_id), body)
    if outcome is None or outcome.message_id is None or outcome.reply_id is None:
        return None
    message = tx.messages.get(conversation.id, outcome.message_id)
    reply = tx.messages.get(conversation.id, outcome.reply_id)
    if message is None or reply is None:
        raise MessageNotFoundError
    return Turn(message=message, reply=reply, created=False)


def record(tx: Tx, conversation: Conversation, request_id: str, body: bytes, turn: Turn) -> Turn:
    """Remember what the request led to."""
    outcome = RequestOutcome(
        conversation_id=conversation.id, message_id=turn.message.id, reply_id=turn.reply.id
    )
    tx.requests.record(conversation.owner_id, RequestId(request_id), body, outcome)
    return turn


def _parent(tx: Tx, conversation: Conversation, request: TurnRequest) -> MessageId | None:
    if request.at_leaf:
        return conversation.leaf_id
    if request.parent_id is None:
        return None
    parent = message_of(tx, conversation, request.parent_id)
    if parent.author is not Author.ASSISTANT:
        raise ParentInvalidError
    return parent.id
