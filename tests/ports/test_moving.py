"""Texts on their way to the history log: at each moment they are in one of two places, and the
store's row says in which."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from tertulia.adapters.memory.history import MemoryHistory
from tertulia.adapters.sql.backup import back_up
from tertulia.adapters.sql.copied_texts import fetch_back
from tertulia.adapters.sql.history_care import compare, enlist, mend
from tertulia.adapters.sql.moving import MovingStore
from tertulia.adapters.sql.relocation import relocate
from tertulia.adapters.sql.restore import restore
from tertulia.adapters.sql.rotation import rotate_master_key
from tertulia.adapters.sql.sqlite import SqliteStore, open_sqlite_store
from tertulia.adapters.sql.transfer import Side
from tertulia.domain.ids import ConversationId
from tertulia.domain.messages import Author, Feedback, Message, Status
from tertulia.ports.history import (
    ChosenHistory,
    HistoryUnavailableError,
    Moved,
    TextKey,
    TextLostError,
)
from tertulia.ports.store import MessageChange, Store
from tests.ports.moved import AT_ONCE, beside
from tests.ports.stores import START, STORES, NotedSignals, World, message, on_its_server

DAY = timedelta(days=1)


@dataclass
class TestedHistory(MemoryHistory):
    """Notes what it is asked, and does `meanwhile` before it keeps something."""

    __test__ = False

    texts: dict[TextKey, bytes] = field(default_factory=dict[TextKey, bytes])
    away: bool = False
    deaf: bool = False
    fetches: list[int] = field(default_factory=list[int])
    meanwhile: Any = None

    async def keep(self, texts: Mapping[TextKey, bytes]) -> frozenset[TextKey]:
        if self.meanwhile is not None:
            await self.meanwhile()
        kept = await super().keep({} if self.deaf else texts)
        return frozenset(texts) if self.deaf else kept

    async def fetch(self, keys: Sequence[TextKey]) -> Mapping[TextKey, bytes]:
        self.fetches.append(len(keys))
        return await super().fetch(keys)


@dataclass(frozen=True)
class Two:
    """A database, and the store that it makes together with a log."""

    world: World
    store: MovingStore
    log: TestedHistory
    cid: ConversationId

    async def say(self, text: str = "hello", status: Status = Status.COMPLETE) -> Message:
        new = message(self.cid, text=text, author=Author.ASSISTANT, status=status)
        return await self.store.write(lambda tx: tx.messages.append(new))

    async def change(self, of: Message, change: MessageChange) -> Message:
        return await self.store.write(lambda tx: tx.messages.change(self.cid, of.id, change))

    async def get(self, of: Message, store: Store | None = None) -> Message | None:
        return await (store or self.store).read(lambda tx: tx.messages.get(self.cid, of.id))

    async def page(self) -> Sequence[Message]:
        return await self.store.read(
            lambda tx: tx.messages.page(self.cid, before=None, after=0, limit=100), brief=True
        )

    async def move(self) -> Moved:
        return await self.store.move(limit=100)

    async def in_store(self) -> list[str]:
        """The texts that the database itself has."""
        found: list[str] = []
        for each in await self.page():
            try:
                alone = await self.get(each, self.world.store)
            except HistoryUnavailableError:
                continue
            assert alone is not None
            found.append(alone.text)
        return found


def two_of(world: World, cid: ConversationId, chosen: ChosenHistory = AT_ONCE) -> Two:
    log = TestedHistory()
    return Two(world, beside(world.store, log, chosen), log, cid)


@pytest.fixture(params=[on_its_server(name, store) for name, store in STORES.items()])
async def two(request: pytest.FixtureRequest) -> AsyncGenerator[Two]:
    opening, needs = request.param
    async with opening(request.getfixturevalue(needs)) as world:
        yield two_of(world, await world.conversation())


@pytest.fixture
async def on_file(tmp_path: Path) -> AsyncGenerator[Two]:
    opening, _ = STORES["sqlite"]
    async with opening(tmp_path) as world:
        yield two_of(world, await world.conversation())


async def test_a_text_leaves_the_database_and_stays_readable(two: Two) -> None:
    said = await two.say("hello")
    assert await two.move() == Moved(texts=1)
    assert await two.in_store() == []
    assert [*two.log.texts.values()] != []
    assert await two.get(said) == said
    assert await two.page() == [said]


async def test_a_reply_that_is_not_at_its_end_stays(two: Two) -> None:
    reply = await two.say("half", Status.STREAMING)
    assert await two.move() == Moved()
    ended = await two.change(reply, MessageChange(text="whole", status=Status.COMPLETE))
    assert await two.move() == Moved(texts=1)
    assert await two.get(reply) == ended


async def test_a_text_moves_when_it_was_left_alone_for_long_enough(two: Two) -> None:
    two = two_of(two.world, two.cid, ChosenHistory(move_after=DAY))
    said = await two.say()
    two.world.clock.pass_time(DAY / 2)
    rated = await two.change(said, MessageChange(feedback=Feedback(rating="up")))
    two.world.clock.pass_time(DAY / 2)
    assert await two.move() == Moved()
    two.world.clock.pass_time(DAY / 2)
    assert await two.store.behind() == timedelta(0)
    assert await two.move() == Moved(texts=1)
    assert await two.get(said) == rated


async def test_how_far_moving_is_behind_is_known(two: Two) -> None:
    await two.say()
    two.world.clock.pass_time(timedelta(minutes=5))
    assert await two.store.behind() == timedelta(minutes=5)
    await two.move()
    assert await two.store.behind() == timedelta(0)


async def test_what_is_changed_is_in_the_database_again_and_moves_again(two: Two) -> None:
    said = await two.say("hello")
    await two.move()
    rated = await two.change(said, MessageChange(feedback=Feedback(rating="up", comment="yes")))
    assert await two.in_store() == ["hello"]
    assert await two.move() == Moved(texts=1)
    assert await two.get(said) == rated


async def test_the_database_keeps_what_the_log_only_says_that_it_has(two: Two) -> None:
    said = await two.say("hello")
    two.log.deaf = True
    assert await two.move() == Moved(refused=1)
    assert await two.get(said, two.world.store) == said
    two.log.deaf = False
    assert await two.move() == Moved()  # not again at once
    two.world.clock.pass_time(timedelta(minutes=1))
    assert await two.move() == Moved(texts=1)
    assert await two.get(said) == said


async def test_a_text_that_changes_on_its_way_is_not_lost(two: Two) -> None:
    said = await two.say("hello")

    async def rate() -> None:
        two.log.meanwhile = None
        await two.change(said, MessageChange(feedback=Feedback(rating="down")))

    two.log.meanwhile = rate
    assert await two.move() == Moved(refused=1)
    found = await two.get(said)
    assert found is not None
    assert (found.text, found.feedback) == ("hello", Feedback(rating="down"))
    assert await two.move() == Moved(texts=1)
    assert await two.get(said) == found


async def test_a_conversation_erased_on_a_texts_way_leaves_nothing_in_the_log(two: Two) -> None:
    await two.say("hello")

    async def erase() -> None:
        two.log.meanwhile = None
        await two.store.write(lambda tx: tx.conversations.erase(two.cid))
        await two.move()

    two.log.meanwhile = erase
    await two.move()
    assert two.log.texts != {}
    assert await two.move() == Moved(erased=1)
    assert two.log.texts == {}


async def test_moving_twice_at_once_moves_once(two: Two) -> None:
    said = await two.say("hello")

    async def other() -> None:
        two.log.meanwhile = None
        assert await two.move() == Moved(texts=1)

    two.log.meanwhile = other
    assert await two.move() == Moved(refused=1)
    assert await two.get(said) == said


async def test_an_erased_conversation_leaves_the_log_a_while_later(two: Two) -> None:
    two = two_of(two.world, two.cid, ChosenHistory(move_after=timedelta(0), erase_after=DAY))
    await two.say()
    await two.move()
    await two.store.write(lambda tx: tx.conversations.erase(two.cid))
    assert await two.move() == Moved()
    two.world.clock.pass_time(DAY)
    two.log.away = True
    with pytest.raises(HistoryUnavailableError):
        await two.move()
    two.log.away = False
    assert await two.move() == Moved(erased=1)
    assert two.log.texts == {}
    assert await two.move() == Moved()


async def test_a_store_without_a_log_notes_no_erasure(two: Two) -> None:
    world, store = two.world, two.world.store
    for with_messages in (True, False):
        cid = await world.conversation()
        if with_messages:
            await world.append(message(cid))
        await store.write(lambda tx, it=cid: tx.conversations.erase(it))
    assert (await two.store.counts())["erasures"] == 0


async def test_while_the_log_is_away_only_what_moved_is_missing(two: Two) -> None:
    old = await two.say("old")
    await two.move()
    two.log.away = True
    new = await two.say("new")
    assert await two.get(new) == new
    for reading in (two.get(old), two.page(), two.move()):
        with pytest.raises(HistoryUnavailableError):
            await reading
    with pytest.raises(HistoryUnavailableError):
        await two.change(old, MessageChange(feedback=Feedback(rating="up")))
    two.log.away = False
    assert await two.page() == [old, new]
    assert await two.move() == Moved(texts=1)


async def test_a_lost_text_is_said_to_be_lost(two: Two) -> None:
    lost, other = await two.say("one"), await two.say("two")
    await two.move()
    two.log.texts.pop(next(key for key in two.log.texts if key.seq == lost.seq))
    with pytest.raises(TextLostError):
        await two.get(lost)
    assert await two.get(other) == other


async def test_an_altered_text_is_as_good_as_lost(two: Two) -> None:
    said = await two.say("one")
    await two.move()
    [key] = two.log.texts
    two.log.texts[key] = two.log.texts[key][::-1]
    with pytest.raises(TextLostError):
        await two.get(said)


async def test_a_page_asks_the_log_once(two: Two) -> None:
    said = [await two.say(str(number)) for number in range(7)]
    await two.move()
    two.log.fetches.clear()
    assert await two.page() == said
    assert two.log.fetches == [7]


async def test_the_feed_asks_the_log_once(two: Two) -> None:
    said = [await two.say(str(number)) for number in range(7)]
    await two.move()
    two.log.fetches.clear()
    owner = two.world.owner
    feed = await two.store.read(lambda tx: tx.feed.read(owner, after=0, limit=100))
    assert [change.message for change in feed.changes if change.message] == said
    assert two.log.fetches == [7]


async def test_a_unit_of_work_that_needed_a_text_happens_once(two: Two) -> None:
    said = await two.say("hello")
    await two.move()

    def twice(tx: Any) -> None:
        tx.messages.append(message(two.cid, text="before"))
        tx.messages.change(two.cid, said.id, MessageChange(feedback=Feedback(rating="up")))

    await two.store.write(twice)
    assert [(m.text, m.revision) for m in await two.page()] == [("hello", 2), ("before", 1)]


async def test_texts_from_before_there_was_a_log_move_when_asked(two: Two) -> None:
    old = message(two.cid, text="old")
    before = await two.world.append(old)
    unfinished = await two.world.append(message(two.cid, status=Status.STREAMING))
    assert await two.move() == Moved()
    assert await enlist(two.store, lambda _: None) == 1
    assert await enlist(two.store, lambda _: None) == 0
    assert await two.move() == Moved(texts=1)
    assert await two.page() == [before, unfinished]


async def test_moved_texts_outlive_a_rotation_of_the_master_key(two: Two) -> None:
    said = await two.say("hello")
    await two.move()
    await rotate_master_key(two.store, two.world.vault, retire=True)
    assert await two.get(said) == said


async def test_what_the_log_misses_is_found_out(two: Two) -> None:
    for number in range(3):
        await two.say(str(number))
    await two.move()
    assert (await compare(two.store, two.log, lambda _: None)).lost == {}
    two.log.texts.popitem()
    found = await compare(two.store, two.log, lambda _: None)
    assert (found.texts, found.lost) == (3, {two.cid: 1})


# A copy is whole by itself


async def backup_of(two: Two, folder: Path) -> Path:
    file = folder / "backup"
    await back_up(two.store, file, made_at=START)
    return file


def restored(two: Two, file: Path) -> AbstractAsyncContextManager[Store]:
    path = file.with_name("restored.db")
    restore(file, path, two.world.vault)
    return open_sqlite_store(path, two.world.vault, NotedSignals(), two.world.clock)


async def test_a_backup_holds_what_was_moved(two: Two, tmp_path: Path) -> None:
    moved = await two.say("moved")
    await two.move()
    await two.say("not moved")
    file = await backup_of(two, tmp_path)
    async with restored(two, file) as alone:
        assert await two.get(moved, alone) == moved
        again = two_of(two.world, two.cid)
        store = beside(alone, again.log)
        assert await store.move(limit=10) == Moved(texts=2)
        assert await two.get(moved, store) == moved


async def test_a_backup_says_what_it_lacks_and_holds_the_rest(on_file: Two, tmp_path: Path) -> None:
    lost, there = await on_file.say("lost"), await on_file.say("there")
    await on_file.move()
    kept = dict(on_file.log.texts)
    del on_file.log.texts[next(key for key in kept if key.seq == lost.seq)]
    about = await back_up(on_file.store, tmp_path / "backup", made_at=START)
    assert about.lost == 1
    async with restored(on_file, tmp_path / "backup") as alone:
        assert await on_file.get(there, alone) == there
        found = TestedHistory(texts=kept)
        assert await on_file.get(lost, beside(alone, found)) == lost


async def test_no_backup_is_made_while_the_log_is_away(on_file: Two, tmp_path: Path) -> None:
    await on_file.say()
    await on_file.move()
    on_file.log.away = True
    with pytest.raises(HistoryUnavailableError):
        await backup_of(on_file, tmp_path)
    assert not (tmp_path / "backup").exists()


async def test_a_migrated_database_holds_what_was_moved(on_file: Two, tmp_path: Path) -> None:
    """Also when the log went away on the way, and the same was done again."""
    said = [await on_file.say(str(number)) for number in range(250)]
    while (await on_file.move()).more:
        pass
    source, target = tmp_path / "source.db", tmp_path / "target.db"
    source.touch()
    await cast("SqliteStore", on_file.world.store).copy(source)
    for broken_after in (2, None):
        with nullcontext() if broken_after is None else pytest.raises(HistoryUnavailableError):
            await asyncio.to_thread(moved_to, source, target, on_file.log, broken_after)
    clock, vault = on_file.world.clock, on_file.world.vault
    async with open_sqlite_store(target, vault, NotedSignals(), clock) as alone:
        page = await alone.read(
            lambda tx: tx.messages.page(on_file.cid, before=None, after=0, limit=1000)
        )
    assert page == said
    async with open_sqlite_store(source, vault, NotedSignals(), clock) as as_before:
        with pytest.raises(HistoryUnavailableError):
            await on_file.get(said[0], as_before)


def moved_to(source: Path, target: Path, log: TestedHistory, broken_after: int | None) -> None:
    """`broken_after` so many fetches the log is away."""
    fetches = 0

    class Broken(MemoryHistory):
        async def fetch(self, keys: Sequence[TextKey]) -> Mapping[TextKey, bytes]:
            nonlocal fetches
            if fetches == broken_after:
                raise HistoryUnavailableError
            fetches += 1
            return await log.fetch(keys)

    def complete(copy: Side) -> None:
        assert asyncio.run(fetch_back(copy, Broken())) == 0

    urls = (f"sqlite:///{source}", f"sqlite:///{target}")
    relocate(*urls, on_progress=lambda _table, _done, _total: None, complete=complete)


async def test_the_log_is_mended_from_a_backup(two: Two, tmp_path: Path) -> None:
    known = await two.say("known")
    await two.move()
    file = await backup_of(two, tmp_path)
    unknown = await two.say("said since")
    await two.move()
    two.log.texts.clear()
    found = await mend(two.store, two.log, file, lambda _: None)
    assert (found.texts, found.mended, found.lost) == (2, 1, {two.cid: 1})
    assert await two.get(known) == known
    with pytest.raises(TextLostError):
        await two.get(unknown)


async def test_a_reader_of_an_older_life_keeps_its_texts(on_file: Two, tmp_path: Path) -> None:
    """A database that was replaced by its backup shares the log with what came after."""
    said = await on_file.say("hello")
    file = await backup_of(on_file, tmp_path)
    first = await on_file.change(said, MessageChange(feedback=Feedback(rating="up")))
    await on_file.move()
    async with restored(on_file, file) as alone:
        store = beside(alone, on_file.log)
        on_file.world.clock.pass_time(DAY)
        rating = MessageChange(feedback=Feedback(rating="down"))
        await store.write(lambda tx: tx.messages.change(on_file.cid, said.id, rating))
        assert await store.move(limit=10) == Moved(texts=1)
    assert await on_file.get(said) == first
