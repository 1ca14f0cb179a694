"""The role `inference`: a worker for each character that it serves."""

import asyncio
from typing import Final

from tertulia.domain.conversations import BUILT_IN
from tertulia.domain.events import REPLIES, inference_topic, workers_group
from tertulia.domain.ids import CharacterId
from tertulia.kit.clock import Clock
from tertulia.ports.bus import Bus
from tertulia.ports.chat_model import ChatModel, ModelError
from tertulia.ports.leases import Leases
from tertulia.ports.recent_turns import RecentTurns
from tertulia.ports.role import Role
from tertulia.ports.signals import Signals
from tertulia.ports.store import Store
from tertulia.ports.token_stream import TokenStream
from tertulia.roles.inference.service.colleagues import Colleagues
from tertulia.roles.inference.service.desk import Desk
from tertulia.roles.inference.service.prompt import Prompts
from tertulia.roles.inference.service.registration import Registration
from tertulia.roles.inference.service.replies import Replies
from tertulia.roles.inference.service.shift import Shift
from tertulia.roles.inference.service.titles import Titles
from tertulia.roles.inference.service.trouble import Trouble
from tertulia.roles.inference.settings import InferenceSettings

SLOTS_S: Final = 2.0  # an endpoint that does not answer must not keep a worker from starting


async def run(
    store: Store,
    signals: Signals,
    bus: Bus,
    recent: RecentTurns,
    stream: TokenStream,
    model: ChatModel,
    leases: Leases,
    clock: Clock,
    settings: InferenceSettings,
) -> None:
    """Write replies and titles until cancelled; then finish or interrupt what is being written."""
    prompts = Prompts(store, recent, model, settings)
    titles = Titles(store, model, settings)
    trouble = Trouble(settings.troubles)
    slots = await _slots(model, settings)

    def shift(character_id: CharacterId) -> Shift:
        colleagues = Colleagues(store, leases, character_id, settings.worker)
        replies = Replies(
            store, signals, stream, model, prompts, clock, settings, colleagues, trouble
        )
        desk = Desk(replies.on_reply_requested, colleagues, settings.capacity)
        group = workers_group(character_id)
        registration = Registration(leases, group, settings, slots, lambda: desk.in_hand)

        async def read() -> None:
            await bus.subscribe(
                inference_topic(character_id, settings.worker),
                desk.on_reply_requested,
                concurrency=desk.concurrency,
                on_dead=replies.on_reply_given_up,
            )

        return Shift(registration, desk, colleagues, trouble, read)

    async with asyncio.TaskGroup() as group:
        for character_id in settings.characters or BUILT_IN:
            group.create_task(shift(CharacterId(character_id)).work())
        group.create_task(bus.subscribe(REPLIES, titles.on_reply_finished, concurrency=1))


async def _slots(model: ChatModel, settings: InferenceSettings) -> int:
    """How many replies the model writes at once, as routers are told."""
    if settings.slots is not None:
        return settings.slots
    try:
        async with asyncio.timeout(SLOTS_S):
            said = [info.slots for info in await model.models() if info.slots]
    except (ModelError, TimeoutError):
        said = []
    return said[0] if said else settings.capacity


ROLE = Role(
    "inference",
    run,
    "Writes replies: prompt, model, tokens, stored reply; and titles in the background.",
    settings=InferenceSettings,
)
