"""Places in a line: the first few are served, the others know how many go before them."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class _Place:
    background: bool


@dataclass(slots=True)
class Slots:
    """`count` places are served at once, None for all. Background ones let others go first, but
    are not driven out once they are served."""

    count: int | None
    _line: list[_Place] = field(default_factory=list[_Place])
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def taken(self) -> int:
        """How many places are being served."""
        return len(self._line) if self.count is None else min(len(self._line), self.count)

    @contextmanager
    def place(self, *, background: bool) -> Generator[_Place, None, None]:
        """Stand in line, from here to the end of the block."""
        place = _Place(background)
        self._line.insert(self._behind(place), place)
        self._move()
        try:
            yield place
        finally:
            self._line.remove(place)
            self._move()

    def ahead(self, place: _Place) -> int | None:
        """How many wait before this one; None when it is served."""
        if self.count is None:
            return None
        index = self._line.index(place)
        return None if index < self.count else index - self.count

    @property
    def moved(self) -> asyncio.Event:
        """Set once the line has changed from now."""
        return self._moved

    def _behind(self, place: _Place) -> int:
        if not place.background and self.count is not None:
            for index in range(self.count, len(self._line)):
                if self._line[index].background:
                    return index
        return len(self._line)

    def _move(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
