"""The first schema."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None

_TEXT: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, _TEXT, nullable=null)


def _integer(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=null, autoincrement=False)


def _long(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null, autoincrement=False)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def upgrade() -> None:
    _accounts()
    _conversations()
    _messages()
    _requests_and_feed()
    _outbox()
    _inbox()


def _accounts() -> None:
    op.create_table(
        "meta",
        _text("name"),
        _text("value"),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "clock",
        _integer("id"),
        _long("last_us"),
        sa.PrimaryKeyConstraint("id", name="pk_clock"),
    )
    op.execute("INSERT INTO clock (id, last_us) VALUES (1, 0)")
    op.create_table(
        "accounts",
        _text("id"),
        _text("name"),
        _long("created_us"),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
    )
    op.create_table(
        "credentials",
        _text("id"),
        _text("kind"),
        _text("user_id"),
        _text("name"),
        _bytes("digest"),
        _long("created_us"),
        _long("expires_us", null=True),
        _long("last_used_us", null=True),
        sa.ForeignKeyConstraint(["user_id"], ["accounts.id"], name="fk_credentials_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_credentials"),
        sa.UniqueConstraint("kind", "digest", name="uq_credentials_kind_digest"),
    )


def _conversations() -> None:
    op.create_table(
        "conversations",
        _text("id"),
        _text("owner_id"),
        _text("character_id"),
        _text("purpose"),
        _integer("titled_by_user"),
        _text("model", null=True),
        _text("leaf_id", null=True),
        _integer("pinned"),
        _integer("archived"),
        _long("created_us"),
        _long("updated_us"),
        _long("revision"),
        _integer("key_version"),
        _bytes("wrapped_key"),
        _bytes("title"),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
    )
    op.create_index("ix_conversations_key_version", "conversations", ["key_version"])
    op.create_index(
        "ix_conversations_owner_id_archived_pinned_updated_us_id",
        "conversations",
        ["owner_id", "archived", "pinned", "updated_us", "id"],
    )
    op.create_index(
        "ix_conversations_owner_id_purpose_created_us",
        "conversations",
        ["owner_id", "purpose", "created_us"],
    )


def _messages() -> None:
    op.create_table(
        "messages",
        _text("conversation_id"),
        _text("id"),
        _long("seq"),
        _text("parent_id", null=True),
        _text("author"),
        _text("status"),
        _integer("epoch"),
        _text("model", null=True),
        _text("error_code", null=True),
        _integer("stop_requested"),
        _long("created_us"),
        _long("updated_us"),
        _long("revision"),
        _long("characters"),
        _bytes("body"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_messages_conversations"
        ),
        sa.PrimaryKeyConstraint("conversation_id", "id", name="pk_messages"),
        sa.UniqueConstraint("conversation_id", "seq", name="uq_messages_conversation_id_seq"),
    )
    op.create_table(
        "checkpoints",
        _text("conversation_id"),
        _text("message_id"),
        _long("start"),
        _long("characters"),
        _integer("epoch"),
        _bytes("body"),
        sa.ForeignKeyConstraint(
            ["conversation_id", "message_id"],
            ["messages.conversation_id", "messages.id"],
            name="fk_checkpoints_messages",
        ),
        sa.PrimaryKeyConstraint("conversation_id", "message_id", "start", name="pk_checkpoints"),
        sqlite_with_rowid=False,
    )


def _requests_and_feed() -> None:
    op.create_table(
        "requests",
        _text("user_id"),
        _text("request_id"),
        _bytes("digest"),
        _text("conversation_id"),
        _text("message_id", null=True),
        _text("reply_id", null=True),
        _long("at_us"),
        sa.PrimaryKeyConstraint("user_id", "request_id", name="pk_requests"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "feed_heads",
        _text("user_id"),
        _long("head"),
        _long("dropped"),
        sa.PrimaryKeyConstraint("user_id", name="pk_feed_heads"),
    )
    op.create_table(
        "feed",
        _text("user_id"),
        _long("seq"),
        _text("kind"),
        _text("conversation_id"),
        _text("message_id", null=True),
        _long("at_us"),
        sa.PrimaryKeyConstraint("user_id", "seq", name="pk_feed"),
        sqlite_with_rowid=False,
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        _text("id"),
        _text("topic"),
        _text("key"),
        _text("kind"),
        _integer("version"),
        _bytes("body"),
        _text("state"),
        _integer("leased"),
        _long("fence"),
        _integer("attempts"),
        _long("due_us"),
        _text("reason"),
        _long("created_us"),
        _long("settled_us", null=True),
        sa.PrimaryKeyConstraint("position", name="pk_outbox"),
        sa.UniqueConstraint("id", name="uq_outbox_id"),
    )
    op.create_index(
        "ix_outbox_dead",
        "outbox",
        ["settled_us"],
        sqlite_where=sa.text("state = 'dead'"),
        postgresql_where=sa.text("state = 'dead'"),
    )
    op.create_index(
        "ix_outbox_done",
        "outbox",
        ["settled_us"],
        sqlite_where=sa.text("state = 'done'"),
        postgresql_where=sa.text("state = 'done'"),
    )
    op.create_index(
        "ix_outbox_key",
        "outbox",
        ["topic", "key", "position"],
        sqlite_where=sa.text("state = 'ready'"),
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index(
        "ix_outbox_ready",
        "outbox",
        ["topic", "position"],
        sqlite_where=sa.text("state = 'ready'"),
        postgresql_where=sa.text("state = 'ready'"),
    )


def _inbox() -> None:
    op.create_table(
        "inbox",
        _text("consumer"),
        _text("message_id"),
        _long("at_us"),
        sa.PrimaryKeyConstraint("consumer", "message_id", name="pk_inbox"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_inbox_at_us", "inbox", ["at_us"])
