"""The outgoing stream of a reply: positions and parts."""

from dataclasses import dataclass
from typing import Final, Self

from tertulia.domain.messages import Status

_LONGEST: Final = 40  # two 64-bit numbers and the dash


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """How far a reader is: the attempt and the number of characters (Unicode code points) of the
    reply's text that it holds. Written `<epoch>-<offset>`, as in SSE's `id:`."""

    epoch: int
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError when `text` is not `<epoch>-<offset>` with plain decimal numbers."""
        epoch, dash, offset = text.partition("-")
        digits = epoch.isascii() and offset.isascii() and epoch.isdigit() and offset.isdigit()
        if not dash or not digits or len(text) > _LONGEST:
            msg = "a stream position is <epoch>-<offset>"
            raise ValueError(msg)
        return cls(int(epoch), int(offset))


@dataclass(frozen=True, slots=True)
class Delta:
    """`text` follows what the reader holds; `at` is the position after it."""

    at: Position
    text: str


@dataclass(frozen=True, slots=True)
class Reset:
    """The reader must replace what it holds by `text` (a new attempt began, or it held more than
    was kept)."""

    at: Position
    text: str


@dataclass(frozen=True, slots=True)
class End:
    """The attempt is over with this state."""

    at: Position
    status: Status


@dataclass(frozen=True, slots=True)
class Waiting:
    """The model is busy: `ahead` requests go first. It holds no text and no position."""

    ahead: int


Part = Delta | Reset | End | Waiting
