"""The history log: where the sealed texts of messages lie that the store no longer holds itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.store import StoreUnavailableError


class HistoryUnavailableError(StoreUnavailableError):
    """Older texts cannot be read now; nothing is lost."""

    code = "history_unavailable"


class TextLostError(TertuliaError):
    """An older text is not where it was moved to; see `tertulia messages check`."""

    code = "text_lost"
    kind = Kind.UNAVAILABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class TextKey:
    """Which text: `digest` is the SHA-256 of its sealed bytes, so a key never means two texts.
    `seq` is that of its message."""

    conversation_id: str
    seq: int
    digest: bytes


class HistoryLog(Protocol):
    """Keeps sealed texts beside the store, and knows nothing of what they say.

    The store decides what is visible: a text that no row of it points at is as good as absent.
    What `keep` has confirmed is found by every later `fetch`, in whichever process. Everything may
    be repeated. All raise HistoryUnavailableError.
    """

    async def keep(self, texts: Mapping[TextKey, bytes]) -> frozenset[TextKey]:
        """Returns those that are durable; the others may or may not be there."""
        ...

    async def fetch(self, keys: Sequence[TextKey]) -> Mapping[TextKey, bytes]:
        """Those of `keys` that are there, as they were kept."""
        ...

    async def erase(self, conversation_id: str, last_seq: int) -> None:
        """Remove every text of a conversation whose messages are numbered up to `last_seq`."""
        ...

    async def check(self) -> None:
        """HistoryUnavailableError when texts could not be kept or fetched now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenHistory:
    """`log` None: the store holds all texts itself. Else a text moves when its message was not
    changed for `move_after`, and the texts of an erased conversation go when `erase_after` is over:
    by then nothing is on its way to the log any more."""

    log: HistoryLog | None = None
    move_after: timedelta = timedelta(days=1)
    erase_after: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What one step moved. `refused`: the log did not confirm, so they stay and are tried again in
    a while; `erased`: conversations. `more`: another step would find something."""

    texts: int = 0
    refused: int = 0
    erased: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How many texts the store has moved, and what of it the log does not have, by conversation.
    `mended` were put there again."""

    texts: int
    lost: Mapping[str, int]
    mended: int = 0


class Mover(Protocol):
    """Moves texts from the store to the history log.

    At each moment the text is in the store, or the store's row says that it is in the log: a row
    is only changed once the log has given back what it was given. Any number of processes may
    move at once; a step may be repeated or break off anywhere.
    """

    @property
    def moves(self) -> bool:
        """False when there is no log."""
        ...

    async def behind(self) -> timedelta:
        """For how long the oldest text is due that has not moved."""
        ...

    async def move(self, *, limit: int) -> Moved:
        """Up to `limit` texts that are due, and the erasures that are. HistoryUnavailableError
        when the log is away, and what the store raises."""
        ...
