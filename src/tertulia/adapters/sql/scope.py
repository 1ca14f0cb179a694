"""What the repositories of one unit of work share: connection, time, keys, effects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, Text, bindparam, insert, select
from sqlalchemy import Insert as Insertion

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
from tertulia.ports.history import TextKey


def _advance(insert: Insert):
    added = insert(feed_heads).values(
        user_id=given("user"), head=given("count"), dropped=integer(0)
    )
    head = feed_heads.c.head + given("count")
    return added.on_conflict_do_update(index_elements=["user_id"], set_={"head": head})


def _number() -> Insertion:
    """The number comes from the head's row, which is ours until the commit, so nothing of it has
    to be known here: on a server it all travels with the commit, and the row is held for less."""
    values = [
        feed_heads.c.user_id,
        feed_heads.c.head - bindparam("before_head", type_=BigInteger),
        *(bindparam(name, type_=Text) for name in ("kind", "conversation", "message")),
        bindparam("now", type_=BigInteger),
    ]
    numbered = select(*values).where(feed_heads.c.user_id == given("user"))
    return insert(feed).from_select([column.name for column in feed.c], numbered)


_ADVANCE: Final = Statement(_advance)
_ADD: Final = statement(_number())


_Change = tuple[ChangeKind, str, str | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """When texts move to the history log, and leave it, after their unit of work."""

    move_after_us: int
    erase_after_us: int


class Scope:
    """One per connection, used for one unit of work after the other."""

    __slots__ = (
        "_changes",
        "channels",
        "db",
        "erased",
        "keys",
        "now_us",
        "plan",
        "texts",
        "writes",
    )

    def __init__(self, db: Connection, keys: DataKeys, *, writes: bool) -> None:
        self.db: Final = db
        self.writes: Final = writes
        self.keys: Final = keys
        self.now_us = 0
        self.channels: set[str] = set()
        self.erased = False
        self.plan: Plan | None = None
        self.texts: Mapping[TextKey, bytes] = {}
        self._changes: dict[tuple[str, _Change], None] = {}

    def start(self, now_us: int) -> None:
        self.now_us = now_us
        self.plan = None
        self.texts = {}
        self.channels = set()
        self.erased = False
        self._changes = {}

    def changed(
        self, user_id: str, kind: ChangeKind, conversation_id: str, message_id: str | None = None
    ) -> None:
        """Note a change for the feed. The same thing changed twice in one unit of work is one
        change: a reader sees only what it came to."""
        self._changes[user_id, (kind, conversation_id, message_id)] = None

    def outbox_changed(self, topic: str) -> None:
        """Note that a message of the topic may be due, for its consumer and for the relay."""
        self.channels.update(("outbox", f"outbox:{topic}"))

    def number_changes(self) -> None:
        """Write the noted changes into the feed, numbered in the order they were noted."""
        by_user: dict[str, list[_Change]] = {}
        for user_id, change in self._changes:
            by_user.setdefault(user_id, []).append(change)
        self._changes = {}
        for user_id, changes in sorted(by_user.items()):  # all take their locks in one order
            self.db.put(_ADVANCE, {"user": user_id, "count": len(changes)})
            rows = [
                {
                    "user": user_id,
                    "before_head": len(changes) - number,
                    "kind": kind,
                    "conversation": conversation_id,
                    "message": message_id,
                    "now": self.now_us,
                }
                for number, (kind, conversation_id, message_id) in enumerate(changes, 1)
            ]
            self.db.put_many(_ADD, rows)
            self.channels.add(f"feed:{user_id}")
