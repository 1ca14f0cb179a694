"""Comparing the store with its history log, and mending the log."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import select

from tertulia.adapters.sql.backup import draft_of, extract, read_backup
from tertulia.adapters.sql.moving import MovingStore
from tertulia.adapters.sql.schema import messages
from tertulia.adapters.sql.sqlite_connection import connect
from tertulia.adapters.sql.statements import Connection, Statement, given
from tertulia.adapters.sql.texts import Walked, digest_of
from tertulia.adapters.sql.transfer import STATEMENTS
from tertulia.adapters.sql.transfer_sides import SqliteSide
from tertulia.ports.history import Comparison, HistoryLog, TextKey

TOGETHER: Final = 200

OnProgress = Callable[[int], None]
"""Messages looked at."""

_FIND: Final = Statement(
    lambda _: select(messages.c.body).where(
        messages.c.conversation_id == given("conversation"), messages.c.seq == given("number")
    ),
    STATEMENTS,
)


async def enlist(store: MovingStore, on_progress: OnProgress) -> int:
    """Make every text due, also those from before there was a log; returns how many were not."""
    count = 0
    async for walked in _walk(store, on_progress):
        count += await store.write(lambda unit, it=walked: unit.texts.enlist(it.places))
    return count


async def compare(store: MovingStore, log: HistoryLog, on_progress: OnProgress) -> Comparison:
    """Fetch everything that was moved, and see that it is what it was."""
    texts = 0
    lost = Counter[str]()
    async for walked in _walk(store, on_progress):
        texts += len(walked.keys)
        lost.update(key.conversation_id for key in await _missing(log, walked.keys))
    return Comparison(texts=texts, lost=lost)


async def mend(
    store: MovingStore, log: HistoryLog, file: Path, on_progress: OnProgress
) -> Comparison:
    """As `compare`; what is missing is put into the log again if the backup `file` holds it.
    BackupDamagedError when the file is none."""
    about = read_backup(file)
    texts = mended = 0
    lost = Counter[str]()
    with draft_of(file) as draft:
        extract(file, about, draft)
        with closing(connect(draft, busy_timeout_s=0, writes=False)) as raw:
            backup = SqliteSide(raw).db
            async for walked in _walk(store, on_progress):
                texts += len(walked.keys)
                missing = await _missing(log, walked.keys)
                kept = await log.keep(_found(backup, missing))
                mended += len(kept)
                lost.update(key.conversation_id for key in missing if key not in kept)
    return Comparison(texts=texts, lost=lost, mended=mended)


async def _walk(store: MovingStore, on_progress: OnProgress) -> AsyncGenerator[Walked]:
    after, seen = ("", ""), 0
    while True:
        walked: Walked = await store.read(lambda unit, it=after: unit.texts.walk(it, TOGETHER))
        if not walked.places:
            return
        yield walked
        after = walked.places[-1]
        seen += len(walked.places)
        on_progress(seen)


async def _missing(log: HistoryLog, keys: Sequence[TextKey]) -> list[TextKey]:
    found = await log.fetch(keys)
    return [key for key in keys if key not in found or digest_of(found[key]) != key.digest]


def _found(backup: Connection, keys: Sequence[TextKey]) -> dict[TextKey, bytes]:
    """Those of which the backup has the very text."""
    found: dict[TextKey, bytes] = {}
    for key in keys:
        params = {"conversation": key.conversation_id, "number": key.seq}
        row = backup.one(_FIND, params)
        if row is not None and digest_of(row[0]) == key.digest:
            found[key] = bytes(row[0])
    return found
