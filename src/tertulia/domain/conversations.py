"""Conversations and the characters they are held with."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from tertulia.domain.ids import CharacterId, ConversationId, MessageId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """Whom one talks to."""

    id: CharacterId
    name: str
    system_prompt: str


ASSISTANT: Final = Character(
    id=CharacterId("assistant"),
    name="Assistant",
    # Nothing here may change from turn to turn: models keep the evaluated prefix.
    system_prompt="You are a helpful assistant. Answer clearly and briefly.",
)

BUILT_IN: Final = {ASSISTANT.id: ASSISTANT}


class Purpose(StrEnum):
    """CHAT: made by its owner. SIMPLE: the one conversation behind `/chat/history`."""

    CHAT = "chat"
    SIMPLE = "simple"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A tree of messages with one owner and one character.

    `leaf_id` is the last message of the branch that is shown. `title` is None until a person or
    the model gives one; `titled_by_user` then keeps the model's hands off.
    """

    id: ConversationId
    owner_id: UserId
    character_id: CharacterId
    purpose: Purpose
    title: str | None
    titled_by_user: bool
    model: str | None
    leaf_id: MessageId | None
    pinned: bool
    archived: bool
    created_at: datetime
    updated_at: datetime
    revision: int
