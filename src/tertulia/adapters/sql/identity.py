"""Which database this is, and which master key it was written with."""

import hmac
from typing import Final

from sqlalchemy import func, insert, select

from tertulia.adapters.sql.data_keys import DataKeys
from tertulia.adapters.sql.schema import conversations, meta
from tertulia.adapters.sql.statements import Connection, given, statement
from tertulia.kit.ids import new_id
from tertulia.ports.key_vault import KeyVault
from tertulia.ports.store_admin import DatabaseCorruptError, DatabaseUnfinishedError, WrongKeyError

UNFINISHED: Final = "unfinished"
"""Among what a copy says of itself until it is whole: the id of the database it is a copy of."""

_GET: Final = statement(select(meta.c.value).where(meta.c.name == given("of_name")))
_ADD: Final = statement(insert(meta))
_first = conversations.alias("first")
_KEY_OF_EACH_VERSION: Final = statement(
    select(_first.c.id, _first.c.owner_id, _first.c.key_version, _first.c.wrapped_key).where(
        _first.c.id.in_(select(func.min(conversations.c.id)).group_by(conversations.c.key_version))
    )
)


def write_identity(db: Connection, vault: KeyVault) -> None:
    """For a database that is being made."""
    database_id = new_id()
    db.put(_ADD, {"name": "database_id", "value": database_id})
    db.put(_ADD, {"name": "key_check", "value": _key_check(vault, database_id)})


def check_identity(db: Connection, vault: KeyVault) -> str:
    """The database's id. WrongKeyError when another keyring wrote it, DatabaseUnfinishedError for
    a copy that is not whole."""
    if db.one(_GET, {"of_name": UNFINISHED}) is not None:
        raise DatabaseUnfinishedError
    database_id = db.one(_GET, {"of_name": "database_id"})
    key_check = db.one(_GET, {"of_name": "key_check"})
    if database_id is None or key_check is None:
        raise DatabaseCorruptError
    if not hmac.compare_digest(key_check[0], _key_check(vault, database_id[0])):
        raise WrongKeyError
    return database_id[0]


def check_keys(db: Connection, keys: DataKeys) -> None:
    """Unwrap a data key of each version in use; KeyMissingError when one cannot be."""
    for conversation_id, owner_id, version, wrapped in db.all(_KEY_OF_EACH_VERSION, {}):
        keys.sealer(owner_id, conversation_id, version, wrapped)


def _key_check(vault: KeyVault, database_id: str) -> str:
    return hmac.digest(vault.derive(b"key check"), database_id.encode(), "sha256").hex()
