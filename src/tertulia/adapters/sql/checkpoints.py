"""Checkpoints: what a reply grew by while it streams, one sealed row a piece.

A piece costs what it holds, however long the reply is. The final change of the reply joins the
pieces into its body and drops them.
"""

from typing import Final

from sqlalchemy import delete, insert, select

from tertulia.adapters.sql.data_keys import GENERATION
from tertulia.adapters.sql.schema import checkpoints
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.statements import given, statement
from tertulia.kit.errors import TamperedError
from tertulia.kit.sealing import Sealer, place

_c = checkpoints.c
_OF = (_c.conversation_id == given("conversation"), _c.message_id == given("message"))

_ADD: Final = statement(insert(checkpoints))
_LAST: Final = statement(
    select(_c.start, _c.characters).where(*_OF).order_by(_c.start.desc()).limit(1)
)
_ALL: Final = statement(
    select(_c.start, _c.characters, _c.epoch, _c.body).where(*_OF).order_by(_c.start)
)
_DROP: Final = statement(delete(checkpoints).where(*_OF))


class Checkpoints:
    """The pieces of one reply."""

    def __init__(self, scope: Scope, owner_id: str, conversation_id: str, message_id: str) -> None:
        self._db = scope.db
        self._owner_id = owner_id
        self._of = {"conversation": conversation_id, "message": message_id}

    def end(self, kept: int) -> int:
        """How many characters the reply has; `kept` are in its body."""
        last = self._db.one(_LAST, self._of)
        return kept if last is None else last[0] + last[1]

    def add(self, start: int, epoch: int, text: str, sealer: Sealer) -> None:
        self._db.put(
            _ADD,
            {
                "conversation_id": self._of["conversation"],
                "message_id": self._of["message"],
                "start": start,
                "characters": len(text),
                "epoch": epoch,
                "body": sealer.seal(text.encode(), self._place(start, len(text), epoch)),
            },
        )

    def texts(self, kept: int, sealer: Sealer) -> list[str]:
        """The pieces in order; TamperedError when one is missing or was altered."""
        texts: list[str] = []
        end = kept
        for start, characters, epoch, body in self._db.all(_ALL, self._of):
            if start != end:
                raise TamperedError
            texts.append(sealer.open(body, self._place(start, characters, epoch)).decode())
            end = start + characters
        return texts

    def drop(self) -> None:
        self._db.put(_DROP, self._of)

    def _place(self, start: int, characters: int, epoch: int) -> bytes:
        conversation_id, message_id = self._of.values()
        return place(
            self._owner_id,
            conversation_id,
            message_id,
            "checkpoint",
            epoch,
            GENERATION,
            start,
            characters,
        )
