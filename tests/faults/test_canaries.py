"""Canaries: nothing that people wrote is found in the files; whatever is altered or moved is found
out.

1,000 marked messages go through the store; then every file is searched for the mark. Every bit of
1,000 ciphertexts is flipped, and every column of every row is altered and swapped.
"""
# ruff: noqa: S608  statements are made of the schema's own names

import asyncio
import base64
import shutil
import sqlite3
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.sql.backup import back_up
from tertulia.adapters.sql.data_keys import DataKeys
from tertulia.adapters.sql.message_rows import opened_row
from tertulia.adapters.sql.schema import conversations, messages
from tertulia.adapters.sql.sqlite import SqliteStore, open_sqlite_store
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author, Feedback, Message, Status
from tertulia.kit.errors import TamperedError
from tertulia.kit.sealing import Sealer
from tertulia.ports.store import MessageChange, RequestId, RequestOutcome, Tx
from tests.ports.stores import START, HandClock, NotedSignals, conversation, message

MARK: Final = "CanaryOfTheMine"
MANY: Final = 1000


@dataclass(frozen=True)
class Mine:
    """A store full of canaries."""

    folder: Path
    vault: MemoryVault
    store: SqliteStore
    conversation_ids: list[ConversationId]

    @property
    def database(self) -> Path:
        return self.folder / "t.db"


def marked(what: str) -> str:
    return f"{MARK} {what}"


