"""What goes over a broker, and how events lie in the outbox."""

from datetime import UTC, datetime
from typing import Final

from tertulia.adapters.broker_bus.envelope import opened, sealed
from tertulia.domain.event_bodies import decoded, encoded
from tertulia.domain.events import (
    REPLIES,
    TURNS,
    Event,
    ReplyFinished,
    ReplyRequested,
    TurnRequested,
    inference_topic,
)
from tertulia.domain.ids import CharacterId, ConversationId, MessageId
from tertulia.ports.store import QueuedMessage
from tests.wires.wire import Wire, more_in_json

CONVERSATION: Final = ConversationId("01981c3f-0000-7000-8000-00000000000a")
MESSAGE: Final = MessageId("01981c3f-0000-7000-8000-00000000000b")
REPLY: Final = MessageId("01981c3f-0000-7000-8000-00000000000c")

EVENTS: Final[dict[str, Event]] = {
    TURNS: TurnRequested(conversation_id=CONVERSATION, message_id=MESSAGE, reply_id=REPLY, epoch=3),
    inference_topic(CharacterId("assistant"), "worker-1"): ReplyRequested(
        conversation_id=CONVERSATION, message_id=MESSAGE, reply_id=REPLY, epoch=3
    ),
    REPLIES: ReplyFinished(
        conversation_id=CONVERSATION, reply_id=REPLY, epoch=3, status="complete"
    ),
}


def _carried(topic: str, event: Event) -> Wire:
    message = QueuedMessage(
        id="01981c3f-0000-7000-8000-00000000000d",
        topic=topic,
        key=CONVERSATION,
        kind=event.kind,
        version=event.version,
        body=encoded(event),
        fence=1,
        attempts=1,
        created_at=datetime(2026, 11, 21, 12, 30, 15, 250_000, tzinfo=UTC),
    )

    def read(data: bytes) -> object:
        envelope = opened(data)
        return (envelope.id, envelope.topic, envelope.key, envelope.created_at, envelope.event())

    return Wire(
        name=f"bus/{event.kind}",
        value=(message.id, topic, message.key, message.created_at, event),
        write=lambda: sealed(message).data,
        read=read,
        grown=more_in_json,
        structs=("broker_bus.envelope.Envelope",),
    )


def _lying(event: Event) -> Wire:
    return Wire(
        name=f"outbox/{event.kind}",
        value=event,
        write=lambda: encoded(event),
        read=lambda data: decoded(event.kind, event.version, data),
        grown=more_in_json,
    )


BUS: Final = (
    *(_carried(topic, event) for topic, event in EVENTS.items()),
    *(_lying(event) for event in EVENTS.values()),
)
