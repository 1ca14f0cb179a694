"""Wrapping data keys anew after the master key was rotated."""

from typing import Final

from sqlalchemy import func, select, update

from tertulia.adapters.sql.conversations import KEYS
from tertulia.adapters.sql.schema import conversations
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.statements import given, statement

_c = conversations.c
_OLDER = _c.key_version < given("newest")
_COUNT: Final = statement(select(func.count()).select_from(conversations).where(_OLDER))
_SOME: Final = statement(
    select(_c.id, _c.owner_id, _c.key_version, _c.wrapped_key)
    .where(_OLDER)
    .order_by(_c.key_version)
    .limit(given("most"))
    .with_for_update()
)
_REWRAP: Final = statement(
    update(conversations)
    .where(_c.id == given("conversation"))
    .values(key_version=given("to_version"), wrapped_key=given("to_key"))
)


def count_unrewrapped(scope: Scope) -> int:
    [(count,)] = scope.db.all(_COUNT, {"newest": scope.keys.version})
    return count


def rewrap_some(scope: Scope, limit: int) -> int:
    """Wrap up to `limit` data keys anew; returns how many there were to do, these included.

    Whoever was making a data key has committed it by then, and whoever makes one later wraps it
    with the newest version.
    """
    scope.db.alone(KEYS)
    left = count_unrewrapped(scope)
    if left:
        rows = scope.db.all(_SOME, {"newest": scope.keys.version, "most": limit})
        for conversation_id, owner_id, version, wrapped in rows:
            to_version, to_key = scope.keys.rewrap(owner_id, conversation_id, version, wrapped)
            params = {"conversation": conversation_id, "to_version": to_version, "to_key": to_key}
            scope.db.put(_REWRAP, params)
    return left
