"""Rows whose texts are, or are to be, in the history log."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Insert,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    tuple_,
    update,
)

from tertulia.adapters.sql.schema import erasures, messages
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.statements import Insert as DialectInsert
from tertulia.adapters.sql.statements import Statement, given, integer, statement, text
from tertulia.domain.messages import Status
from tertulia.ports.history import HistoryUnavailableError, TextKey

TRY_AGAIN_US: Final = 60_000_000
"""When a text is offered again that the log did not confirm."""

_m = messages.c
_e = erasures.c
_THIS = (
    _m.conversation_id == given("conversation"),
    _m.seq == given("number"),
    _m.revision == given("of_revision"),
    _m.moved.is_(None),
)

_DUE: Final = statement(
    select(_m.conversation_id, _m.seq, _m.revision, _m.due_us, _m.body)
    .where(_m.due_us <= given("now"))
    .order_by(_m.due_us)
    .limit(given("most"))
)
_MOVE: Final = statement(
    update(messages)
    .where(*_THIS)
    .values(moved=given("digest"), body=given("nothing"), due_us=null())
)
_POSTPONE: Final = statement(update(messages).where(*_THIS).values(due_us=given("until")))
_EXISTS: Final = statement(
    select(_m.seq).where(_m.conversation_id == given("conversation"), _m.seq == given("number"))
)
_ERASURES: Final = statement(
    select(_e.conversation_id, _e.last_seq, _e.due_us)
    .where(_e.due_us <= given("now"))
    .order_by(_e.due_us)
    .limit(given("most"))
)
_ERASED: Final = statement(
    delete(erasures).where(
        _e.conversation_id == given("conversation"), _e.due_us == given("was_due")
    )
)


def _note_erasure() -> Insert:
    """Before the rows go. Nothing for a conversation of which the log has never heard."""
    known = func.count(_m.moved) + func.count(_m.due_us)
    known += bindparam("logged", type_=BigInteger)
    noted = (
        select(
            bindparam("conversation", type_=Text),
            func.max(_m.seq),
            bindparam("due", type_=BigInteger),
        )
        .where(_m.conversation_id == given("conversation"))
        .having(and_(func.count(_m.seq) > integer(0), known > integer(0)))
    )
    return insert(erasures).from_select([column.name for column in _e], noted)


def _note_again(insert: DialectInsert):
    added = insert(erasures).values({column.name: given(column.name) for column in _e})
    last = case((_e.last_seq < added.excluded.last_seq, added.excluded.last_seq), else_=_e.last_seq)
    return added.on_conflict_do_update(
        index_elements=["conversation_id"],
        set_={"last_seq": last, "due_us": added.excluded.due_us},
    )


NOTE_ERASURE: Final = statement(_note_erasure())
_NOTE_AGAIN: Final = Statement(_note_again)


class TextElsewhereError(HistoryUnavailableError):
    """Older texts lie in a history log that messages.url does not name here."""

    def __init__(self, keys: Sequence[TextKey]) -> None:
        super().__init__()
        self.keys: Final = tuple(keys)


_OLDEST: Final = statement(select(func.min(_m.due_us)).where(_m.due_us <= given("now")))
_AFTER: Final = tuple_(_m.conversation_id, _m.id) > tuple_(given("conversation"), given("message"))
_KEYS: Final = statement(
    select(_m.conversation_id, _m.id, _m.seq, _m.moved)
    .where(_AFTER)
    .order_by(_m.conversation_id, _m.id)
    .limit(given("most"))
)
_FINAL: Final = [text(status) for status in Status if status.is_final]
_ENLIST: Final = statement(
    update(messages)
    .where(
        _m.conversation_id == given("conversation"),
        _m.id == given("message"),
        _m.moved.is_(None),
        or_(_m.due_us.is_(None), _m.due_us > given("now")),
        _m.status.in_(_FINAL),
    )
    .values(due_us=given("now"))
)


@dataclass(frozen=True, slots=True)
class DueText:
    """A text that is to move, as its row holds it."""

    key: TextKey
    revision: int
    due_us: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Erasure:
    """A conversation that is gone, but for its texts in the log."""

    conversation_id: str
    last_seq: int
    due_us: int


MessagePlace = tuple[str, str]
"""Ids of a conversation and of a message of it."""


@dataclass(frozen=True, slots=True)
class Walked:
    """Where one has been, and what lies in the log of that."""

    places: Sequence[MessagePlace]
    keys: Sequence[TextKey]


class Texts:
    """The rows of one unit of work."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def due(self, limit: int) -> list[DueText]:
        """Oldest first."""
        rows = self._scope.db.all(_DUE, {"now": self._scope.now_us, "most": limit})
        return [
            DueText(
                TextKey(conversation_id=conversation_id, seq=seq, digest=digest_of(body)),
                revision,
                due_us,
                bytes(body),
            )
            for conversation_id, seq, revision, due_us, body in rows
        ]

    def moved(self, text: DueText) -> bool:
        """The log has it: let go of it, unless the message was changed meanwhile. When the
        conversation was erased meanwhile, the log has something to erase again."""
        params = {**_this(text), "digest": text.key.digest, "nothing": b""}
        if self._scope.db.run(_MOVE, params):
            return True
        conversation_id, seq = text.key.conversation_id, text.key.seq
        if self._scope.db.one(_EXISTS, {"conversation": conversation_id, "number": seq}) is None:
            plan = self._scope.plan
            due_us = self._scope.now_us + (plan.erase_after_us if plan else 0)
            row = {"conversation_id": conversation_id, "last_seq": seq, "due_us": due_us}
            self._scope.db.put(_NOTE_AGAIN, row)
        return False

    def postpone(self, text: DueText) -> None:
        until = self._scope.now_us + TRY_AGAIN_US
        self._scope.db.put(_POSTPONE, {**_this(text), "until": until})

    def behind(self) -> timedelta:
        """For how long the oldest is due."""
        [(due_us,)] = self._scope.db.all(_OLDEST, {"now": self._scope.now_us})
        return (
            timedelta(0) if due_us is None else timedelta(microseconds=self._scope.now_us - due_us)
        )

    def walk(self, after: MessagePlace, limit: int) -> Walked:
        """Some messages in the order of their places, and the keys of those that were moved."""
        params = {"conversation": after[0], "message": after[1], "most": limit}
        rows = self._scope.db.all(_KEYS, params)
        keys = [
            TextKey(conversation_id=conversation_id, seq=seq, digest=bytes(moved))
            for conversation_id, _, seq, moved in rows
            if moved is not None
        ]
        return Walked([(row[0], row[1]) for row in rows], keys)

    def enlist(self, places: Sequence[MessagePlace]) -> int:
        """Make those due that are not; returns how many."""
        return sum(
            self._scope.db.run(
                _ENLIST,
                {"conversation": place[0], "message": place[1], "now": self._scope.now_us},
            )
            for place in places
        )

    def erasures(self, limit: int) -> list[Erasure]:
        rows = self._scope.db.all(_ERASURES, {"now": self._scope.now_us, "most": limit})
        return [Erasure(*row) for row in rows]

    def erased(self, erasure: Erasure) -> None:
        """Unless it was noted again meanwhile."""
        params = {"conversation": erasure.conversation_id, "was_due": erasure.due_us}
        self._scope.db.put(_ERASED, params)


def digest_of(body: bytes) -> bytes:
    """What a key calls a text by."""
    return hashlib.sha256(body).digest()


def _this(text: DueText) -> dict[str, str | int]:
    return {
        "conversation": text.key.conversation_id,
        "number": text.key.seq,
        "of_revision": text.revision,
    }
