"""What the repositories of one unit of work share: connection, time, keys, effects."""

from typing import Final

from sqlalchemy import insert

from tertulia.adapters.sql.data_keys import DataKeys
from tertulia.adapters.sql.schema import feed, feed_heads
from tertulia.adapters.sql.statements import (
    Connection,
    Insert,
    Statement,
    given,
    integer,
    statement,
)
from tertulia.domain.feed import ChangeKind

_ADD = statement(insert(feed))


def _advance(insert: Insert):
    added = insert(feed_heads).values(
        user_id=given("user"), head=given("count"), dropped=integer(0)
    )
    head = feed_heads.c.head + given("count")
    return added.on_conflict_do_update(index_elements=["user_id"], set_={"head": head}).returning(
        feed_heads.c.head
    )


_ADVANCE: Final = Statement(_advance)


_Change = tuple[ChangeKind, str, str | None]


class Scope:
    """One per connection, used for one unit of work after the other."""

    __slots__ = ("_changes", "channels", "db", "erased", "keys", "now_us", "writes")

    def __init__(self, db: Connection, keys: DataKeys, *, writes: bool) -> None:
        self.db: Final = db
        self.writes: Final = writes
        self.keys: Final = keys
        self.now_us = 0
        self.channels: set[str] = set()
        self.erased = False
        self._changes: dict[tuple[str, _Change], None] = {}

    def start(self, now_us: int) -> None:
        self.now_us = now_us
        self.channels = set()
        self.erased = False
        self._changes = {}

    def changed(
        self, user_id: str, kind: ChangeKind, conversation_id: str, message_id: str | None = None
    ) -> None:
        """Note a change for the feed. The same thing changed twice in one unit of work is one
        change: a reader sees only what it came to."""
        self._changes[user_id, (kind, conversation_id, message_id)] = None

    def number_changes(self) -> None:
        """Write the noted changes into the feed, numbered in the order they were noted."""
        by_user: dict[str, list[_Change]] = {}
        for user_id, change in self._changes:
            by_user.setdefault(user_id, []).append(change)
        self._changes = {}
        for user_id, changes in sorted(by_user.items()):  # all take their locks in one order
            [(head,)] = self.db.all(_ADVANCE, {"user": user_id, "count": len(changes)})
            rows = [
                {
                    "user_id": user_id,
                    "seq": seq,
                    "kind": kind,
                    "conversation_id": conversation_id,
                    "message_id": message_id,
                    "at_us": self.now_us,
                }
                for seq, (kind, conversation_id, message_id) in enumerate(
                    changes, head - len(changes) + 1
                )
            ]
            self.db.put_many(_ADD, rows)
            self.channels.add(f"feed:{user_id}")
