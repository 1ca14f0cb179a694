"""A copy of a database holds its texts itself, also those that its source has in a history log."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import null, select, tuple_, update

from tertulia.adapters.sql.schema import messages
from tertulia.adapters.sql.statements import Row, Statement, given, integer
from tertulia.adapters.sql.texts import TextElsewhereError, digest_of
from tertulia.adapters.sql.transfer import STATEMENTS, Side
from tertulia.ports.history import HistoryLog, TextKey

TOGETHER: Final = 100

_m = messages.c
_THIS = (_m.conversation_id == given("conversation"), _m.id == given("message"))
_MOVED: Final = Statement(
    lambda _: (
        select(_m.conversation_id, _m.id, _m.seq, _m.moved)
        .where(
            _m.moved.is_not(None),
            tuple_(_m.conversation_id, _m.id) > tuple_(given("conversation"), given("message")),
        )
        .order_by(_m.conversation_id, _m.id)
        .limit(integer(TOGETHER))
    ),
    STATEMENTS,
)
_PUT_BACK: Final = Statement(
    # Due at once, wherever the copy is served beside a log.
    lambda _: (
        update(messages).where(*_THIS).values(body=given("text"), moved=null(), due_us=integer(0))
    ),
    STATEMENTS,
)


async def fetch_back(copy: Side, log: HistoryLog | None) -> int:
    """Put every text that was moved into its row of the copy; returns how many the log has lost,
    whose rows stay as they are. May break off and be done again. HistoryUnavailableError also
    when there are such texts and no log."""
    lost = 0
    after = ("", "")
    while rows := await asyncio.to_thread(_moved, copy, after):
        keys = [TextKey(conversation_id=row[0], seq=row[2], digest=bytes(row[3])) for row in rows]
        if log is None:
            raise TextElsewhereError(keys)
        found = await log.fetch(keys)
        sound = {key: text for key, text in found.items() if digest_of(text) == key.digest}
        await asyncio.to_thread(_put_back, copy, rows, keys, sound)
        lost += len(rows) - len(sound)
        after = (rows[-1][0], rows[-1][1])
    return lost


def _moved(copy: Side, after: tuple[str, str]) -> list[Row]:
    with copy.unit():
        return copy.db.all(_MOVED, {"conversation": after[0], "message": after[1]})


def _put_back(
    copy: Side, rows: Sequence[Row], keys: Sequence[TextKey], texts: Mapping[TextKey, bytes]
) -> None:
    with copy.unit():
        copy.db.put_many(
            _PUT_BACK,
            [
                {"conversation": row[0], "message": row[1], "text": texts[key]}
                for row, key in zip(rows, keys, strict=True)
                if key in texts
            ],
        )
