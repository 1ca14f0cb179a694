"""The history: one row a message, its text sealed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import and_, exists, func, select, update

from tertulia.adapters.sql.checkpoints import Checkpoints
from tertulia.adapters.sql.message_rows import opened_row, sealed_row
from tertulia.adapters.sql.schema import conversations, messages
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.statements import Row, Statement, given, integer, statement
from tertulia.adapters.sql.texts import TextElsewhereError
from tertulia.domain.feed import ChangeKind
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Message, Status
from tertulia.kit.clock import from_us
from tertulia.kit.sealing import Sealer
from tertulia.ports.history import TextKey
from tertulia.ports.store import (
    ANY_LENGTH,
    PAGE_CHARACTERS,
    AlreadyExistsError,
    MessageChange,
    MissingError,
    NewMessage,
    StaleEpochError,
)

_m = messages.c
_c = conversations.c
_COLUMNS = tuple(messages.c)
_CONVERSATION = given("conversation")
_THIS = (_m.conversation_id == _CONVERSATION, _m.id == given("message"))
_KEY = (_c.owner_id, _c.key_version, _c.wrapped_key)
_KEYED = messages.join(conversations, _c.id == _m.conversation_id)
_STATUS: Final = _COLUMNS.index(_m.status)
_CHARACTERS: Final = _COLUMNS.index(_m.characters)
_BODY: Final = _COLUMNS.index(_m.body)
_MOVED: Final = _COLUMNS.index(_m.moved)
_WIDTH: Final = len(_COLUMNS)

_HOLD_CONVERSATION = statement(select(*_KEY).where(_c.id == _CONVERSATION).with_for_update())
_parent = messages.alias("parent")
# After the lock, so that nobody else's number is missed: messages are never removed singly.
_LAST_SEQ_AND_PARENT = statement(
    select(
        func.coalesce(func.max(_m.seq), integer(0)),
        exists(
            select(integer(1)).where(
                _parent.c.conversation_id == _CONVERSATION, _parent.c.id == given("parent")
            )
        ),
    ).where(_m.conversation_id == _CONVERSATION)
)
_ADD = Statement(lambda insert: insert(messages).on_conflict_do_nothing())
_GET = statement(select(*_COLUMNS, *_KEY).select_from(_KEYED).where(*_THIS))
_HOLD = statement(
    select(*_COLUMNS, *_KEY).select_from(_KEYED).where(*_THIS).with_for_update(of=messages)
)
_STATE_OF_THIS = (
    select(_m.status, _m.epoch, _m.stop_requested, _m.characters, *_KEY)
    .select_from(_KEYED)
    .where(*_THIS)
)
_STATE = statement(_STATE_OF_THIS)
_HOLD_STATE = statement(_STATE_OF_THIS.with_for_update(of=messages))
_PAGE = select(*_COLUMNS, *_KEY).select_from(_KEYED).where(_m.conversation_id == _CONVERSATION)
_AFTER = statement(_PAGE.where(_m.seq > given("after")).order_by(_m.seq).limit(given("most")))
_BEFORE = statement(
    _PAGE.where(_m.seq < given("before")).order_by(_m.seq.desc()).limit(given("most"))
)
_LAST = statement(_PAGE.order_by(_m.seq.desc()).limit(given("most")))
_SIZES = select(_m.characters).where(_m.conversation_id == _CONVERSATION)
_SIZES_AFTER = statement(
    _SIZES.where(_m.seq > given("after")).order_by(_m.seq).limit(given("most"))
)
_SIZES_BEFORE = statement(
    _SIZES.where(_m.seq < given("before")).order_by(_m.seq.desc()).limit(given("most"))
)
_SIZES_LAST = statement(_SIZES.order_by(_m.seq.desc()).limit(given("most")))


def _path() -> Statement:
    """Walks up from the leaf by primary key. The branch carries the conversation along, so that
    it is what messages are looked up for, never a filter over the whole conversation."""
    leaf = (
        select(
            _m.conversation_id,
            _m.id,
            _m.parent_id,
            integer(1).label("depth"),
            _m.characters.label("held"),
        )
        .where(*_THIS)
        .cte("branch", recursive=True)
    )
    branch = leaf.union_all(
        select(
            _m.conversation_id,
            _m.id,
            _m.parent_id,
            leaf.c.depth + integer(1),
            leaf.c.held + _m.characters,
        ).where(
            _m.conversation_id == leaf.c.conversation_id,
            _m.id == leaf.c.parent_id,
            leaf.c.depth < given("most"),
            leaf.c.held <= given("characters"),
        )
    )
    on = and_(_m.conversation_id == branch.c.conversation_id, _m.id == branch.c.id)
    joined = branch.join(messages, on).join(conversations, _c.id == _m.conversation_id)
    return statement(select(*_COLUMNS, *_KEY).select_from(joined).order_by(branch.c.depth.desc()))


_PATH = _path()
_MUTABLE = (
    "status epoch model error_code stop_requested updated_us revision characters body moved due_us"
)
_CHANGE = statement(
    update(messages).where(*_THIS).values({name: given(name) for name in _MUTABLE.split()})
)


class SqlMessageLog:
    """MessageLog (ports.store)."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def append(self, message: NewMessage) -> Message:
        cid, parent_id = message.conversation_id, message.parent_id
        held = self._scope.db.one(_HOLD_CONVERSATION, {"conversation": cid})
        if held is None:
            raise MissingError(conversation_id=cid)
        params = {"conversation": cid, "parent": parent_id}
        [(last_seq, has_parent)] = self._scope.db.all(_LAST_SEQ_AND_PARENT, params)
        if parent_id is not None and not has_parent:
            raise MissingError(message_id=parent_id)
        at = from_us(self._scope.now_us)
        made = Message(
            id=message.id,
            conversation_id=cid,
            parent_id=parent_id,
            seq=last_seq + 1,
            author=message.author,
            status=message.status,
            epoch=1,
            text=message.text,
            model=message.model,
            created_at=at,
            updated_at=at,
            revision=1,
        )
        owner_id, key_version, wrapped = held
        sealer = self._scope.keys.sealer(owner_id, cid, key_version, wrapped)
        if not self._scope.db.run(_ADD, self._sealed(made, owner_id, sealer)):
            raise AlreadyExistsError(message_id=message.id)
        self._changed(owner_id, made)
        return made

    def get(self, conversation_id: ConversationId, message_id: MessageId) -> Message | None:
        get = _HOLD if self._scope.writes else _GET
        row = self._scope.db.one(get, {"conversation": conversation_id, "message": message_id})
        return None if row is None else self._opened([row])[0]

    def page(
        self,
        conversation_id: ConversationId,
        *,
        before: int | None,
        after: int | None,
        limit: int,
    ) -> Sequence[Message]:
        db, params = self._scope.db, {"conversation": conversation_id, "most": limit}
        if after is not None:
            sizes, rows, params = _SIZES_AFTER, _AFTER, {**params, "after": after}
        elif before is not None:
            sizes, rows, params = _SIZES_BEFORE, _BEFORE, {**params, "before": before}
        else:
            sizes, rows = _SIZES_LAST, _LAST
        # Numbers first, so that no long body is even read beyond the page's end.
        most = _fitting(size for (size,) in db.all(sizes, params))
        page = self._opened(db.all(rows, {**params, "most": most}))
        return page if after is not None else page[::-1]

    def path(
        self,
        conversation_id: ConversationId,
        leaf_id: MessageId,
        *,
        limit: int,
        characters: int = ANY_LENGTH,
    ) -> Sequence[Message]:
        params = {
            "conversation": conversation_id,
            "message": leaf_id,
            "most": limit,
            "characters": characters,
        }
        return self._opened(self._scope.db.all(_PATH, params))

    def checkpoint(
        self,
        conversation_id: ConversationId,
        reply_id: MessageId,
        *,
        epoch: int,
        offset: int,
        text: str,
    ) -> bool:
        state = _HOLD_STATE if self._scope.writes else _STATE
        row = self._scope.db.one(state, {"conversation": conversation_id, "message": reply_id})
        if row is None:
            raise MissingError(message_id=reply_id)
        status, current_epoch, stop_requested, kept, owner_id, key_version, wrapped = row
        if current_epoch != epoch or Status(status).is_final:
            raise StaleEpochError(message_id=reply_id, epoch=current_epoch)
        pieces = Checkpoints(self._scope, owner_id, conversation_id, reply_id)
        end = pieces.end(kept)
        if offset > end:
            msg = f"a checkpoint at character {offset} of a reply of {end}"
            raise ValueError(msg)
        grown = text[end - offset :]  # a repeated checkpoint adds what is not there yet
        if grown:
            sealer = self._scope.keys.sealer(owner_id, conversation_id, key_version, wrapped)
            pieces.add(end, epoch, grown, sealer)
            self._scope.channels.add(f"reply:{reply_id}")
        return bool(stop_requested)

    def change(
        self, conversation_id: ConversationId, message_id: MessageId, change: MessageChange
    ) -> Message:
        params = {"conversation": conversation_id, "message": message_id}
        row = self._scope.db.one(_HOLD, params)
        if row is None:
            raise MissingError(message_id=message_id)
        [old] = self._opened([row])
        if change.epoch is not None and change.epoch != old.epoch:
            raise StaleEpochError(message_id=message_id, epoch=old.epoch)
        new = _applied(old, change)
        kept = row[_CHARACTERS]
        owner_id, key_version, wrapped = row[_WIDTH:]
        sealer = self._scope.keys.sealer(owner_id, conversation_id, key_version, wrapped)
        new = replace(new, updated_at=from_us(self._scope.now_us), revision=old.revision + 1)
        grown = kept != len(old.text)
        if grown or change.text is not None:
            Checkpoints(self._scope, owner_id, conversation_id, message_id).drop()
        self._scope.db.put(_CHANGE, {**params, **self._sealed(new, owner_id, sealer)})
        self._changed(owner_id, new)
        return new

    def _opened(self, rows: Sequence[Row]) -> list[Message]:
        """TextElsewhereError names all that are missing, so that they come together."""
        elsewhere = [_key(row) for row in rows if row[_MOVED] is not None]
        missing = [key for key in elsewhere if key not in self._scope.texts]
        if missing:
            raise TextElsewhereError(missing)
        return [self._opened_row(row) for row in rows]

    def _opened_row(self, row: Row) -> Message:
        conversation_id, message_id, kept = row[0], row[1], row[_CHARACTERS]
        owner_id, key_version, wrapped = row[_WIDTH:]
        sealer = self._scope.keys.sealer(owner_id, conversation_id, key_version, wrapped)
        pieces: Sequence[str] = ()
        if not Status(row[_STATUS]).is_final:
            of_reply = Checkpoints(self._scope, owner_id, conversation_id, message_id)
            pieces = of_reply.texts(kept, sealer)
        if row[_MOVED] is not None:
            row = (*row[:_BODY], self._scope.texts[_key(row)])
        return opened_row(row, owner_id, sealer, pieces)

    def _sealed(self, message: Message, owner_id: str, sealer: Sealer) -> dict[str, Any]:
        """Whatever changes is in the store again; it moves when it has been left alone."""
        plan = self._scope.plan
        due_us = None
        if plan is not None and message.status.is_final:
            due_us = self._scope.now_us + plan.move_after_us
        return {**sealed_row(message, owner_id, sealer), "moved": None, "due_us": due_us}

    def _changed(self, owner_id: str, message: Message) -> None:
        conversation_id, message_id = message.conversation_id, message.id
        self._scope.changed(owner_id, ChangeKind.MESSAGE, conversation_id, message_id)
        self._scope.channels.add(f"reply:{message_id}")


def _key(row: Row) -> TextKey:
    return TextKey(conversation_id=row[0], seq=row[2], digest=bytes(row[_MOVED]))


def _fitting(sizes: Iterable[int]) -> int:
    """How many messages a page holds: the one that goes beyond PAGE_CHARACTERS is the last."""
    held = count = 0
    for size in sizes:
        count += 1
        held += size
        if held > PAGE_CHARACTERS:
            break
    return count


def _applied(old: Message, change: MessageChange) -> Message:
    given: dict[str, Any] = {
        name: value for name in _SETTABLE if (value := getattr(change, name)) is not None
    }
    if change.next_epoch is not None:
        given["epoch"] = change.next_epoch
    if change.clear_error:
        given["error_code"] = None
    if change.clear_feedback:
        given["feedback"] = None
    return replace(old, **given)


_SETTABLE: Final = (
    "status",
    "text",
    "normalized",
    "labels",
    "usage",
    "context",
    "error_code",
    "feedback",
    "model",
    "stop_requested",
)
