"""How a message lies in its row: a sealed body, and plain columns that the seal binds too."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tertulia.adapters.sql.data_keys import GENERATION
from tertulia.adapters.sql.statements import Row
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author, ContextReport, Feedback, Labels, Message, Status, Usage
from tertulia.kit.clock import from_us, to_us
from tertulia.kit.sealing import Sealer, place


class Body(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a message's `body` holds, sealed."""

    text: str
    normalized: str | None = None
    labels: Labels | None = None
    usage: Usage | None = None
    context: ContextReport | None = None
    feedback: Feedback | None = None


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Body).decode


def sealed_row(message: Message, owner_id: str, sealer: Sealer) -> dict[str, Any]:
    """The columns of `message`, by name."""
    body = Body(
        text=message.text,
        normalized=message.normalized,
        labels=message.labels,
        usage=message.usage,
        context=message.context,
        feedback=message.feedback,
    )
    row: dict[str, Any] = {
        "conversation_id": message.conversation_id,
        "id": message.id,
        "seq": message.seq,
        "parent_id": message.parent_id,
        "author": message.author,
        "status": message.status,
        "epoch": message.epoch,
        "model": message.model,
        "error_code": message.error_code,
        "stop_requested": int(message.stop_requested),
        "created_us": to_us(message.created_at),
        "updated_us": to_us(message.updated_at),
        "revision": message.revision,
        "characters": len(message.text),
    }
    row["body"] = sealer.seal(encode(body), _place(owner_id, tuple(row.values())))
    return row


def opened_row(row: Row, owner_id: str, sealer: Sealer, pieces: Sequence[str] = ()) -> Message:
    """The message of a row of every column in the schema's order; `pieces` are its checkpoints.
    TamperedError when anything in the row is not what was written."""
    body = decode(sealer.open(row[14], _place(owner_id, row[:14])))
    return Message(
        id=MessageId(row[1]),
        conversation_id=ConversationId(row[0]),
        parent_id=row[3],
        seq=row[2],
        author=Author(row[4]),
        status=Status(row[5]),
        epoch=row[6],
        text="".join((body.text, *pieces)) if pieces else body.text,
        model=row[7],
        created_at=from_us(row[10]),
        updated_at=from_us(row[11]),
        revision=row[12],
        labels=body.labels,
        usage=body.usage,
        context=body.context,
        error_code=row[8],
        feedback=body.feedback,
        normalized=body.normalized,
        stop_requested=bool(row[9]),
    )


def _place(owner_id: str, columns: tuple[Any, ...]) -> bytes:
    conversation_id, message_id, *others, revision, characters = columns
    return place(
        owner_id, conversation_id, message_id, "body", revision, GENERATION, characters, *others
    )
