"""What roles tell each other. Bodies hold ids only, never what somebody wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from tertulia.domain.ids import CharacterId, ConversationId, MessageId

TURNS: Final = "turns"
REPLIES: Final = "replies"


def inference_topic(character_id: CharacterId, worker: str) -> str:
    """The queue of one worker of one character."""
    return f"inference.{character_id}.{worker}"


def inference_worker(topic: str) -> tuple[CharacterId, str] | None:
    """Whose queue a topic is: the inverse of `inference_topic`; None for other topics."""
    kind, _, rest = topic.partition(".")
    character_id, dot, worker = rest.partition(".")
    return (CharacterId(character_id), worker) if kind == "inference" and dot else None


def workers_group(character_id: CharacterId) -> str:
    """The group of leases that a character's workers hold places in."""
    return f"character:{character_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequested:
    """A reply is waiting to be written. Topic `turns`, consumed by preprocess."""

    kind: ClassVar[str] = "turn_requested"
    version: ClassVar[int] = 1
    conversation_id: ConversationId
    message_id: MessageId
    """The user's message that is answered."""
    reply_id: MessageId
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRequested:
    """A reply is ready to be written by a worker. Topic `inference.{character}.{worker}`."""

    kind: ClassVar[str] = "reply_requested"
    version: ClassVar[int] = 1
    conversation_id: ConversationId
    message_id: MessageId
    reply_id: MessageId
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyFinished:
    """A reply reached a final state. Topic `replies`, consumed by titles."""

    kind: ClassVar[str] = "reply_finished"
    version: ClassVar[int] = 1
    conversation_id: ConversationId
    reply_id: MessageId
    epoch: int
    status: str


Event = TurnRequested | ReplyRequested | ReplyFinished

EVENTS: Final[Mapping[str, type[Event]]] = {
    event.kind: event for event in (TurnRequested, ReplyRequested, ReplyFinished)
}
"""Every kind of event there is: what goes over the bus is one of these."""
