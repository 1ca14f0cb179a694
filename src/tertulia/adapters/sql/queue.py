"""The outbox as a queue: leases, fences, retries, dead messages."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Text, and_, cast, delete, exists, func, null, or_, select, update

from tertulia.adapters.sql.schema import outbox
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.statements import Row, given, integer, statement, text
from tertulia.domain.event_bodies import known_versions
from tertulia.kit.clock import from_us, to_us
from tertulia.ports.store import DeadMessage, QueuedMessage, Settlement, TopicDepth

MICROSECOND: Final = timedelta(microseconds=1)

_o = outbox.c
_READY = _o.state == text("ready")
_NO = integer(0)
_YES = integer(1)
_earlier = outbox.alias("earlier")

_IS_FIRST = ~exists(
    select(_YES).where(
        _earlier.c.state == text("ready"),
        _earlier.c.topic == _o.topic,
        _earlier.c.key == _o.key,
        _earlier.c.position < _o.position,
    )
)
_DUE_OF_ANY_TOPIC = (
    select(
        _o.position,
        _o.id,
        _o.topic,
        _o.key,
        _o.kind,
        _o.version,
        _o.body,
        _o.fence,
        _o.attempts,
        _o.created_us,
    )
    .where(_READY, _o.due_us <= given("now"), _IS_FIRST)
    .order_by(_o.position)
    .limit(given("most"))
    .with_for_update(skip_locked=True, of=outbox)
)
_DUE_ANY: Final = statement(_DUE_OF_ANY_TOPIC)
_KIND = text("/") + _o.kind + text("/") + cast(_o.version, Text()) + text("/")
_DUE: Final = statement(
    _DUE_OF_ANY_TOPIC.where(
        _o.topic == given("of_topic"),
        or_(given("known_kinds").contains(_KIND), _o.created_us <= given("unknown_before")),
    )
)
_LEASE: Final = statement(
    update(outbox)
    .where(_o.id == given("message"))
    .values(
        leased=_YES,
        fence=_o.fence + _YES,
        attempts=_o.attempts + _YES,
        due_us=given("until"),
    )
)
_HELD = and_(_READY, _o.id == given("message"), _o.fence == given("my_fence"), _o.leased == _YES)
_EXTEND: Final = statement(update(outbox).where(_HELD).values(due_us=given("until")))
_RETRY: Final = statement(
    update(outbox)
    .where(_HELD)
    .values(
        leased=_NO,
        due_us=given("until"),
        reason=given("why"),
        attempts=_o.attempts - given("uncounted"),
    )
    .returning(_o.topic, _o.key)
)
_END: Final = statement(
    update(outbox)
    .where(_HELD)
    .values(
        leased=_NO,
        state=given("to_state"),
        settled_us=given("now"),
        reason=given("why"),
    )
    .returning(_o.topic, _o.key)
)
_WAITING: Final = statement(
    select(_YES).where(_READY, _o.topic == given("of_topic"), _o.key == given("of_key")).limit(_YES)
)
_IS_HELD = and_(_o.leased == _YES, _o.due_us > given("now"))
_DEPTHS: Final = statement(
    select(_o.topic, _IS_HELD, func.count(), func.min(_o.created_us))
    .where(_READY)
    .group_by(_o.topic, _IS_HELD)
)
_DEAD_DEPTHS: Final = statement(
    select(_o.topic, func.count()).where(_o.state == text("dead")).group_by(_o.topic)
)
_RELEASE_ALL: Final = statement(
    update(outbox)
    .where(_READY, _o.leased == _YES)
    .values(leased=_NO, fence=_o.fence + _YES, due_us=given("now"))
    .returning(_o.topic)
)
_DEAD_COLUMNS = (_o.id, _o.topic, _o.kind, _o.attempts, _o.reason, _o.settled_us)
_IS_DEAD = _o.state == text("dead")
_DEAD: Final = statement(
    select(*_DEAD_COLUMNS).where(_IS_DEAD).order_by(_o.settled_us, _o.position).limit(given("most"))
)
_DEAD_OF_TOPIC: Final = statement(
    select(*_DEAD_COLUMNS)
    .where(_IS_DEAD, _o.topic == given("of_topic"))
    .order_by(_o.settled_us, _o.position)
    .limit(given("most"))
)
_REPLAY: Final = statement(
    update(outbox)
    .where(_IS_DEAD, _o.id == given("message"))
    .values(
        state=text("ready"),
        attempts=_NO,
        due_us=given("now"),
        settled_us=null(),
    )
    .returning(_o.topic)
)
_PRUNE: Final = statement(
    delete(outbox).where(
        _o.position.in_(
            select(_o.position)
            .where(_o.state == text("done"), _o.settled_us < given("before"))
            .order_by(_o.settled_us)
            .limit(given("most"))
        )
    )
)


class SqlQueue:
    """Queue (ports.store). `due_us` of a leased row is when its lease runs out."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def take(
        self,
        topics: Sequence[str],
        *,
        limit: int,
        lease: timedelta,
        unknown_for: timedelta = timedelta(0),
    ) -> Sequence[QueuedMessage]:
        now_us = self._scope.now_us
        params: dict[str, Any] = {
            "now": now_us,
            "most": limit,
            "known_kinds": known_versions(),
            "unknown_before": now_us - unknown_for // MICROSECOND,
        }
        due: list[Row] = []
        for topic in topics:
            due += self._scope.db.all(_DUE, {**params, "of_topic": topic})
        return self._leased(sorted(due)[:limit], lease)

    def take_any(self, *, limit: int, lease: timedelta) -> Sequence[QueuedMessage]:
        rows = self._scope.db.all(_DUE_ANY, {"now": self._scope.now_us, "most": limit})
        return self._leased(rows, lease)

    def extend(self, message_id: str, fence: int, *, lease: timedelta) -> bool:
        params = {"message": message_id, "my_fence": fence, "until": self._until(lease)}
        return self._scope.db.run(_EXTEND, params) > 0

    def settle(
        self,
        message_id: str,
        fence: int,
        settlement: Settlement,
        *,
        reason: str = "",
        delay: timedelta = timedelta(0),
        counted: bool = True,
    ) -> bool:
        params: dict[str, Any] = {"message": message_id, "my_fence": fence, "why": reason}
        if settlement == "retry":
            params |= {"until": self._until(delay), "uncounted": int(not counted)}
            row = self._scope.db.one(_RETRY, params)
        else:
            params |= {"to_state": settlement, "now": self._scope.now_us}
            row = self._scope.db.one(_END, params)
        if row is None:
            return False
        topic, key = row
        if self._scope.db.one(_WAITING, {"of_topic": topic, "of_key": key}) is not None:
            self._scope.outbox_changed(topic)
        return True

    def depths(self) -> Sequence[TopicDepth]:
        waiting: dict[str, tuple[int, datetime]] = {}
        leased: dict[str, int] = {}
        for topic, held, count, oldest_us in self._scope.db.all(
            _DEPTHS, {"now": self._scope.now_us}
        ):
            if held:
                leased[topic] = count
            else:
                waiting[topic] = (count, from_us(oldest_us))
        dead = dict(self._scope.db.all(_DEAD_DEPTHS, {}))
        return [
            TopicDepth(
                topic=topic,
                waiting=waiting[topic][0] if topic in waiting else 0,
                leased=leased.get(topic, 0),
                dead=dead.get(topic, 0),
                oldest_at=waiting[topic][1] if topic in waiting else None,
            )
            for topic in sorted({*waiting, *leased, *dead})
        ]

    def release_all(self) -> int:
        return self._signalled(self._scope.db.all(_RELEASE_ALL, {"now": self._scope.now_us}))

    def dead(self, *, topic: str | None, limit: int) -> Sequence[DeadMessage]:
        if topic is None:
            rows = self._scope.db.all(_DEAD, {"most": limit})
        else:
            rows = self._scope.db.all(_DEAD_OF_TOPIC, {"of_topic": topic, "most": limit})
        return [
            DeadMessage(
                id=row[0],
                topic=row[1],
                kind=row[2],
                attempts=row[3],
                reason=row[4],
                died_at=from_us(row[5]),
            )
            for row in rows
        ]

    def replay(self, message_ids: Sequence[str]) -> int:
        revived: list[Row] = []
        for message_id in message_ids:
            params = {"message": message_id, "now": self._scope.now_us}
            revived += self._scope.db.all(_REPLAY, params)
        return self._signalled(revived)

    def prune(self, *, before: datetime, limit: int) -> int:
        return self._scope.db.run(_PRUNE, {"before": to_us(before), "most": limit})

    def _leased(self, rows: Sequence[Row], lease: timedelta) -> Sequence[QueuedMessage]:
        until_us = self._until(lease)
        for row in rows:
            self._scope.db.put(_LEASE, {"message": row[1], "until": until_us})
        return [
            QueuedMessage(
                id=row[1],
                topic=row[2],
                key=row[3],
                kind=row[4],
                version=row[5],
                body=row[6],
                fence=row[7] + 1,
                attempts=row[8] + 1,
                created_at=from_us(row[9]),
            )
            for row in rows
        ]

    def _until(self, lease: timedelta) -> int:
        """0, which every clock has passed, when there is nothing to wait for."""
        return self._scope.now_us + lease // MICROSECOND if lease else 0

    def _signalled(self, rows: list[Row]) -> int:
        for (topic,) in rows:
            self._scope.outbox_changed(topic)
        return len(rows)
