"""Recent turns in memory, least recently used out first."""

import sys
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from tertulia.domain.ids import ConversationId, MessageId
from tertulia.ports.recent_turns import RecentMessage

# Measured with tracemalloc on CPython 3.11 (64 bit), garbage collector's headers included; the
# texts themselves are counted by `sys.getsizeof`, which is exact: 1, 2 or 4 bytes a character.
MESSAGE_BYTES: Final = 190  # the value, its id of 36 characters, its number, its place
CONVERSATION_BYTES: Final = 300  # its id, its place in the ordered mapping, the branch


@dataclass(frozen=True, slots=True)
class _Branch:
    messages: tuple[RecentMessage, ...]
    whole: bool
    """It reaches back to the conversation's first message."""
    size_bytes: int


class MemoryRecentTurns:
    """Bounded by what the entries take in this process: for N conversations of M messages of L
    ASCII characters, 300 N + N M (190 + 49 + L) bytes; 1,000 conversations of 40 messages of
    400 characters take 26 MB."""

    def __init__(self, *, max_bytes: int, max_messages: int) -> None:
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._branches: OrderedDict[ConversationId, _Branch] = OrderedDict()
        self._size_bytes = 0

    async def get(
        self, conversation_id: ConversationId, leaf_id: MessageId
    ) -> tuple[RecentMessage, ...] | None:
        """See the port. Any message of a branch that is held whole is the end of a branch too."""
        branch = self._branches.get(conversation_id)
        if branch is None:
            return None
        found = _ending_at(branch, leaf_id)
        if found is not None:
            self._branches.move_to_end(conversation_id)
        return found

    async def put(
        self, conversation_id: ConversationId, messages: tuple[RecentMessage, ...]
    ) -> None:
        """See the port."""
        await self.forget(conversation_id)
        kept = messages[-self._max_messages :]
        whole = bool(kept) and kept[0].seq == 1
        size_bytes = CONVERSATION_BYTES + sum(
            MESSAGE_BYTES + sys.getsizeof(message.text) for message in kept
        )
        if not kept or size_bytes > self._max_bytes:
            return
        self._branches[conversation_id] = _Branch(kept, whole, size_bytes)
        self._size_bytes += size_bytes
        while self._size_bytes > self._max_bytes:
            _, evicted = self._branches.popitem(last=False)
            self._size_bytes -= evicted.size_bytes

    async def forget(self, conversation_id: ConversationId) -> None:
        """See the port."""
        branch = self._branches.pop(conversation_id, None)
        if branch is not None:
            self._size_bytes -= branch.size_bytes

    async def size_bytes(self) -> int:
        """See the port."""
        return self._size_bytes


def _ending_at(branch: _Branch, leaf_id: MessageId) -> tuple[RecentMessage, ...] | None:
    messages = branch.messages
    if messages[-1].id == leaf_id:
        return messages
    if not branch.whole:
        return None
    for index in range(len(messages) - 2, -1, -1):
        if messages[index].id == leaf_id:
            return messages[: index + 1]
    return None
