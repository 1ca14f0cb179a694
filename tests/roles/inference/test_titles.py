"""How conversations get their names."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tertulia.adapters.outbox_bus.settings import OutboxBusSettings
from tertulia.domain.conversations import Conversation
from tertulia.domain.events import REPLIES
from tertulia.domain.ids import ConversationId
from tertulia.domain.messages import Message, Status
from tertulia.ports.chat_model import ModelRefusedError, ModelUnavailableError
from tertulia.roles.inference.service.titles import tidy_title
from tertulia.roles.inference.settings import InferenceSettings
from tests.roles.house import House, open_house
from tests.roles.inference.script import DONE, ScriptModel, Step

QUICK = InferenceSettings(batch_s=0, checkpoint_s=0, retry_within_s=0)
ANSWER: list[Step] = ["answer", DONE]


async def conversation(house: House, cid: ConversationId) -> Conversation:
    found = await house.store.read(lambda tx: tx.conversations.get(cid))
    assert found is not None
    return found


async def asked(house: House, text: str = "hello") -> tuple[Message, Conversation]:
    """A turn, until its title was seen to."""
    reply = await house.until(await house.ask(text))
    await house.handled(REPLIES)
    return reply, await conversation(house, reply.conversation_id)


async def test_a_conversation_is_named_after_its_first_reply(tmp_path: Path) -> None:
    model = ScriptModel(ANSWER, ['Title: "Soft-boiled eggs."\nmore', DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        _, named = await asked(house, "how do I boil an egg?")
    assert named.title == "Soft-boiled eggs"
    assert not named.titled_by_user
    request = model.requests[1]
    assert request.background
    assert request.messages[-1].content == '"how do I boil an egg?"'


async def test_a_name_is_asked_for_once(tmp_path: Path) -> None:
    model = ScriptModel(ANSWER, ["A name", DONE], ANSWER)
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        first, _ = await asked(house)
        again = await house.ask("more", conversation_id=first.conversation_id, parent_id=first.id)
        await house.until(again)
        await house.handled(REPLIES)
    assert len(model.requests) == 3


@pytest.mark.parametrize("title", ["Mine", None])
async def test_a_name_that_a_person_gave_or_took_away_stays(
    tmp_path: Path, title: str | None
) -> None:
    """Also when that happened while the model thought."""
    gate = asyncio.Event()
    model = ScriptModel(ANSWER, [gate, "The model's", DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        reply = await house.until(await house.ask("hello"))
        await model.asked(2)
        cid = reply.conversation_id
        named = replace(await conversation(house, cid), title=title, titled_by_user=True)
        await house.store.write(lambda tx: tx.conversations.change(named))
        gate.set()
        await house.handled(REPLIES)
        assert (await conversation(house, cid)).title == title


async def test_only_a_complete_reply_names(tmp_path: Path) -> None:
    model = ScriptModel(["half"])
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        reply, unnamed = await asked(house)
    assert reply.status is Status.INTERRUPTED
    assert unnamed.title is None
    assert len(model.requests) == 1


async def test_a_title_is_never_in_the_way_of_a_reply(tmp_path: Path) -> None:
    model = ScriptModel(ANSWER, [asyncio.Event(), DONE], ANSWER)
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        await house.until(await house.ask("hello"))
        await model.asked(2)
        assert (await house.until(await house.ask("next"))).status is Status.COMPLETE


@pytest.mark.parametrize(
    ("script", "requests", "dead"),
    [
        ([ModelRefusedError()], 1, 0),  # will not change its mind
        ([ModelUnavailableError()], 2, 1),  # may come back, but not for ever
        ([' "" \n', DONE], 1, 0),  # says nothing
    ],
)
async def test_a_conversation_may_stay_without_a_name(
    tmp_path: Path, script: list[Step], requests: int, dead: int
) -> None:
    model = ScriptModel(ANSWER, script)
    bus = OutboxBusSettings(attempts=2, backoff_s=0.001)
    async with (
        open_house(tmp_path, model=model, inference=QUICK, bus=bus) as house,
        house.running(),
    ):
        _, unnamed = await asked(house)
        letters = await house.bus.dead()
    assert unnamed.title is None
    assert len(model.requests) == 1 + requests
    assert len(letters) == dead


async def test_titles_can_be_turned_off(tmp_path: Path) -> None:
    model = ScriptModel(ANSWER)
    off = QUICK.model_copy(update={"titles": False})
    async with open_house(tmp_path, model=model, inference=off) as house, house.running():
        _, unnamed = await asked(house)
    assert unnamed.title is None
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Soft-boiled eggs", "Soft-boiled eggs"),
        ('\n\n**"Soft-boiled eggs."**\n\nIs that all right?', "Soft-boiled eggs"),
        ("Title: Soft-boiled eggs", "Soft-boiled eggs"),
        ("## Título: «Huevos pasados por agua»", "Huevos pasados por agua"),
        ("Why is the sky blue?", "Why is the sky blue?"),
        ("Sorting lists (Python)", "Sorting lists (Python)"),
        ("半熟卵の作り方。", "半熟卵の作り方"),
        ("Some **bold**, *slanted* and `code`", "Some bold, slanted and code"),
        ("What is 2*3*4, and 2 * 3 * 4?", "What is 2*3*4, and 2 * 3 * 4?"),
        ("a\u202eb\tc", "ab c"),
        ("word " * 40, " ".join(["word"] * 12) + "…"),
        ("x" * 200, "x" * 60 + "…"),
        ("", ""),
        (' "*" \n', ""),
    ],
)
def test_a_title_is_tidied(said: str, title: str) -> None:
    assert tidy_title(said) == title
