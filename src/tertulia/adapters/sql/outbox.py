"""The outbox: events leave by the transaction that caused them."""

from typing import Final

from sqlalchemy import insert

from tertulia.adapters.sql.schema import outbox
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.statements import given, statement
from tertulia.domain.event_bodies import encoded
from tertulia.domain.events import Event
from tertulia.kit.ids import new_id

_o = outbox.c

_ADD: Final = statement(
    insert(outbox).values({c.name: given(c.name) for c in _o if c is not _o.position})
)


class SqlOutbox:
    """Outbox (ports.store)."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def add(self, topic: str, key: str, event: Event) -> str:
        message_id = new_id()
        # Positions are given out in the order in which what they number is committed.
        self._scope.db.alone(f"outbox {topic} {key}")
        self._scope.db.put(
            _ADD,
            {
                "id": message_id,
                "topic": topic,
                "key": key,
                "kind": event.kind,
                "version": event.version,
                "body": encoded(event),
                "state": "ready",
                "leased": 0,
                "fence": 0,
                "attempts": 0,
                "due_us": 0,  # at once, also by the clock of a process that is a little slow
                "reason": "",
                "created_us": self._scope.now_us,
                "settled_us": None,
            },
        )
        self._scope.outbox_changed(topic)
        return message_id
