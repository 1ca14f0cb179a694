"""The feed: every change a user can see, numbered per user in the transaction that makes it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tertulia.domain.conversations import Conversation
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Message


class ChangeKind(StrEnum):
    CONVERSATION = "conversation"
    """A conversation was made or changed."""
    CONVERSATION_ERASED = "conversation_erased"
    """A conversation was erased, with every message of it."""
    MESSAGE = "message"
    """A message was made or changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One numbered entry. It names the thing that changed; the thing rides along in the state it
    has when the feed is read, so applying a change twice, or late, does no harm. A thing that no
    longer exists is None: a later entry says that it was erased.
    """

    seq: int
    kind: ChangeKind
    conversation_id: ConversationId
    message_id: MessageId | None
    at: datetime
    conversation: Conversation | None = None
    message: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """Changes after a cursor, oldest first. `resync`: the cursor is older than what is kept (or
    from another life of the database), so the client must fetch its state anew from `head`."""

    changes: tuple[Change, ...]
    head: int
    resync: bool
