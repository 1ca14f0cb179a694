"""The history: a tree, paged both ways, written piece by piece, by one hand at a time."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author, ContextReport, Feedback, Labels, Message, Status, Usage
from tertulia.ports.store import (
    ANY_LENGTH,
    PAGE_CHARACTERS,
    AlreadyExistsError,
    MessageChange,
    MissingError,
    StaleEpochError,
    Tx,
)
from tests.ports.moved import MOVED_STORES
from tests.ports.stores import STORES, World, message, on_its_server


@pytest.fixture(
    params=[on_its_server(name, store) for name, store in {**STORES, **MOVED_STORES}.items()]
)
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    """Also those whose texts are not in the database."""
    opening, needs = request.param
    async with opening(request.getfixturevalue(needs)) as opened:
        yield opened


SHARED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
LABELS = Labels(language="de", confidence=0.9, characters=5, words=1, tokens=2, changed=True)


async def test_append_numbers_without_gaps_from_one(world: World) -> None:
    cid, other = await world.conversation(), await world.conversation()
    added = [await world.append(message(cid if n % 2 else other)) for n in range(6)]
    assert [m.seq for m in added if m.conversation_id == cid] == [1, 2, 3]
    assert [m.seq for m in added if m.conversation_id == other] == [1, 2, 3]


async def test_append_returns_what_get_finds(world: World) -> None:
    cid = await world.conversation()
    added = await world.append(replace(message(cid, text="Grüße 🎈"), model="echo"))
    assert (added.epoch, added.revision, added.model) == (1, 1, "echo")
    assert added.created_at == added.updated_at == world.clock.now()
    assert await world.get(added) == added


async def test_append_needs_its_conversation_and_its_parent(world: World) -> None:
    cid = await world.conversation()
    elsewhere = await world.append(message(await world.conversation()))
    for wrong in (message(ConversationId("nowhere")), message(cid, elsewhere.id)):
        with pytest.raises(MissingError):
            await world.append(wrong)


async def test_append_twice_is_refused(world: World) -> None:
    new = message(await world.conversation())
    added = await world.append(new)
    with pytest.raises(AlreadyExistsError):
        await world.append(replace(new, text="another"))
    assert await world.get(added) == added


async def test_an_append_that_is_refused_leaves_no_gap(world: World) -> None:
    cid = await world.conversation()
    first = await world.append(message(cid))

    def stubborn(tx: Tx) -> Message:
        for wrong in (replace(message(cid), id=first.id), message(cid, MessageId("nobody"))):
            with pytest.raises((AlreadyExistsError, MissingError)):
                tx.messages.append(wrong)
        return tx.messages.append(message(cid))

    assert (await world.store.write(stubborn)).seq == 2


async def test_the_same_message_id_may_stand_in_two_conversations(world: World) -> None:
    """Clients make ids: nobody may block another's, or learn of it."""
    mine = await world.append(message(await world.conversation()))
    theirs = await world.append(replace(message(await world.conversation()), id=mine.id))
    assert await world.get(mine) == mine
    assert await world.get(theirs) == theirs


@pytest.mark.parametrize("limit", [1, 3, 7, 20])
async def test_pages_go_both_ways_and_meet(world: World, limit: int) -> None:
    cid = await world.conversation()
    ids = [(await world.append(message(cid))).id for _ in range(7)]

    async def page(*, before: int | None, after: int | None) -> list[Message]:
        found = await world.store.read(
            lambda tx: tx.messages.page(cid, before=before, after=after, limit=limit)
        )
        return list(found)

    forward: list[Message] = []
    while found := await page(before=None, after=forward[-1].seq if forward else 0):
        forward += found
    backward = await page(before=None, after=None)
    while found := await page(before=backward[0].seq, after=None):
        backward = [*found, *backward]
    assert [m.id for m in forward] == [m.id for m in backward] == ids


