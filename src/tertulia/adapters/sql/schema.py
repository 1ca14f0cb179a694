"""The tables. Plain columns only: text, integers and bytes; times are microseconds since 1970.

What people wrote is in `body` and `title` columns, sealed (see sealed.py); `wrapped_key` is a
conversation's data key, sealed by the master key of version `key_version`. All else is ids,
numbers and states.
"""

from typing import Final

import sqlalchemy
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    column,
)

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
    }
)

# Ids are compared byte by byte, as SQLite does; a collation of the system's may change with it.
Text: Final = sqlalchemy.Text().with_variant(sqlalchemy.Text(collation="C"), "postgresql")

# SQLite numbers rows by itself only in a column of type INTEGER; elsewhere 8 bytes are wanted.
Counter: Final = BigInteger().with_variant(Integer(), "sqlite")

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

clock = Table(
    "clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last_us", BigInteger, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("user_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("last_used_us", BigInteger),
    UniqueConstraint("kind", "digest"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner_id", Text, nullable=False),
    Column("character_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("titled_by_user", Integer, nullable=False),
    Column("model", Text),
    Column("leaf_id", Text),
    Column("pinned", Integer, nullable=False),
    Column("archived", Integer, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("title", LargeBinary, nullable=False),
    Index(None, "owner_id", "archived", "pinned", "updated_us", "id"),
    Index(None, "owner_id", "purpose", "created_us"),
    Index(None, "key_version"),
)

messages = Table(
    "messages",
    metadata,
    Column("conversation_id", Text, ForeignKey("conversations.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("parent_id", Text),
    Column("author", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("model", Text),
    Column("error_code", Text),
    Column("stop_requested", Integer, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("characters", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # The SHA-256 of a body that lies in the history log; `body` is empty then.
    Column("moved", LargeBinary),
    # When the body is to be moved there; none where there is no such log.
    Column("due_us", BigInteger),
    UniqueConstraint("conversation_id", "seq"),
    Index(
        "ix_messages_due",
        "due_us",
        sqlite_where=column("due_us").is_not(None),
        postgresql_where=column("due_us").is_not(None),
    ),
)

erasures = Table(
    "erasures",
    metadata,
    Column("conversation_id", Text, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
    Column("due_us", BigInteger, nullable=False),
    Index(None, "due_us"),
    sqlite_with_rowid=False,
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("conversation_id", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("characters", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["conversation_id", "message_id"], ["messages.conversation_id", "messages.id"]
    ),
    sqlite_with_rowid=False,
)

requests = Table(
    "requests",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("message_id", Text),
    Column("reply_id", Text),
    Column("at_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

feed_heads = Table(
    "feed_heads",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("head", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False),
)

feed = Table(
    "feed",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("message_id", Text),
    Column("at_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

_READY = column("state") == "ready"
_DONE = column("state") == "done"
_DEAD = column("state") == "dead"

outbox = Table(
    "outbox",
    metadata,
    Column("position", Counter, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("leased", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_us", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("settled_us", BigInteger),
    UniqueConstraint("id"),
    # Each row is in one of these, so what is done costs the queue nothing.
    Index("ix_outbox_ready", "topic", "position", sqlite_where=_READY, postgresql_where=_READY),
    Index("ix_outbox_any", "position", sqlite_where=_READY, postgresql_where=_READY),
    Index(
        "ix_outbox_key", "topic", "key", "position", sqlite_where=_READY, postgresql_where=_READY
    ),
    Index("ix_outbox_done", "settled_us", sqlite_where=_DONE, postgresql_where=_DONE),
    Index("ix_outbox_dead", "settled_us", sqlite_where=_DEAD, postgresql_where=_DEAD),
)

inbox = Table(
    "inbox",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Index(None, "at_us"),
    sqlite_with_rowid=False,
)
