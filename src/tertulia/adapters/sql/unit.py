"""One unit of work: every repository over one scope (ports.store.Tx)."""

from datetime import datetime
from typing import Final

from tertulia.adapters.sql.accounts import SqlAccounts, SqlCredentials
from tertulia.adapters.sql.conversations import SqlConversations
from tertulia.adapters.sql.feed import SqlFeed
from tertulia.adapters.sql.inbox import SqlInbox
from tertulia.adapters.sql.messages import SqlMessageLog
from tertulia.adapters.sql.outbox import SqlOutbox
from tertulia.adapters.sql.queue import SqlQueue
from tertulia.adapters.sql.requests import SqlRequests
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.texts import Texts
from tertulia.kit.clock import from_us


class Unit:
    """Made once per connection."""

    def __init__(self, scope: Scope) -> None:
        self.scope: Final = scope
        self.accounts: Final = SqlAccounts(scope)
        self.credentials: Final = SqlCredentials(scope)
        self.conversations: Final = SqlConversations(scope)
        self.messages: Final = SqlMessageLog(scope)
        self.requests: Final = SqlRequests(scope)
        self.feed: Final = SqlFeed(scope, self.conversations, self.messages)
        self.outbox: Final = SqlOutbox(scope)
        self.inbox: Final = SqlInbox(scope)
        self.queue: Final = SqlQueue(scope)
        self.texts: Final = Texts(scope)

    @property
    def now(self) -> datetime:
        return from_us(self.scope.now_us)
