"""Client-made request ids, each with a keyed digest of its body."""

import hmac
from typing import Final

from sqlalchemy import select

from tertulia.adapters.sql.schema import requests
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.statements import Statement, given, statement
from tertulia.domain.ids import ConversationId, MessageId, RequestId, UserId
from tertulia.ports.store import AlreadyExistsError, RequestOutcome, RequestReusedError

_FIND: Final = statement(
    select(
        requests.c.digest, requests.c.conversation_id, requests.c.message_id, requests.c.reply_id
    ).where(requests.c.user_id == given("user"), requests.c.request_id == given("request"))
)
_ADD: Final = Statement(lambda insert: insert(requests).on_conflict_do_nothing())


class SqlRequests:
    """Requests (ports.store)."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._key = scope.keys.derive(b"request digest")

    def outcome(self, user_id: UserId, request_id: RequestId, body: bytes) -> RequestOutcome | None:
        if self._scope.writes:  # the same request at the same time waits for its own outcome
            self._scope.db.alone(f"request {user_id} {request_id}")
        row = self._scope.db.one(_FIND, {"user": user_id, "request": request_id})
        if row is None:
            return None
        digest, conversation_id, message_id, reply_id = row
        if not hmac.compare_digest(digest, self._digest(user_id, request_id, body)):
            raise RequestReusedError(request_id=request_id)
        return RequestOutcome(
            conversation_id=ConversationId(conversation_id),
            message_id=None if message_id is None else MessageId(message_id),
            reply_id=None if reply_id is None else MessageId(reply_id),
        )

    def record(
        self, user_id: UserId, request_id: RequestId, body: bytes, outcome: RequestOutcome
    ) -> None:
        added = self._scope.db.run(
            _ADD,
            {
                "user_id": user_id,
                "request_id": request_id,
                "digest": self._digest(user_id, request_id, body),
                "conversation_id": outcome.conversation_id,
                "message_id": outcome.message_id,
                "reply_id": outcome.reply_id,
                "at_us": self._scope.now_us,
            },
        )
        if not added:
            raise AlreadyExistsError(request_id=request_id)

    def _digest(self, user_id: UserId, request_id: RequestId, body: bytes) -> bytes:
        whose = f"{user_id} {request_id} ".encode()
        return hmac.digest(self._key, whose + body, "sha256")
