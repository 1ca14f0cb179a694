"""The store over a database and a history log: older texts are in the log.

A unit of work that comes upon a text in the log breaks off, the text is fetched while nothing is
held, and the work begins anew with the text at hand. So no thread of the store's, no transaction
and no event loop ever waits for the log, and what needs no old text never hears of it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from tertulia.adapters.sql.copied_texts import fetch_back
from tertulia.adapters.sql.scope import Plan
from tertulia.adapters.sql.sqlite_connection import connect
from tertulia.adapters.sql.texts import DueText, Erasure, TextElsewhereError, digest_of
from tertulia.adapters.sql.transfer_sides import SqliteSide
from tertulia.adapters.sql.unit import Unit
from tertulia.kit.crash_points import crash_point
from tertulia.ports.history import ChosenHistory, HistoryLog, Moved, TextKey, TextLostError
from tertulia.ports.store import Store
from tertulia.ports.store_admin import StoreAdmin

T = TypeVar("T")

MICROSECOND: Final = timedelta(microseconds=1)


class Database(Store, StoreAdmin, Protocol):
    """A store over a database alone."""


class MovingStore:
    """Store, StoreAdmin and Mover."""

    def __init__(self, database: Database, log: HistoryLog, chosen: ChosenHistory) -> None:
        self._database = database
        self._log = log
        self._plan = Plan(chosen.move_after // MICROSECOND, chosen.erase_after // MICROSECOND)

    @property
    def moves(self) -> bool:
        """It does."""
        return True

    async def write(self, work: Callable[[Any], T]) -> T:
        return await self._run(self._database.write, work)

    async def read(self, work: Callable[[Any], T], *, brief: bool = False) -> T:
        def run(with_texts: Callable[[Any], T]) -> Awaitable[T]:
            return self._database.read(with_texts, brief=brief)

        return await self._run(run, work)

    async def behind(self) -> timedelta:
        """See the port."""
        return await self._database.read(self._with({}, lambda unit: unit.texts.behind()))

    async def move(self, *, limit: int) -> Moved:
        """See the port."""
        due, erasures = await self._database.read(self._with({}, lambda unit: _due(unit, limit)))
        moved = await self._move(due)
        await self._erase(erasures)
        return Moved(
            texts=moved,
            refused=len(due) - moved,
            erased=len(erasures),
            more=max(len(due), len(erasures)) == limit,
        )

    @property
    def revision(self) -> str:
        return self._database.revision

    async def check(self) -> Sequence[str]:
        return await self._database.check()

    async def counts(self) -> Mapping[str, int]:
        return await self._database.counts()

    async def rewrap(self, *, limit: int) -> int:
        return await self._database.rewrap(limit=limit)

    async def copy(self, target: Path) -> int:
        """See the port."""
        await self._database.copy(target)
        with closing(connect(target, busy_timeout_s=0, writes=True)) as raw:
            return await fetch_back(SqliteSide(raw), self._log)

    async def _run(
        self, run: Callable[[Callable[[Any], T]], Awaitable[T]], work: Callable[[Any], T]
    ) -> T:
        texts: dict[TextKey, bytes] = {}
        while True:
            try:
                return await run(self._with(texts, work))
            except TextElsewhereError as error:
                texts.update(await fetched(self._log, error.keys))

    def _with(self, texts: Mapping[TextKey, bytes], work: Callable[[Any], T]) -> Callable[[Any], T]:
        def run(unit: Unit) -> T:
            unit.scope.plan = self._plan
            unit.scope.texts = texts
            return work(unit)

        return run

    async def _move(self, due: Sequence[DueText]) -> int:
        """How many moved. The store lets go only of what the log has given back."""
        if not due:
            return 0
        crash_point("history.before_keep")
        kept = await self._log.keep({text.key: text.body for text in due})
        found = await self._log.fetch([text.key for text in due if text.key in kept])
        crash_point("history.after_keep")

        def let_go(unit: Unit) -> int:
            moved = 0
            for text in due:
                if found.get(text.key) == text.body:
                    moved += unit.texts.moved(text)
                else:
                    unit.texts.postpone(text)
            return moved

        moved = await self._database.write(self._with({}, let_go))
        crash_point("history.after_move")
        return moved

    async def _erase(self, erasures: Sequence[Erasure]) -> None:
        for erasure in erasures:
            await self._log.erase(erasure.conversation_id, erasure.last_seq)
            crash_point("history.after_erase")
            done = self._with({}, lambda unit, it=erasure: unit.texts.erased(it))
            await self._database.write(done)


class NothingToMove:
    """Mover, where there is no log."""

    @property
    def moves(self) -> bool:
        """It does not."""
        return False

    async def behind(self) -> timedelta:
        """None."""
        return timedelta(0)

    async def move(self, *, limit: int) -> Moved:
        """Nothing."""
        del limit
        return Moved()


async def fetched(log: HistoryLog, keys: Sequence[TextKey]) -> Mapping[TextKey, bytes]:
    """All of them; TextLostError unless each is there and is what its key says."""
    found = await log.fetch(keys)
    lost = [key for key in keys if key not in found or digest_of(found[key]) != key.digest]
    if lost:
        raise TextLostError(conversation_id=lost[0].conversation_id, texts=len(lost))
    return found


def _due(unit: Unit, limit: int) -> tuple[list[DueText], list[Erasure]]:
    return unit.texts.due(limit), unit.texts.erasures(limit)
