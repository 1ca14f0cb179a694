"""The feed: reading it and dropping its old end. Scope writes it."""

from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, select, update

from tertulia.adapters.sql.conversations import SqlConversations
from tertulia.adapters.sql.messages import SqlMessageLog
from tertulia.adapters.sql.schema import feed, feed_heads
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.statements import Row, given, statement
from tertulia.adapters.sql.texts import TextElsewhereError
from tertulia.domain.conversations import Conversation
from tertulia.domain.feed import Change, ChangeKind, FeedPage
from tertulia.domain.ids import ConversationId, UserId
from tertulia.domain.messages import Message
from tertulia.kit.clock import from_us, to_us
from tertulia.ports.history import TextKey
from tertulia.ports.store import PAGE_CHARACTERS

_USER = given("user")
_HEAD: Final = statement(
    select(feed_heads.c.head, feed_heads.c.dropped).where(feed_heads.c.user_id == _USER)
)
_AFTER: Final = statement(
    select(feed.c.seq, feed.c.kind, feed.c.conversation_id, feed.c.message_id, feed.c.at_us)
    .where(feed.c.user_id == _USER, feed.c.seq > given("after"))
    .order_by(feed.c.seq)
    .limit(given("most"))
)
_USERS: Final = statement(select(feed_heads.c.user_id).order_by(feed_heads.c.user_id))
_oldest = (
    select(feed.c.seq, feed.c.at_us)
    .where(feed.c.user_id == _USER)
    .order_by(feed.c.seq)
    .limit(given("most"))
    .subquery("oldest")
)
# Numbers and times of one user grow together, so no index of times is needed.
_LAST_OLD: Final = statement(
    select(func.max(_oldest.c.seq), func.count()).where(_oldest.c.at_us < given("before"))
)
_DROP: Final = statement(delete(feed).where(feed.c.user_id == _USER, feed.c.seq <= given("upto")))
_NOTE_DROPPED: Final = statement(
    update(feed_heads)
    .where(feed_heads.c.user_id == _USER, feed_heads.c.dropped < given("upto"))
    .values(dropped=given("upto"))
)


class SqlFeed:
    """Feed (ports.store)."""

    def __init__(
        self, scope: Scope, conversations: SqlConversations, messages: SqlMessageLog
    ) -> None:
        self._scope = scope
        self._conversations = conversations
        self._messages = messages

    def read(self, user_id: UserId, *, after: int, limit: int) -> FeedPage:
        head, dropped = self._bounds(user_id)
        if not dropped <= after <= head:
            return FeedPage(changes=(), head=head, resync=True)
        rows = self._scope.db.all(_AFTER, {"user": user_id, "after": after, "most": limit})
        return FeedPage(changes=self._with_state(rows), head=head, resync=False)

    def head(self, user_id: UserId) -> int:
        return self._bounds(user_id)[0]

    def prune(self, *, before: datetime, limit: int) -> int:
        dropped = 0
        for (user_id,) in self._scope.db.all(_USERS, {}):
            params = {"user": user_id, "before": to_us(before), "most": limit - dropped}
            [(last, count)] = self._scope.db.all(_LAST_OLD, params)
            if count:
                # The row of the head first, as whoever numbers a change takes it.
                self._scope.db.put(_NOTE_DROPPED, {"user": user_id, "upto": last})
                self._scope.db.put(_DROP, {"user": user_id, "upto": last})
                dropped += count
        return dropped

    def _bounds(self, user_id: UserId) -> tuple[int, int]:
        self._scope.number_changes()
        row = self._scope.db.one(_HEAD, {"user": user_id})
        return (0, 0) if row is None else (row[0], row[1])

    def _with_state(self, rows: list[Row]) -> tuple[Change, ...]:
        conversations: dict[str, Conversation | None] = {}
        messages: dict[str, Message | None] = {}
        changes: list[Change] = []
        elsewhere: list[TextKey] = []
        held = 0
        for seq, kind, conversation_id, message_id, at_us in rows:
            if held > PAGE_CHARACTERS:
                break
            conversation: Conversation | None = None
            message: Message | None = None
            if kind == ChangeKind.CONVERSATION:
                if conversation_id not in conversations:
                    found = self._conversations.get(ConversationId(conversation_id))
                    conversations[conversation_id] = found
                conversation = conversations[conversation_id]
            elif kind == ChangeKind.MESSAGE:
                if message_id not in messages:
                    try:
                        message = self._messages.get(conversation_id, message_id)
                    except TextElsewhereError as error:
                        elsewhere += error.keys
                    messages[message_id] = message
                    held += len(message.text) if message else 0
                message = messages[message_id]
            changes.append(
                Change(
                    seq=seq,
                    kind=ChangeKind(kind),
                    conversation_id=conversation_id,
                    message_id=message_id,
                    at=from_us(at_us),
                    conversation=conversation,
                    message=message,
                )
            )
        if elsewhere:
            raise TextElsewhereError(elsewhere)
        return tuple(changes)
