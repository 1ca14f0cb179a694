"""What roles tell each other. Bodies hold ids only, never what somebody wrote."""

from dataclasses import dataclass
from typing import ClassVar, Final

from tertulia.domain.ids import CharacterId, ConversationId, MessageId

TURNS: Final = "turns"
REPLIES: Final = "replies"


def inference_topic(character_id: CharacterId, worker: str) -> str:
    """The queue of one worker of one character."""
    return f"inference.{character_id}.{worker}"


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
