"""Recent turns: the last messages of a branch, at hand without the database."""

from dataclasses import dataclass
from typing import Protocol

from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentMessage:
    id: MessageId
    seq: int
    author: Author
    text: str


class RecentTurns(Protocol):
    """A cache, bounded by bytes over all conversations (least recently used goes first) and by
    messages per branch. Losing it costs a read of the store, nothing else: while it cannot be
    reached nothing is found and nothing is raised, and what was to be forgotten is forgotten when
    it is back, or runs out."""

    async def get(
        self, conversation_id: ConversationId, leaf_id: MessageId
    ) -> tuple[RecentMessage, ...] | None:
        """The branch that ends at `leaf_id`, oldest first; None when it is not held."""
        ...

    async def put(
        self, conversation_id: ConversationId, messages: tuple[RecentMessage, ...]
    ) -> None:
        """Hold this branch, in place of any other of the conversation."""
        ...

    async def forget(self, conversation_id: ConversationId) -> None: ...

    async def size_bytes(self) -> int:
        """What the bound is held against."""
        ...
