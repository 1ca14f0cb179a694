"""Backup and restore: whole or not at all, nothing overwritten, unreadable without the key."""

import asyncio
import errno
import sqlite3
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path, PosixPath
from typing import Final, NoReturn, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tertulia.adapters.keyfile import Keyring, MemoryVault, disclose, enclose
from tertulia.adapters.sql.backup import (
    BackupDamagedError,
    TargetExistsError,
    TargetUnwritableError,
    back_up,
    read_backup,
)
from tertulia.adapters.sql.migrate import HEAD
from tertulia.adapters.sql.restore import restore
from tertulia.adapters.sql.sqlite import SqliteStore, open_sqlite_store
from tertulia.domain.ids import ConversationId, UserId
from tertulia.domain.messages import Message
from tertulia.kit.clock import SystemClock
from tertulia.kit.ids import new_id
from tertulia.ports.key_vault import KeyMissingError
from tertulia.ports.store import Credential, CredentialKind, StoreUnavailableError
from tertulia.ports.store_admin import DatabaseNewerError, StoreAdmin, WrongKeyError
from tests.ports.stores import START, NotedSignals, conversation, message

KINDS: Final[tuple[CredentialKind, ...]] = ("link", "session", "token")
SECRET = "a secret nobody may read in a backup"


@dataclass(frozen=True)
class Chat:
    """A database with one conversation, and a backup of it."""

    folder: Path
    vault: MemoryVault
    owner: UserId
    conversation_id: ConversationId
    messages: list[Message]

    @property
    def backup(self) -> Path:
        return self.folder / "chat.backup"

    @property
    def restored(self) -> Path:
        return self.folder / "restored" / "t.db"


@asynccontextmanager
async def opened(database: Path, vault: MemoryVault) -> AsyncGenerator[SqliteStore]:
    async with open_sqlite_store(database, vault, NotedSignals(), SystemClock()) as store:
        yield store


async def messages_in(database: Path, chat: Chat) -> list[Message]:
    async with opened(database, chat.vault) as store:
        found = await store.read(
            lambda tx: tx.messages.page(
                chat.conversation_id, before=None, after=None, limit=100_000
            )
        )
        return list(found)


@pytest.fixture
async def chat(tmp_path: Path) -> Chat:
    vault = MemoryVault()
    async with opened(tmp_path / "t.db", vault) as store:
        owner = await store.write(lambda tx: tx.accounts.owner())
        made = await store.write(lambda tx: tx.conversations.create(conversation(owner.id)))
        added = [
            await store.write(lambda tx: tx.messages.append(message(made.id, text=SECRET)))
            for _ in range(5)
        ]
        await back_up(store, tmp_path / "chat.backup", made_at=START)
    (tmp_path / "restored").mkdir()
    return Chat(tmp_path, vault, owner.id, made.id, added)


async def test_a_restored_backup_holds_what_was_backed_up(chat: Chat) -> None:
    assert restore(chat.backup, chat.restored, chat.vault) is None
    assert await messages_in(chat.restored, chat) == chat.messages
    assert names(chat.restored.parent) == {"t.db"}


async def test_a_backup_says_what_it_is(chat: Chat) -> None:
    about = read_backup(chat.backup)
    assert (about.made_at, about.revision, about.envelope) == (START, HEAD, None)


async def test_the_files_are_for_their_owner_alone(chat: Chat) -> None:
    restore(chat.backup, chat.restored, chat.vault)
    assert mode(chat.backup) == mode(chat.restored) == 0o600


async def test_a_backup_holds_no_text_and_no_key(chat: Chat) -> None:
    envelope = enclose(chat.vault.keyring, "correct horse")
    target = chat.folder / "with-key.backup"
    async with opened(chat.folder / "t.db", chat.vault) as store:
        await back_up(store, target, made_at=START, envelope=envelope)
    held = content(target)
    keyring = chat.vault.keyring
    for secret in (SECRET.encode(), keyring.root, *keyring.keys.values(), *texts(keyring)):
        assert secret not in held


async def test_the_key_comes_out_of_its_envelope(chat: Chat) -> None:
    target = chat.folder / "with-key.backup"
    async with opened(chat.folder / "t.db", chat.vault) as store:
        envelope = enclose(chat.vault.keyring, "correct horse")
        await back_up(store, target, made_at=START, envelope=envelope)
    found = read_backup(target).envelope
    assert found is not None
    vault = MemoryVault(disclose(found, "correct horse"))
    restore(target, chat.restored, vault)
    assert await messages_in(chat.restored, chat) == chat.messages


