"""What a turn costs does not grow with the chat: counted in steps of SQLite's machine, which no
busy neighbour can change."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.sql.data_keys import DataKeys
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.sqlite_connection import DIALECT, SqliteConnection
from tertulia.adapters.sql.sqlite_open import prepare
from tertulia.adapters.sql.statements import compile_all
from tertulia.adapters.sql.unit import Unit
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author, Status
from tests.ports.stores import conversation, message, turn_requested

SHORT: Final = 60
LONG: Final = 3000
LEASE: Final = timedelta(minutes=1)


class Chat:
    """A unit of work on a conversation that grows, and a counter of steps."""

    def __init__(self, path: Path) -> None:
        vault, compiled = MemoryVault(), compile_all(DIALECT)
        self.raw = prepare(path, vault, compiled, busy_timeout_s=1, checked_bytes=0)
        self.raw.execute("PRAGMA synchronous = OFF")
        self.raw.execute("BEGIN")
        self.unit = Unit(Scope(SqliteConnection(self.raw, compiled), DataKeys(vault), writes=True))
        self.owner = self.unit.accounts.owner().id
        self.id: ConversationId = self.unit.conversations.create(conversation(self.owner)).id
        self.leaf: MessageId | None = None
        self.seq = 0

    def turn(self) -> None:
        said = self.unit.messages.append(message(self.id, self.leaf))
        new = message(self.id, said.id, author=Author.ASSISTANT, status=Status.QUEUED, text="")
        reply = self.unit.messages.append(new)
        self.unit.conversations.touch(self.id, reply.id)
        self.unit.outbox.add("turns", self.id, turn_requested())
        self.unit.scope.number_changes()
        self.leaf, self.seq = reply.id, reply.seq

    def grow(self, length: int) -> None:
        while self.seq < length:
            self.turn()
            if self.seq < length:
                take_and_settle(self)

    def steps(self, work: Callable[["Chat"], object]) -> int:
        counted = 0

        def count() -> None:
            nonlocal counted
            counted += 1

        self.raw.set_progress_handler(count, 1)
        work(self)
        self.raw.set_progress_handler(None, 0)
        return counted


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Chat]:
    chat = Chat(tmp_path / "t.db")
    yield chat
    chat.raw.close()


def leaf_of(chat: Chat) -> MessageId:
    assert chat.leaf is not None
    return chat.leaf


def checkpoint(chat: Chat) -> None:
    """The reply grows by this; its text is as long as the chat."""
    leaf = leaf_of(chat)
    for offset in range(0, chat.seq, 2):
        chat.unit.messages.checkpoint(chat.id, leaf, epoch=1, offset=offset, text="xx")


def one_checkpoint(chat: Chat) -> None:
    chat.unit.messages.checkpoint(
        chat.id, leaf_of(chat), epoch=1, offset=chat.seq + chat.seq % 2, text="more"
    )


def take_and_settle(chat: Chat) -> None:
    [taken] = chat.unit.queue.take(["turns"], limit=10, lease=LEASE)
    chat.unit.queue.settle(taken.id, taken.fence, "done")


COSTS: Final[dict[str, Callable[[Chat], object]]] = {
    "a turn": Chat.turn,
    "the first page": lambda c: c.unit.messages.page(c.id, before=None, after=None, limit=50),
    "a page in the midst": lambda c: c.unit.messages.page(
        c.id, before=None, after=c.seq // 2 - 25, limit=20
    ),
    "what the model reads": lambda c: c.unit.messages.path(c.id, leaf_of(c), limit=50),
    "one message": lambda c: c.unit.messages.get(c.id, leaf_of(c)),
    "the latest changes": lambda c: c.unit.feed.read(
        c.owner, after=c.unit.feed.head(c.owner) - 20, limit=100
    ),
    "the list": lambda c: c.unit.conversations.page(c.owner, archived=False, after=None, limit=50),
    "taking and settling": take_and_settle,
    "a checkpoint": one_checkpoint,
}


@pytest.mark.parametrize("what", COSTS)
def test_cost_does_not_grow_with_the_chat(chat: Chat, what: str) -> None:
    chat.grow(SHORT)
    if what == "a checkpoint":
        checkpoint(chat)
    before = chat.steps(COSTS[what])
    while chat.unit.queue.depths():
        take_and_settle(chat)
    chat.grow(LONG)
    if what == "a checkpoint":
        checkpoint(chat)
    assert chat.steps(COSTS[what]) <= before * 1.2


def test_the_counter_sees_what_grows(chat: Chat) -> None:
    """Reading everything does: the measure is no empty one."""

    def read_all(chat: Chat) -> None:
        chat.unit.messages.page(chat.id, before=None, after=0, limit=LONG)

    chat.grow(SHORT)
    before = chat.steps(read_all)
    chat.grow(2 * SHORT)
    assert chat.steps(read_all) > 1.8 * before
