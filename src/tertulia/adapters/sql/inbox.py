"""The inbox: which consumer has accepted which message."""

from datetime import datetime
from typing import Final

from sqlalchemy import delete, select

from tertulia.adapters.sql.schema import inbox
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.statements import Statement, given, statement
from tertulia.kit.clock import to_us

_ACCEPT: Final = Statement(lambda insert: insert(inbox).on_conflict_do_nothing())
_OLD_INBOX: Final = statement(
    select(inbox.c.consumer, inbox.c.message_id)
    .where(inbox.c.at_us < given("before"))
    .order_by(inbox.c.at_us)
    .limit(given("most"))
)
_FORGET: Final = statement(
    delete(inbox).where(
        inbox.c.consumer == given("of_consumer"), inbox.c.message_id == given("message")
    )
)


class SqlInbox:
    """Inbox (ports.store)."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def accept(self, consumer: str, message_id: str) -> bool:
        row = {"consumer": consumer, "message_id": message_id, "at_us": self._scope.now_us}
        return self._scope.db.run(_ACCEPT, row) > 0

    def prune(self, *, before: datetime, limit: int) -> int:
        old = self._scope.db.all(_OLD_INBOX, {"before": to_us(before), "most": limit})
        for consumer, message_id in old:
            self._scope.db.put(_FORGET, {"of_consumer": consumer, "message": message_id})
        return len(old)
