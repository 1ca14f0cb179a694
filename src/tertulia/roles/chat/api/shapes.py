"""What the chat role's routes take and give, as the OpenAPI document describes it.

Bodies are parsed by these; answers are written by `render`, and a test holds both together.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tertulia.ports.http import ENCODABLE, Text

Id = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
PLAIN = r"^[^\x00-\x1f\x7f]*$"
Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=PLAIN),
    ENCODABLE,
]
ModelName = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=PLAIN), ENCODABLE
]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Conversation(BaseModel):
    """A tree of messages. `leaf_id` is the last message of the branch that is shown; `title` is
    null until a person or the model gives one; `revision` grows with every change."""

    model_config = ConfigDict(extra="forbid")

    id: Id
    character_id: str
    title: str | None
    model: str | None
    leaf_id: Id | None
    pinned: bool
    archived: bool
    created_at: datetime
    updated_at: datetime
    revision: int


class Conversations(BaseModel):
    """`next` is the cursor of the next page; the page plus the feed's changes after `feed_seq`
    equal a fresh page."""

    items: list[Conversation]
    next: str | None
    feed_seq: int


class NewConversation(Body):
    """`id` is made by the client: sent again, it is the same request again."""

    id: UUID
    title: Title | None = None
    model: ModelName | None = None


class ConversationChange(Body):
    """What is absent stays as it is. A null `title` lets the model find one, a null `model` is
    the server's default."""

    title: Title | None = None
    pinned: bool = False
    archived: bool = False
    model: ModelName | None = None
    leaf_id: Text = ""


class Labels(BaseModel):
    """What preprocessing found in a person's message."""

    language: str | None
    confidence: float
    characters: int
    words: int
    tokens: int
    changed: bool


class Usage(BaseModel):
    """What a reply cost, in tokens."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


class Context(BaseModel):
    """How many messages of the conversation the model was shown, and how many were left out."""

    included: int
    left_out: int
    prompt_tokens: int
    window_tokens: int


class Feedback(Body):
    """A verdict on a reply."""

    rating: Literal["up", "down"]
    comment: Annotated[Text, Field(max_length=4000)] = ""


Status = Literal["queued", "streaming", "complete", "interrupted", "failed", "cancelled"]


class Message(BaseModel):
    """A node of the conversation's tree. `seq` counts from 1 in the order of creation. While a
    reply is queued or streaming its `text` is null: it is read at its stream. `epoch` counts the
    attempts at writing it."""

    model_config = ConfigDict(extra="forbid")

    id: Id
    conversation_id: Id
    parent_id: Id | None
    seq: int
    author: Literal["user", "assistant"]
    status: Status
    epoch: int
    text: str | None
    model: str | None
    labels: Labels | None
    usage: Usage | None
    context: Context | None
    error_code: str | None
    feedback: Feedback | None
    created_at: datetime
    updated_at: datetime
    revision: int


class Messages(BaseModel):
    """All branches, by `seq`; the tree is built by `parent_id`."""

    items: list[Message]
    has_before: bool
    has_after: bool
    feed_seq: int


class NewTurn(Body):
    """`id` is made by the client. `parent_id` absent: after the branch that is shown; null: a new
    first message; else a reply of this conversation, which makes a new branch."""

    id: UUID
    text: Text
    parent_id: Text | None = None
    model: ModelName | None = None


class Turn(BaseModel):
    message: Message
    reply: Message


class Regeneration(Body):
    id: UUID
    model: ModelName | None = None


class Continuation(Body):
    id: UUID


class Change(BaseModel):
    """One entry of the feed; the thing that changed rides along in its present state, null when
    it is no more."""

    seq: int
    kind: Literal["conversation", "conversation_erased", "message"]
    conversation_id: Id
    message_id: Id | None
    at: datetime
    conversation: Conversation | None
    message: Message | None


class FeedPage(BaseModel):
    """`resync`: the cursor is not known any more; fetch everything anew, go on from `head`."""

    items: list[Change]
    head: int
    resync: bool


class Model(BaseModel):
    """`note` says why it is not ready, or what else one should know; `slots`: answers that it
    writes at once, where that is known."""

    id: str
    window_tokens: int
    owned_by: str
    ready: bool
    note: str
    slots: int | None


class Models(BaseModel):
    items: list[Model]
    default: str | None


class CatalogueEntry(BaseModel):
    """A model that can be had. `available`: memory and disk allow it here."""

    name: str
    licence: str
    size_bytes: int
    memory_bytes: int
    window_tokens: int
    state: Literal["absent", "pulling", "verifying", "present", "in_use", "failed"]
    done_bytes: int
    problem: str | None
    available: bool


class Catalogue(BaseModel):
    items: list[CatalogueEntry]
