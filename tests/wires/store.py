"""What lies, sealed, in the store and in Cassandra, and what a backup says of itself."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tertulia.adapters.keyfile import Keyring
from tertulia.adapters.sql import conversation_rows, message_rows
from tertulia.adapters.sql.backup import Backup
from tertulia.adapters.sql.message_rows import Body
from tertulia.domain.conversations import Conversation, Purpose
from tertulia.domain.ids import CharacterId, ConversationId, MessageId, UserId
from tertulia.domain.messages import Author, ContextReport, Feedback, Labels, Message, Status, Usage
from tertulia.kit.sealing import Sealer
from tests.wires.wire import Wire, more_in_json, more_in_map

KEYS: Final = Keyring.from_text("5a" * 32)
SEALER: Final = Sealer(bytes(range(32)))
AT: Final = datetime(2026, 11, 21, 12, 30, 15, 250_000, tzinfo=UTC)
OWNER: Final = UserId("01981c3f-0000-7000-8000-000000000001")
BODY: Final = Body(
    text="¿qué tal?",
    normalized="¿qué tal? ",
    labels=Labels(language="es", confidence=0.9, characters=9, words=2, tokens=4, changed=True),
    usage=Usage(prompt_tokens=9, completion_tokens=8, cached_tokens=7),
    context=ContextReport(included=3, left_out=1, prompt_tokens=90, window_tokens=8192),
    feedback=Feedback(rating="up", comment="good"),
)
MESSAGE: Final = Message(
    id=MessageId("01981c3f-0000-7000-8000-00000000000b"),
    conversation_id=ConversationId("01981c3f-0000-7000-8000-00000000000a"),
    parent_id=None,
    seq=1,
    author=Author.ASSISTANT,
    status=Status.COMPLETE,
    epoch=3,
    text=BODY.text,
    model="model",
    created_at=AT,
    updated_at=AT,
    revision=5,
    labels=BODY.labels,
    usage=BODY.usage,
    context=BODY.context,
    error_code=None,
    feedback=BODY.feedback,
    normalized=BODY.normalized,
    stop_requested=False,
)
CONVERSATION: Final = Conversation(
    id=ConversationId("01981c3f-0000-7000-8000-00000000000a"),
    owner_id=OWNER,
    character_id=CharacterId("assistant"),
    purpose=Purpose.CHAT,
    title="Über Brücken",
    titled_by_user=True,
    model="model",
    leaf_id=MESSAGE.id,
    pinned=True,
    archived=False,
    created_at=AT,
    updated_at=AT,
    revision=5,
)
BACKUP: Final = Backup(
    made_at=AT, revision="0003", database_bytes=4096, envelope=b"an envelope", lost=1
)


def _written(row: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(list(row.values()))


def _row(data: bytes) -> tuple[Any, ...]:
    """The sealed value comes last."""
    *columns, sealed = msgspec.json.decode(data)
    return (*columns, msgspec.convert(sealed, bytes))


STORE: Final = (
    Wire(
        name="store/message-body",
        value=BODY,
        write=lambda: message_rows.encode(BODY),
        read=message_rows.decode,
        grown=more_in_map,
        structs=("sql.message_rows.Body",),
        text=False,
    ),
    Wire(
        name="store/message-row",
        value=MESSAGE,
        write=lambda: _written(message_rows.sealed_row(MESSAGE, OWNER, SEALER)),
        read=lambda data: message_rows.opened_row(_row(data), OWNER, SEALER),
        grown=None,
        sealed=True,
    ),
    Wire(
        name="store/conversation-row",
        value=CONVERSATION,
        write=lambda: _written(conversation_rows.sealed_row(CONVERSATION, SEALER)),
        read=lambda data: conversation_rows.opened_row(_row(data), SEALER),
        grown=None,
        sealed=True,
    ),
    Wire(
        name="store/backup",
        value=BACKUP,
        write=lambda: msgspec.json.encode(BACKUP),
        read=lambda data: msgspec.json.decode(data, type=Backup),
        grown=more_in_json,
    ),
)
