"""What is said on a stream's channel, and kept in its entries. Text is always sealed."""

from typing import Final

import msgspec

from tertulia.domain.ids import MessageId
from tertulia.domain.messages import Status
from tertulia.kit.sealing import place


class Begun(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """An attempt begins with `sealed` (nothing, when it is empty) at character `first`."""

    epoch: int
    first: int
    envelope: bytes
    sealed: bytes


class Grown(msgspec.Struct, frozen=True, array_like=True, tag="g"):
    """`sealed` follows character `at`."""

    epoch: int
    at: int
    sealed: bytes


class Queued(msgspec.Struct, frozen=True, array_like=True, tag="q"):
    """`ahead` requests go first."""

    epoch: int
    ahead: int


class Ended(msgspec.Struct, frozen=True, array_like=True, tag="e"):
    """The attempt is over."""

    epoch: int
    status: Status


class Gone(msgspec.Struct, frozen=True, array_like=True, tag="x"):
    """The stream is held no more."""


Said = Begun | Grown | Queued | Ended | Gone

encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Said).decode

GONE: Final = encode(Gone())


def key_place(reply_id: MessageId, epoch: int) -> bytes:
    """What the key of an attempt is for."""
    return place("token stream", reply_id, epoch)


def text_place(at: int) -> bytes:
    """Where in its attempt a text belongs."""
    return b"%d" % at
