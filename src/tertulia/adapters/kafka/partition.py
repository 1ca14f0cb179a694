"""What is in hand of a partition, and how far it is done."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import Final

from tertulia.adapters.kafka.driver import Record

WINDOW: Final = 500  # messages in hand: keys that wait for their retry leave work for the others
SPAN: Final = 5000  # offsets: as many come again, to be known from the inbox, after a crash
ALONE_AFTER: Final = 2  # returns


class Partition:
    """A partition while it is ours.

    Kafka keeps a bookmark for each partition, and no count of deliveries. So the bookmark stands
    at the lowest message that is not done, whatever is done above it, and its note says how often
    that message was in somebody's hands. When it has come back more than once, it is handled
    alone: should it kill its process again, no other one is taken for the culprit.
    """

    def __init__(self, *, head: int, returns: int) -> None:
        self._next = head
        self._returns = returns
        self._first: int | None = None
        self._waiting: deque[Record] = deque()
        self._in_hand: OrderedDict[int, None] = OrderedDict()

    @property
    def head(self) -> int:
        """The lowest offset that is not done."""
        return next(iter(self._in_hand), self._next)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for more."""
        return bool(self._waiting)

    def bring(self, records: Iterable[Record]) -> bool:
        """What was fetched, in its order. False when it is out of order: the partition is another
        one by now."""
        for record in records:
            if record.offset < (self._waiting[-1].offset + 1 if self._waiting else self._next):
                return False
            self._waiting.append(record)
        return True

    def begin(self) -> Iterator[tuple[Record, int]]:
        """Take into our hands what there is room for: each message, and how often it came back."""
        while self._waiting and self._has_room(self._waiting[0].offset):
            record = self._waiting.popleft()
            self._in_hand[record.offset] = None
            self._next = record.offset + 1
            if self._first is None:
                self._first = record.offset
            yield record, self._returns if record.offset == self._first else 0

    def finish(self, offset: int) -> None:
        """Done with it."""
        self._in_hand.pop(offset, None)

    def bookmark(self, *, handed_back: bool = False) -> tuple[int, str]:
        """What to commit: the head, and how often it was in hand, now included unless it goes back
        in order."""
        untouched = self._first is None or self._first in self._in_hand
        returns = self._returns if untouched else 0
        return self.head, str(returns + (bool(self._in_hand) and not handed_back))

    def _has_room(self, offset: int) -> bool:
        if self._returns >= ALONE_AFTER and self._first in self._in_hand:
            return False
        return len(self._in_hand) < WINDOW and offset - self.head < SPAN
