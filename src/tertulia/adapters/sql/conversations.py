"""Conversations: one row each, with the title sealed under the conversation's own data key."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import delete, select, tuple_, update

from tertulia.adapters.sql.conversation_rows import opened_row, sealed_row
from tertulia.adapters.sql.schema import checkpoints, conversations, messages
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.statements import Row, Statement, given, integer, statement, text
from tertulia.adapters.sql.texts import NOTE_ERASURE
from tertulia.domain.conversations import Conversation
from tertulia.domain.feed import ChangeKind
from tertulia.domain.ids import ConversationId, MessageId, UserId
from tertulia.kit.clock import from_us, to_us
from tertulia.ports.store import AlreadyExistsError, ConversationCursor, MissingError

_c = conversations.c
_COLUMNS = list(_c)
_THIS = _c.id == given("conversation")
_ORDER = (_c.pinned.desc(), _c.updated_us.desc(), _c.id.desc())
_OF_OWNER = (
    _c.owner_id == given("owner"),
    _c.archived == given("is_archived"),
)
_AFTER = tuple_(_c.pinned, _c.updated_us, _c.id) < tuple_(
    given("after_pinned"), given("after_us"), given("after_id")
)

_ADD = Statement(lambda insert: insert(conversations).on_conflict_do_nothing())
_GET = statement(select(*_COLUMNS).where(_THIS))
_HOLD = statement(select(*_COLUMNS).where(_THIS).with_for_update())
_FIRST_OF_PURPOSE = (
    select(*_COLUMNS)
    .where(_c.owner_id == given("owner"), _c.purpose == given("for_purpose"))
    .order_by(_c.created_us, _c.id)
    .limit(integer(1))
)
_OF_PURPOSE = statement(_FIRST_OF_PURPOSE)
_HOLD_OF_PURPOSE = statement(_FIRST_OF_PURPOSE.with_for_update())
_FIRST_PAGE = statement(select(*_COLUMNS).where(*_OF_OWNER).order_by(*_ORDER).limit(given("most")))
_NEXT_PAGE = statement(
    select(*_COLUMNS).where(*_OF_OWNER, _AFTER).order_by(*_ORDER).limit(given("most"))
)
_MUTABLE = "title titled_by_user model leaf_id pinned archived updated_us revision"
_CHANGE = statement(
    update(conversations).where(_THIS).values({name: given(name) for name in _MUTABLE.split()})
)
_UNFINISHED = statement(
    select(messages.c.id)
    .where(
        messages.c.conversation_id == given("conversation"),
        messages.c.status.in_([text("queued"), text("streaming")]),
    )
    .with_for_update()  # so that no checkpoint comes once they are deleted
)
_ERASE = [
    statement(delete(checkpoints).where(checkpoints.c.conversation_id == given("conversation"))),
    statement(delete(messages).where(messages.c.conversation_id == given("conversation"))),
    statement(delete(conversations).where(_THIS)),
]

KEY_VERSION: Final = -3
WRAPPED_KEY: Final = -2

KEYS: Final = "data keys"
"""What making a data key is done among others for, and wrapping all of them anew alone."""


class SqlConversations:
    """Conversations (ports.store)."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def create(self, conversation: Conversation) -> Conversation:
        at = from_us(self._scope.now_us)
        made = replace(conversation, created_at=at, updated_at=at, revision=1)
        self._scope.db.among(KEYS)
        key_version, wrapped = self._scope.keys.make(made.owner_id, made.id)
        row = {
            **self._sealed(made, key_version, wrapped),
            "key_version": key_version,
            "wrapped_key": wrapped,
        }
        if not self._scope.db.run(_ADD, row):
            raise AlreadyExistsError(conversation_id=made.id)
        self._changed(made)
        return made

    def get(self, conversation_id: ConversationId) -> Conversation | None:
        get = _HOLD if self._scope.writes else _GET
        row = self._scope.db.one(get, {"conversation": conversation_id})
        return None if row is None else self._opened(row)

    def of_purpose(self, owner_id: UserId, purpose: str) -> Conversation | None:
        params = {"owner": owner_id, "for_purpose": purpose}
        if self._scope.writes:  # who finds none will make one
            self._scope.db.alone(f"purpose {owner_id} {purpose}")
        row = self._scope.db.one(_HOLD_OF_PURPOSE if self._scope.writes else _OF_PURPOSE, params)
        return None if row is None else self._opened(row)

    def page(
        self,
        owner_id: UserId,
        *,
        archived: bool,
        after: ConversationCursor | None,
        limit: int,
    ) -> Sequence[Conversation]:
        params: dict[str, Any] = {"owner": owner_id, "is_archived": int(archived), "most": limit}
        if after is None:
            rows = self._scope.db.all(_FIRST_PAGE, params)
        else:
            params["after_pinned"] = int(after.pinned)
            params["after_us"] = to_us(after.updated_at)
            params["after_id"] = after.id
            rows = self._scope.db.all(_NEXT_PAGE, params)
        return [self._opened(row) for row in rows]

    def change(self, conversation: Conversation) -> Conversation:
        row, held = self._held(conversation.id)
        return self._store(
            row,
            held,
            title=conversation.title,
            titled_by_user=conversation.titled_by_user,
            model=conversation.model,
            leaf_id=conversation.leaf_id,
            pinned=conversation.pinned,
            archived=conversation.archived,
        )

    def touch(self, conversation_id: ConversationId, leaf_id: MessageId) -> Conversation:
        row, held = self._held(conversation_id)
        return self._store(row, held, leaf_id=leaf_id)

    def erase(self, conversation_id: ConversationId) -> bool:
        params = {"conversation": conversation_id}
        row = self._scope.db.one(_HOLD, params)
        if row is None:
            return False
        for unfinished in self._scope.db.all(_UNFINISHED, params):
            self._scope.channels.add(f"reply:{unfinished[0]}")
        plan = self._scope.plan
        due_us = self._scope.now_us + (plan.erase_after_us if plan else 0)
        note = {**params, "due": due_us, "logged": int(plan is not None)}
        self._scope.db.put(NOTE_ERASURE, note)
        for erase in _ERASE:
            self._scope.db.put(erase, params)
        self._scope.keys.forget(conversation_id, row[KEY_VERSION], row[WRAPPED_KEY])
        self._scope.erased = True
        self._scope.changed(row[1], ChangeKind.CONVERSATION_ERASED, conversation_id)
        return True

    def _held(self, conversation_id: ConversationId) -> tuple[Row, Conversation]:
        row = self._scope.db.one(_HOLD, {"conversation": conversation_id})
        if row is None:
            raise MissingError(conversation_id=conversation_id)
        return row, self._opened(row)

    def _store(self, row: Row, held: Conversation, **changes: Any) -> Conversation:
        at = from_us(self._scope.now_us)
        changed = replace(held, updated_at=at, revision=held.revision + 1, **changes)
        params = self._sealed(changed, row[KEY_VERSION], row[WRAPPED_KEY])
        self._scope.db.put(_CHANGE, {"conversation": changed.id, **params})
        self._changed(changed)
        return changed

    def _changed(self, conversation: Conversation) -> None:
        self._scope.changed(conversation.owner_id, ChangeKind.CONVERSATION, conversation.id)

    def _sealed(
        self, conversation: Conversation, key_version: int, wrapped: bytes
    ) -> dict[str, Any]:
        sealer = self._scope.keys.sealer(
            conversation.owner_id, conversation.id, key_version, wrapped
        )
        return sealed_row(conversation, sealer)

    def _opened(self, row: Row) -> Conversation:
        sealer = self._scope.keys.sealer(row[1], row[0], row[KEY_VERSION], row[WRAPPED_KEY])
        return opened_row(row, sealer)
