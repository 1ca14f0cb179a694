"""The one conversation behind `/chat/*`: say something, read the exchanges."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tertulia.domain.access import Principal
from tertulia.domain.conversations import ASSISTANT, Conversation, Purpose
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author, Message, Status
from tertulia.kit.ids import new_id
from tertulia.ports.store import PAGE_CHARACTERS, Store, Tx
from tertulia.roles.chat.errors import MessageNotFoundError
from tertulia.roles.chat.service.access import access_conversation, message_of
from tertulia.roles.chat.service.follow_reply import ReplyReader
from tertulia.roles.chat.service.request_turn import Turn, TurnRequest, begin_turn, commit_turn


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a person said and what was answered."""

    message: Message
    reply: Message | None

    @property
    def answer(self) -> str:
        """A cut or missing answer says what it is: it must not look like a whole one."""
        if self.reply is None:
            return "[not answered]"
        if self.reply.status is Status.COMPLETE:
            return self.reply.text
        text = self.reply.text if self.reply.status.is_final else ""
        return f"{text} [{self.reply.status.value}]".lstrip()


@dataclass(frozen=True, slots=True)
class History:
    """Oldest first. `before` asks for the page before this one; None when there is none."""

    exchanges: Sequence[Exchange]
    before: str | None


async def say(store: Store, principal: Principal, reader: ReplyReader, text: str) -> Message:
    """The reply, when it is final. It is written to its end, also when nobody waits any more."""

    def begin(tx: Tx) -> Turn:
        conversation = _simple(tx, principal) or tx.conversations.create(_fresh(tx, principal))
        return begin_turn(tx, conversation, TurnRequest(id=new_id(), text=text))

    turn = await commit_turn(store, begin)

    def look(tx: Tx) -> Message:
        conversation = _simple(tx, principal)
        if conversation is None:
            raise MessageNotFoundError
        return message_of(tx, conversation, turn.reply.id)

    return await reader.finished(turn.reply, look)


async def read_history(
    store: Store,
    principal: Principal,
    *,
    conversation_id: str | None,
    before: str | None,
    limit: int,
) -> History:
    """The last exchanges of the branch that is shown, or those before the message `before`."""

    def look(tx: Tx) -> History:
        if conversation_id is not None:
            conversation = access_conversation(tx, principal, conversation_id)
        else:
            conversation = _simple(tx, principal)
        if conversation is None:
            return History((), None)
        leaf = conversation.leaf_id
        if before is not None:
            leaf = message_of(tx, conversation, before).parent_id
        if leaf is None:
            return History((), None)
        exchanges = _last_exchanges(tx, conversation.id, leaf, limit)
        more = exchanges and exchanges[0].message.parent_id is not None
        return History(exchanges, exchanges[0].message.id if more else None)

    return await store.read(look)


def _last_exchanges(
    tx: Tx, conversation_id: ConversationId, leaf: MessageId, limit: int
) -> Sequence[Exchange]:
    """Fewer when they are long, but never half of one."""
    branch: list[Message] = []
    at: MessageId | None = leaf
    while at is not None and not any(message.author is Author.USER for message in branch):
        path = tx.messages.path(conversation_id, at, limit=2 * limit, characters=PAGE_CHARACTERS)
        branch[:0] = path
        at = path[0].parent_id
    return list(_exchanges(branch))[-limit:]


def _exchanges(branch: Sequence[Message]) -> Iterator[Exchange]:
    for at, message in enumerate(branch):
        if message.author is Author.USER:
            reply = branch[at + 1] if at + 1 < len(branch) else None
            yield Exchange(message, reply)


def _simple(tx: Tx, principal: Principal) -> Conversation | None:
    return tx.conversations.of_purpose(principal.user_id, Purpose.SIMPLE)


def _fresh(tx: Tx, principal: Principal) -> Conversation:
    return Conversation(
        id=ConversationId(new_id()),
        owner_id=principal.user_id,
        character_id=ASSISTANT.id,
        purpose=Purpose.SIMPLE,
        title=None,
        titled_by_user=False,
        model=None,
        leaf_id=None,
        pinned=False,
        archived=False,
        created_at=tx.now,
        updated_at=tx.now,
        revision=1,
    )