async def test_a_backup_made_while_serving_is_consistent(chat: Chat) -> None:
    """However it falls between the writes, no message lacks its feed entry or its number."""
    done = asyncio.Event()
    async with opened(chat.folder / "t.db", chat.vault) as store:

        async def write_on() -> None:
            while not done.is_set():
                await store.write(lambda tx: tx.messages.append(message(chat.conversation_id)))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write_on())
            for number in range(5):
                await back_up(store, chat.folder / f"{number}.backup", made_at=START)
            done.set()
    for number in range(5):
        database = chat.folder / f"{number}.db"
        restore(chat.folder / f"{number}.backup", database, chat.vault)
        found = await messages_in(database, chat)
        assert [m.seq for m in found] == list(range(1, len(found) + 1))
        with closing(sqlite3.connect(database)) as raw:
            numbered = raw.execute("SELECT count(*) FROM feed WHERE kind = 'message'").fetchone()
        assert numbered == (len(found),)


async def test_a_backup_never_overwrites(chat: Chat) -> None:
    before = content(chat.backup)
    async with opened(chat.folder / "t.db", chat.vault) as store:
        with pytest.raises(TargetExistsError):
            await back_up(store, chat.backup, made_at=START)
    assert content(chat.backup) == before


async def test_a_backup_into_nowhere_is_one_sentence(chat: Chat) -> None:
    async with opened(chat.folder / "t.db", chat.vault) as store:
        with pytest.raises(TargetUnwritableError, match="cannot be written"):
            await back_up(store, chat.folder / "nowhere" / "b", made_at=START)


class BrokenStore:
    """A store whose copy breaks off half way."""

    revision = "0001"

    async def copy(self, target: Path) -> None:
        write(target, b"half a database")
        raise StoreUnavailableError


async def test_a_backup_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    store = cast("StoreAdmin", BrokenStore())
    with pytest.raises(StoreUnavailableError):
        await back_up(store, tmp_path / "b", made_at=START)
    assert names(tmp_path) == set()


@given(data=st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_backup_is_refused(chat: Chat, data: st.DataObject) -> None:
    """Any flipped bit, any cut, anything appended."""
    held = content(chat.backup)
    position = data.draw(st.integers(0, len(held) - 1))
    damaged = data.draw(
        st.sampled_from(
            [
                held[:position]
                + bytes([held[position] ^ 1 << position % 8])
                + held[position + 1 :],
                held[:position],
                held + b"x",
            ]
        )
    )
    file = chat.folder / "damaged.backup"
    write(file, damaged)
    with pytest.raises(BackupDamagedError):
        restore(file, chat.restored, chat.vault)
    assert names(chat.restored.parent) == set()


@pytest.mark.parametrize("held", [b"", b"x", b"TERTULIA BACKUP1", b"SQLite format 3\0" * 100])
def test_what_is_no_backup_is_refused(tmp_path: Path, held: bytes) -> None:
    write(tmp_path / "b", held)
    with pytest.raises(BackupDamagedError):
        restore(tmp_path / "b", tmp_path / "t.db", MemoryVault())
    assert names(tmp_path) == {"b"}


def test_a_missing_backup_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BackupDamagedError, match="cannot be read"):
        restore(tmp_path / "b", tmp_path / "t.db", MemoryVault())


async def test_a_backup_of_a_newer_version_is_refused(chat: Chat) -> None:
    with closing(sqlite3.connect(chat.folder / "t.db", isolation_level=None)) as raw:
        async with opened(chat.folder / "t.db", chat.vault) as store:
            raw.execute("UPDATE alembic_version SET version_num = '9999'")
            await back_up(store, chat.folder / "newer", made_at=START)
    with pytest.raises(DatabaseNewerError):
        restore(chat.folder / "newer", chat.restored, chat.vault)
    assert names(chat.restored.parent) == set()


def test_a_backup_of_another_key_is_refused(chat: Chat) -> None:
    with pytest.raises(WrongKeyError):
        restore(chat.backup, chat.restored, MemoryVault())
    assert names(chat.restored.parent) == set()


def test_a_backup_whose_key_was_retired_is_refused(chat: Chat) -> None:
    chat.vault.rotate()
    chat.vault.retire(before=2)
    with pytest.raises(KeyMissingError):
        restore(chat.backup, chat.restored, chat.vault)
    assert names(chat.restored.parent) == set()


async def test_a_database_is_not_overwritten(chat: Chat) -> None:
    with pytest.raises(TargetExistsError):
        restore(chat.backup, chat.folder / "t.db", chat.vault)
    assert await messages_in(chat.folder / "t.db", chat) == chat.messages


async def test_a_database_that_is_replaced_is_kept(chat: Chat) -> None:
    database = chat.folder / "t.db"
    async with opened(database, chat.vault) as store:
        later = await store.write(
            lambda tx: tx.messages.append(message(chat.conversation_id, text="later"))
        )
    kept = restore(chat.backup, database, chat.vault, replace=True)
    assert await messages_in(database, chat) == chat.messages
    assert kept is not None
    assert await messages_in(kept, chat) == [*chat.messages, later]


