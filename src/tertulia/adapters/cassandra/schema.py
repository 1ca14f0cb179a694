"""The table: a partition for so many messages of a conversation, a row for a sealed text.

A row is never changed: its key holds the digest of its text, so whoever writes it twice writes the
same, and an older text of a message cannot replace a newer one, whenever it arrives.
"""

from dataclasses import dataclass
from typing import Any, Final

from tertulia.adapters.cassandra.settings import MessagesSettings

BUCKET: Final = 2000
"""Messages in a partition: some 2 MB of common texts, where Cassandra is at ease below 100 MB."""


@dataclass(frozen=True, slots=True)
class Statement:
    """CQL with a place for the keyspace."""

    text: str


KEEP: Final = Statement(
    "INSERT INTO {}.messages (conversation_id, bucket, seq, digest, body) VALUES (?, ?, ?, ?, ?)"
)
FETCH: Final = Statement(
    "SELECT seq, digest, body FROM {}.messages "
    "WHERE conversation_id = ? AND bucket = ? AND (seq, digest) IN ?"
)
ERASE: Final = Statement("DELETE FROM {}.messages WHERE conversation_id = ? AND bucket = ?")
STATEMENTS: Final = (KEEP, FETCH, ERASE)

_FIND: Final = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s"
_FIND_KEYSPACE: Final = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = %s"
_KEYSPACE: Final = (
    "CREATE KEYSPACE IF NOT EXISTS {} WITH replication = "
    "{{'class': 'NetworkTopologyStrategy', 'replication_factor': {}}}"
)
# What is sealed does not get smaller, so compressing it costs for nothing.
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS {}.messages (conversation_id text, bucket int, seq bigint, "
    "digest blob, body blob, PRIMARY KEY ((conversation_id, bucket), seq, digest)) "
    "WITH compression = {{'enabled': 'false'}}"
)


def bucket(seq: int) -> int:
    """The partition of a message."""
    return seq // BUCKET


def make_schema(session: Any, settings: MessagesSettings) -> None:
    """Only what is missing, so that a user without the right to make it will do."""
    name = settings.keyspace
    if not session.execute(_FIND_KEYSPACE, [name]).one():
        session.execute(_KEYSPACE.format(name, settings.copies))
    if not any(row.table_name == "messages" for row in session.execute(_FIND, [name])):
        session.execute(_TABLE.format(name))
