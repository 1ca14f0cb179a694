"""How a conversation's recent turns lie in Redis."""

from typing import Final

import msgspec

from tertulia.domain.ids import MessageId
from tertulia.domain.messages import Author


class TurnMessage(msgspec.Struct, frozen=True, array_like=True):
    """One message of the branch, before it is sealed."""

    id: MessageId
    seq: int
    author: Author
    text: str


class Held(msgspec.Struct, frozen=True, array_like=True):
    """The value of a conversation: its messages sealed, and the envelope of the key."""

    envelope: bytes
    sealed: bytes


encode: Final = msgspec.msgpack.Encoder().encode
decode_held: Final = msgspec.msgpack.Decoder(Held).decode
decode_branch: Final = msgspec.msgpack.Decoder(tuple[TurnMessage, ...]).decode
