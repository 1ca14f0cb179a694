"""A message is a node of its conversation's tree; a reply is a message that is being written."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from tertulia.domain.ids import ConversationId, MessageId

GAVE_UP: Final = "gave_up"
"""The error code of a reply whose request became a dead letter; its replay revives the reply."""


class Author(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


class Status(StrEnum):
    """queued → streaming → complete | interrupted | failed | cancelled."""

    QUEUED = "queued"
    STREAMING = "streaming"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in {Status.QUEUED, Status.STREAMING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What preprocessing found in a user's message."""

    language: str | None
    """Primary BCP 47 tag (ISO 639-1 where it has one), None when undecided."""
    confidence: float
    characters: int
    words: int
    tokens: int
    changed: bool
    """Whether normalisation changed the text that the model sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a reply cost, in tokens."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextReport:
    """How much of the conversation the model was shown."""

    included: int
    left_out: int
    prompt_tokens: int
    window_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """A person's verdict on a reply."""

    rating: Literal["up", "down"]
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One row of the history.

    `seq` counts the messages of the conversation from 1 in the order of their creation. `epoch`
    counts the attempts at writing a reply; a writer of an older epoch is refused. `revision`
    grows with every visible change. `text` of a reply that is queued or streaming is what the
    last checkpoint holds; interfaces show such a reply by its stream, not by this text.
    """

    id: MessageId
    conversation_id: ConversationId
    parent_id: MessageId | None
    seq: int
    author: Author
    status: Status
    epoch: int
    text: str
    model: str | None
    created_at: datetime
    updated_at: datetime
    revision: int
    labels: Labels | None = None
    usage: Usage | None = None
    context: ContextReport | None = None
    error_code: str | None = None
    feedback: Feedback | None = None
    normalized: str | None = None
    """The text the model sees when it differs from what the person wrote."""
    stop_requested: bool = False

    @property
    def prompt_text(self) -> str:
        """What the model reads of this message."""
        return self.text if self.normalized is None else self.normalized