async def test_what_only_the_log_holds_is_kept_too(chat: Chat) -> None:
    """The process that wrote it was killed, so its log was never folded in."""
    database = chat.folder / "t.db"
    async with opened(database, chat.vault) as store:
        later = await store.write(
            lambda tx: tx.messages.append(message(chat.conversation_id, text="later"))
        )
        files = {file: file.read_bytes() for file in (database, log_of(database))}
    for file, held in files.items():
        write(file, held)
    kept = restore(chat.backup, database, chat.vault, replace=True)
    assert kept is not None
    assert await messages_in(kept, chat) == [*chat.messages, later]
    assert await messages_in(database, chat) == chat.messages


async def test_even_a_damaged_database_is_kept_with_its_log(chat: Chat) -> None:
    database = chat.folder / "t.db"
    write(database, b"damaged")
    write(log_of(database), b"and its log")
    kept = restore(chat.backup, database, chat.vault, replace=True)
    assert kept is not None
    assert (content(kept), content(log_of(kept))) == (b"damaged", b"and its log")
    assert await messages_in(database, chat) == chat.messages


async def test_two_replacements_keep_both(chat: Chat) -> None:
    database = chat.folder / "t.db"
    first = restore(chat.backup, database, chat.vault, replace=True)
    second = restore(chat.backup, database, chat.vault, replace=True)
    assert first != second
    assert first
    assert first.exists()


class Stick(PosixPath):
    """A path on a file system that knows no second name for a file."""

    def hardlink_to(self, target: object) -> NoReturn:
        if self.exists():
            raise FileExistsError(errno.EEXIST, "File exists")
        raise PermissionError(errno.EPERM, f"Operation not permitted: {target}")


async def test_a_memory_stick_takes_a_backup_and_overwrites_none(chat: Chat) -> None:
    stick = Stick(chat.folder / "stick.backup")
    async with opened(chat.folder / "t.db", chat.vault) as store:
        await back_up(store, stick, made_at=START)
        with pytest.raises(TargetExistsError):
            await back_up(store, stick, made_at=START)
    restore(stick, Stick(chat.restored), chat.vault)
    assert await messages_in(chat.restored, chat) == chat.messages


async def test_a_memory_stick_keeps_what_is_replaced(chat: Chat) -> None:
    database = Stick(chat.folder / "t.db")
    kept = [restore(chat.backup, database, chat.vault, replace=True) for _ in range(2)]
    assert len(set(kept)) == 2
    for path in kept:
        assert path
        assert await messages_in(path, chat) == chat.messages


async def test_the_log_of_a_database_that_is_gone_is_not_replayed(chat: Chat) -> None:
    database = chat.folder / "t.db"
    async with opened(database, chat.vault) as store:
        await store.write(lambda tx: tx.messages.append(message(chat.conversation_id)))
        log = content(log_of(database))
    write(log_of(chat.restored), log)
    restore(chat.backup, chat.restored, chat.vault)
    assert await messages_in(chat.restored, chat) == chat.messages


async def test_every_older_cursor_must_resync_after_a_restore(chat: Chat) -> None:
    """Numbers are never given out twice with another meaning."""
    async with opened(chat.folder / "t.db", chat.vault) as store:
        for _ in range(10):
            await store.write(lambda tx: tx.messages.append(message(chat.conversation_id)))
        late = await store.read(lambda tx: tx.feed.head(chat.owner))
    restore(chat.backup, chat.restored, chat.vault)
    async with opened(chat.restored, chat.vault) as store:
        added = await store.write(lambda tx: tx.messages.append(message(chat.conversation_id)))
        for cursor in range(late + 1):
            page = await store.read(
                lambda tx, cursor=cursor: tx.feed.read(chat.owner, after=cursor, limit=10)
            )
            assert page.resync
        page = await store.read(lambda tx: tx.feed.read(chat.owner, after=page.head - 1, limit=10))
        assert [change.message for change in page.changes] == [added]


async def test_who_was_signed_in_signs_in_again_after_a_restore(chat: Chat) -> None:
    """Somebody may have signed out since the backup was made."""

    def sign_in(kind: CredentialKind) -> Credential:
        return Credential(
            id=new_id(),
            kind=kind,
            user_id=chat.owner,
            name="",
            created_at=START,
            expires_at=None,
            last_used_at=None,
        )

    async with opened(chat.folder / "t.db", chat.vault) as store:
        for kind in KINDS:
            await store.write(
                lambda tx, kind=kind: tx.credentials.add(sign_in(kind), kind.encode())
            )
        await back_up(store, chat.folder / "signed-in", made_at=START)
    restore(chat.folder / "signed-in", chat.restored, chat.vault)
    async with opened(chat.restored, chat.vault) as store:
        kept = [await store.read(lambda tx, kind=kind: tx.credentials.list(kind)) for kind in KINDS]
    assert [len(listed) for listed in kept] == [0, 0, 1]


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def content(file: Path) -> bytes:
    return file.read_bytes()


def write(file: Path, held: bytes) -> None:
    file.write_bytes(held)


def log_of(database: Path) -> Path:
    return database.with_name(database.name + "-wal")


def texts(keyring: Keyring) -> list[bytes]:
    return [line.encode() for line in keyring.to_text().split('"') if len(line) > 40]