@dataclass(frozen=True)
class Template:
    """What each test gets a copy of."""

    folder: Path
    vault: MemoryVault
    conversation_ids: list[ConversationId]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder, vault = tmp_path_factory.mktemp("mine"), MemoryVault()

    async def fill() -> list[ConversationId]:
        async with opened(folder, vault) as store:
            return [await store.write(lambda tx: talk(tx, MANY // 10)) for _ in range(10)]

    return Template(folder, vault, asyncio.run(fill()))


@pytest.fixture
async def mine(template: Template, tmp_path: Path) -> AsyncGenerator[Mine]:
    shutil.copy(template.folder / "t.db", tmp_path)
    vault = MemoryVault(template.vault.keyring)
    async with opened(tmp_path, vault) as store:
        yield Mine(tmp_path, vault, store, template.conversation_ids)


def opened(folder: Path, vault: MemoryVault) -> AbstractAsyncContextManager[SqliteStore]:
    return open_sqlite_store(folder / "t.db", vault, NotedSignals(), HandClock())


def talk(tx: Tx, count: int) -> ConversationId:
    """A conversation of marked messages in every state, with everything that can be marked."""
    owner = tx.accounts.owner().id
    made = tx.conversations.create(replace(conversation(owner), title=marked("title")))
    parent: MessageId | None = None
    for number in range(count):
        streaming = number % 5 == 4
        added = tx.messages.append(
            message(
                made.id,
                parent,
                author=Author.ASSISTANT if streaming else Author.USER,
                status=Status.STREAMING if streaming else Status.COMPLETE,
                text=marked(f"text {number}"),
            )
        )
        parent = added.id
        if streaming:
            add_pieces(tx, added)
        else:
            praise = Feedback(rating="up", comment=marked("comment"))
            change = MessageChange(feedback=praise, normalized=marked("normalized"))
            tx.messages.change(made.id, added.id, change)
        body = marked("request").encode()
        outcome = RequestOutcome(conversation_id=made.id, message_id=added.id, reply_id=None)
        tx.requests.record(owner, RequestId(added.id), body, outcome)
    return made.id


def add_pieces(tx: Tx, reply: Message) -> None:
    at = len(reply.text)
    for piece in range(4):
        text = marked(f"piece {piece}")
        tx.messages.checkpoint(reply.conversation_id, reply.id, epoch=1, offset=at, text=text)
        at += len(text)


# What is in the files


def disguises(word: str) -> Iterable[bytes]:
    """How a word may look in a file: as text of any encoding, in hex, in base64 at any offset."""
    plain = word.encode()
    yield from (plain, plain.lower(), plain.upper(), word.encode("utf-16-le"))
    yield from (plain.hex().encode(), plain.hex().upper().encode())
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + plain)
        yield encoded[4 if offset else 0 : -4]


def files_with(folder: Path, word: str) -> set[str]:
    looks = list(disguises(word))
    held = contents(folder).items()
    return {name for name, content in held if any(look in content for look in looks)}


async def test_no_canary_is_found_in_database_log_or_backup(mine: Mine) -> None:
    added = await mine.store.write(lambda tx: talk(tx, 50))
    await back_up(mine.store, mine.folder / "a.backup", made_at=START)
    assert files_with(mine.folder, MARK) == set()
    # The search was no empty one: ids are not secret, and are found by it.
    assert {"a.backup", "t.db-wal"} <= files_with(mine.folder, added)
    assert {"a.backup", "t.db"} <= files_with(mine.folder, mine.conversation_ids[0])


async def test_what_was_erased_is_overwritten_everywhere(mine: Mine) -> None:
    """Its key above all: without it, what an old copy may still hold says nothing."""
    cid = mine.conversation_ids[0]
    sealed = [
        *rows(mine, f"SELECT wrapped_key, title FROM conversations WHERE id = '{cid}'"),
        *rows(mine, f"SELECT body FROM messages WHERE conversation_id = '{cid}'"),
        *rows(mine, f"SELECT body FROM checkpoints WHERE conversation_id = '{cid}'"),
    ]
    await mine.store.write(lambda tx: tx.conversations.touch(cid, MessageId("m")))
    await mine.store.write(lambda tx: tx.conversations.erase(cid))
    held = b"".join(contents(mine.folder).values())
    assert [value for row in sealed for value in row if value in held] == []


# What is altered


@pytest.mark.parametrize("count", [100, pytest.param(MANY, marks=pytest.mark.slow)])
async def test_every_flipped_bit_of_a_ciphertext_is_detected(mine: Mine, count: int) -> None:
    keys = DataKeys(mine.vault)
    found = rows(
        mine,
        f"SELECT {', '.join(f'm.{name}' for name in MESSAGE_COLUMNS)}, owner_id, key_version, "
        f"wrapped_key FROM messages m JOIN conversations c ON c.id = conversation_id LIMIT {count}",
    )
    assert len(found) == count
    for *row, owner_id, version, wrapped in found:
        sealer = keys.sealer(owner_id, row[0], version, wrapped)
        opened_row(tuple(row), owner_id, sealer)
        flips = len(row[-1]) * 8
        passed = sum(
            opens((*row[:-1], flipped(row[-1], n)), owner_id, sealer) for n in range(flips)
        )
        assert passed == 0


def flipped(sealed: bytes, bit: int) -> bytes:
    altered = bytearray(sealed)
    altered[bit // 8] ^= 1 << bit % 8
    return bytes(altered)


def opens(row: tuple[Any, ...], owner_id: str, sealer: Sealer) -> bool:
    try:
        opened_row(row, owner_id, sealer)
    except TamperedError:
        return False
    return True


# What is said of a text's way to the history log is not bound by its seal; what it leads to is.
MESSAGE_COLUMNS: Final = [c.name for c in messages.c if c.name not in {"moved", "due_us"}]
CONVERSATION_COLUMNS: Final = [c.name for c in conversations.c]


@pytest.mark.parametrize(
    ("column", "other"),
    [(name, "next") for name in MESSAGE_COLUMNS if name != "conversation_id"]
    + [(name, "elsewhere") for name in MESSAGE_COLUMNS if name != "seq"],
)
async def test_a_message_with_a_column_of_another_is_detected(
    mine: Mine, column: str, other: str
) -> None:
    mine_id, elsewhere = mine.conversation_ids[:2]
    first = f"conversation_id = '{mine_id}' AND seq = 4"
    second = (
        first.replace("seq = 4", "seq = 5")
        if other == "next"
        else first.replace(mine_id, elsewhere)
    )
    [(there,)] = rows(mine, f"SELECT {column} FROM messages WHERE {second}")
    [(here, mid)] = rows(mine, f"SELECT {column}, id FROM messages WHERE {first}")
    if here == there:  # these two agree in it; any other value must be noticed as well
        there = changed(here)
    alter(mine, "DELETE FROM checkpoints")
    if column in {"id", "seq", "conversation_id"}:
        alter(mine, f"DELETE FROM messages WHERE {second}")
    alter(mine, f"UPDATE messages SET {column} = ? WHERE {first}", there)
    where = there if column == "conversation_id" else mine_id
    await refused(mine, ConversationId(where), MessageId(there if column == "id" else mid))


async def refused(mine: Mine, cid: ConversationId, mid: MessageId) -> None:
    with pytest.raises(TamperedError):
        await mine.store.read(lambda tx: tx.messages.get(cid, mid))
    with pytest.raises(TamperedError):
        await mine.store.read(lambda tx: tx.messages.page(cid, before=None, after=None, limit=1000))
    with pytest.raises(TamperedError):
        await mine.store.write(lambda tx: tx.messages.change(cid, mid, MessageChange(model="m")))


@pytest.mark.parametrize("column", CONVERSATION_COLUMNS)
async def test_a_conversation_with_a_column_of_another_is_detected(mine: Mine, column: str) -> None:
    cid, other = mine.conversation_ids[:2]
    [(here,)] = rows(mine, f"SELECT {column} FROM conversations WHERE id = '{cid}'")
    [(there,)] = rows(mine, f"SELECT {column} FROM conversations WHERE id = '{other}'")
    if here == there:
        there = changed(here)
    if column == "id":
        alter(mine, f"DELETE FROM conversations WHERE id = '{other}'")
    if column == "key_version":
        mine.vault.rotate()
        there = mine.vault.version
    # Its key is held from now on: that must not hide what is wrong with the row.
    await mine.store.read(lambda tx: tx.conversations.get(cid))
    await mine.store.write(lambda tx: tx.conversations.get(cid))
    alter(mine, f"UPDATE conversations SET {column} = ? WHERE id = '{cid}'", there)
    name = ConversationId(str(there)) if column == "id" else cid
    with pytest.raises(TamperedError):
        await mine.store.read(lambda tx: tx.conversations.get(name))
    with pytest.raises(TamperedError):
        await mine.store.write(lambda tx: tx.conversations.touch(name, MessageId("m")))


async def test_an_older_text_put_back_is_detected(mine: Mine) -> None:
    cid = mine.conversation_ids[0]
    [(mid, old)] = rows(
        mine, f"SELECT id, body FROM messages WHERE conversation_id = '{cid}' AND seq = 1"
    )
    change = MessageChange(text="now something else")
    await mine.store.write(lambda tx: tx.messages.change(cid, mid, change))
    alter(mine, f"UPDATE messages SET body = ? WHERE id = '{mid}'", old)
    await refused(mine, cid, mid)


REPLY: Final = "message_id = (SELECT min(message_id) FROM checkpoints)"
ALTERATIONS: Final = {
    "bodies swapped": (
        "UPDATE checkpoints AS c SET body = (SELECT o.body FROM checkpoints o WHERE "
        f"o.message_id = c.message_id AND o.start <> c.start LIMIT 1) WHERE {REPLY}"
    ),
    "one taken out": (
        f"DELETE FROM checkpoints WHERE {REPLY} AND start = "
        f"(SELECT start FROM checkpoints WHERE {REPLY} ORDER BY start LIMIT 1 OFFSET 1)"
    ),
    "the first taken out": (
        f"DELETE FROM checkpoints WHERE {REPLY} AND start = "
        f"(SELECT min(start) FROM checkpoints WHERE {REPLY})"
    ),
    "all moved on": f"UPDATE checkpoints SET start = start + 1000 WHERE {REPLY}",
    "another epoch": f"UPDATE checkpoints SET epoch = 2 WHERE {REPLY}",
    "another length": f"UPDATE checkpoints SET characters = characters + 1 WHERE {REPLY}",
    "another message's": (
        f"UPDATE checkpoints AS c SET body = (SELECT o.body FROM checkpoints o WHERE "
        f"o.start = c.start AND o.message_id <> c.message_id LIMIT 1) WHERE {REPLY}"
    ),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
async def test_altered_checkpoints_are_detected(mine: Mine, alteration: str) -> None:
    [(cid, mid)] = rows(
        mine, f"SELECT DISTINCT conversation_id, message_id FROM checkpoints WHERE {REPLY}"
    )
    await mine.store.read(lambda tx: tx.messages.get(cid, mid))
    alter(mine, ALTERATIONS[alteration])
    with pytest.raises(TamperedError):
        await mine.store.read(lambda tx: tx.messages.get(cid, mid))


def rows(mine: Mine, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(mine.database)) as raw:
        return raw.execute(query).fetchall()


def alter(mine: Mine, statement: str, *values: object) -> None:
    """As somebody would who can write the file."""
    with closing(sqlite3.connect(mine.database, isolation_level=None)) as raw:
        assert raw.execute(statement, values).rowcount > 0


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case int():
            return value + 1000
        case bytes():
            return value[:-1] + bytes([value[-1] ^ 1])
        case None:
            return "something"
        case _:
            others = {"user": "assistant", "complete": "failed", "chat": "simple"}
            return others.get(value, "something else")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}