async def test_long_messages_end_a_page_before_its_limit(world: World) -> None:
    cid, half = await world.conversation(), "x" * (PAGE_CHARACTERS // 2)
    parent: MessageId | None = None
    for text in ("short", half, half, "y" + half, half, 3 * half):
        parent = (await world.append(message(cid, parent, text=text))).id
    leaf = parent
    assert leaf is not None

    async def page(*, before: int | None = None, after: int | None = None) -> list[int]:
        found = await world.store.read(
            lambda tx: tx.messages.page(cid, before=before, after=after, limit=200)
        )
        return [m.seq for m in found]

    async def path(characters: int) -> list[int]:
        found = await world.store.read(
            lambda tx: tx.messages.path(cid, leaf, limit=200, characters=characters)
        )
        return [m.seq for m in found]

    assert await page(after=0) == [1, 2, 3]
    assert await page(after=3) == [4, 5]
    assert await page(after=5) == [6]
    assert await page() == [6]
    assert await page(before=6) == [4, 5]
    assert await page(before=4) == [1, 2, 3]
    assert await path(0) == [6]
    assert await path(3 * len(half)) == [5, 6]
    assert await path(ANY_LENGTH) == [1, 2, 3, 4, 5, 6]


@given(parents=st.lists(st.integers(0, 30), min_size=1, max_size=25), limit=st.integers(1, 30))
@SHARED
async def test_path_is_the_branch_of_its_leaf(world: World, parents: list[int], limit: int) -> None:
    """Each message hangs on an earlier one, or (0) on none."""
    cid = await world.conversation()

    def grow(tx: Tx) -> list[Message]:
        tree: list[Message] = []
        for choice in parents:
            chosen = choice % (len(tree) + 1)
            parent = tree[chosen - 1].id if chosen else None
            tree.append(tx.messages.append(message(cid, parent, text=str(len(tree)))))
        return tree

    tree = await world.store.write(grow)
    by_id = {m.id: m for m in tree}
    for leaf in tree[-3:]:
        branch = [leaf]
        while (parent_id := branch[0].parent_id) is not None:
            branch.insert(0, by_id[parent_id])
        found = await world.store.read(
            lambda tx, leaf=leaf: tx.messages.path(cid, leaf.id, limit=limit)
        )
        assert list(found) == branch[-limit:]


async def test_path_of_nothing_is_empty(world: World) -> None:
    cid = await world.conversation()
    assert (
        list(await world.store.read(lambda tx: tx.messages.path(cid, MessageId("x"), limit=9)))
        == []
    )


@given(pieces=st.lists(st.text(min_size=1, max_size=20), max_size=8), kept=st.text(max_size=10))
@SHARED
async def test_checkpoints_make_the_text(world: World, pieces: list[str], kept: str) -> None:
    reply = await world.reply(kept)
    text = kept
    for piece in pieces:
        assert not await world.checkpoint(reply, len(text), piece)
        text += piece
        assert (await world.get(reply)).text == text
    changed = await world.change(reply, MessageChange(epoch=1, status=Status.INTERRUPTED))
    assert changed.text == text
    assert await world.get(reply) == changed


async def test_a_repeated_checkpoint_adds_only_what_is_new(world: World) -> None:
    reply = await world.reply()
    await world.checkpoint(reply, 0, "abc")
    await world.checkpoint(reply, 0, "abc")
    await world.checkpoint(reply, 1, "bcde")
    assert (await world.get(reply)).text == "abcde"


async def test_a_checkpoint_beyond_the_end_is_a_mistake(world: World) -> None:
    reply = await world.reply()
    with pytest.raises(ValueError, match="character 1"):
        await world.checkpoint(reply, 1, "abc")


async def test_a_checkpoint_is_no_visible_change(world: World) -> None:
    reply = await world.reply()
    head = await world.store.read(lambda tx: tx.feed.head(world.owner))
    world.signals.taken()
    await world.checkpoint(reply, 0, "abc")
    assert await world.store.read(lambda tx: tx.feed.head(world.owner)) == head
    assert (await world.get(reply)).revision == reply.revision
    assert world.signals.taken() == {f"reply:{reply.id}"}


async def test_a_checkpoint_says_whether_to_stop(world: World) -> None:
    reply = await world.reply()
    await world.checkpoint(reply, 0, "abc")
    await world.change(reply, MessageChange(stop_requested=True))
    assert await world.checkpoint(reply, 3, "def")
    assert (await world.get(reply)).text == "abcdef"


async def test_a_writer_of_another_epoch_is_refused(world: World) -> None:
    reply = await world.reply()
    await world.checkpoint(reply, 0, "abc")
    await world.change(reply, MessageChange(next_epoch=2))
    with pytest.raises(StaleEpochError):
        await world.checkpoint(reply, 3, "zombie", epoch=1)
    with pytest.raises(StaleEpochError):
        await world.change(reply, MessageChange(epoch=1, status=Status.COMPLETE, text="zombie"))
    await world.checkpoint(reply, 3, "def", epoch=2)
    found = await world.get(reply)
    assert (found.text, found.epoch, found.status) == ("abcdef", 2, Status.STREAMING)


@pytest.mark.parametrize("status", [s for s in Status if s.is_final])
async def test_a_final_reply_takes_no_checkpoint(world: World, status: Status) -> None:
    reply = await world.reply()
    await world.change(reply, MessageChange(status=status))
    with pytest.raises(StaleEpochError):
        await world.checkpoint(reply, 0, "late")


async def test_a_text_replaces_the_checkpoints(world: World) -> None:
    reply = await world.reply()
    await world.checkpoint(reply, 0, "draft")
    changed = await world.change(
        reply, MessageChange(epoch=1, status=Status.COMPLETE, text="final")
    )
    assert changed.text == "final"
    assert await world.get(reply) == changed


async def test_a_continued_reply_goes_on_from_its_text(world: World) -> None:
    reply = await world.reply()
    await world.checkpoint(reply, 0, "half")
    await world.change(reply, MessageChange(epoch=1, status=Status.INTERRUPTED))
    await world.change(
        reply, MessageChange(epoch=1, next_epoch=2, status=Status.QUEUED, clear_error=True)
    )
    await world.checkpoint(reply, 4, " more", epoch=2)
    done = await world.change(reply, MessageChange(epoch=2, status=Status.COMPLETE))
    assert done.text == "half more"


CHANGES: list[tuple[MessageChange, dict[str, Any]]] = [
    (MessageChange(labels=LABELS), {"labels": LABELS}),
    (MessageChange(normalized="n"), {"normalized": "n"}),
    (MessageChange(model="m"), {"model": "m"}),
    (MessageChange(error_code="e"), {"error_code": "e"}),
    (MessageChange(stop_requested=True), {"stop_requested": True}),
    (MessageChange(feedback=Feedback(rating="up")), {"feedback": Feedback(rating="up")}),
    (
        MessageChange(usage=Usage(prompt_tokens=1, completion_tokens=2, cached_tokens=3)),
        {"usage": Usage(prompt_tokens=1, completion_tokens=2, cached_tokens=3)},
    ),
    (
        MessageChange(
            context=ContextReport(included=1, left_out=2, prompt_tokens=3, window_tokens=4)
        ),
        {"context": ContextReport(included=1, left_out=2, prompt_tokens=3, window_tokens=4)},
    ),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES, ids=lambda _: "")
async def test_a_change_changes_what_it_names(
    world: World, change: MessageChange, expected: dict[str, Any]
) -> None:
    added = await world.append(message(await world.conversation()))
    world.clock.pass_time(timedelta(seconds=1))
    changed = await world.change(added, change)
    assert changed == replace(added, **expected, revision=2, updated_at=world.clock.now())
    assert await world.get(added) == changed


async def test_what_was_set_can_be_cleared(world: World) -> None:
    added = await world.append(message(await world.conversation()))
    set_both = MessageChange(error_code="e", feedback=Feedback(rating="down", comment="no"))
    await world.change(added, set_both)
    cleared = await world.change(added, MessageChange(clear_error=True, clear_feedback=True))
    assert (cleared.error_code, cleared.feedback) == (None, None)


async def test_what_is_missing_cannot_be_changed(world: World) -> None:
    added = await world.append(message(await world.conversation()))
    nobody = replace(added, id=MessageId("nobody"))
    with pytest.raises(MissingError):
        await world.change(nobody, MessageChange(model="m"))
    with pytest.raises(MissingError):
        await world.checkpoint(nobody, 0, "x")


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300))
@SHARED
async def test_any_text_comes_back_as_it_was(world: World, text: str) -> None:
    added = await world.append(message(await world.conversation(), text=text))
    assert (await world.get(added)).text == text


async def test_a_text_of_ten_megabytes_comes_back(world: World) -> None:
    text = "0123456789" * 1_000_000
    added = await world.append(message(await world.conversation(), text=text))
    assert (await world.get(added)).text == text


async def test_pages_and_paths_show_checkpointed_text(world: World) -> None:
    cid = await world.conversation()
    user = await world.append(message(cid))
    reply = await world.append(
        message(cid, user.id, author=Author.ASSISTANT, status=Status.STREAMING, text="")
    )
    await world.checkpoint(reply, 0, "so far")
    page = await world.store.read(
        lambda tx: tx.messages.page(cid, before=None, after=None, limit=9)
    )
    path = await world.store.read(lambda tx: tx.messages.path(cid, reply.id, limit=9))
    assert [m.text for m in page] == [m.text for m in path] == ["hello", "so far"]
