"""Identifiers: UUIDv7 text, told apart by type."""

from typing import NewType

UserId = NewType("UserId", str)
CharacterId = NewType("CharacterId", str)
ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
RequestId = NewType("RequestId", str)
"""Made by the client; the same id again means the same request again."""
