"""The role `inference`: one worker for every built-in character."""

import asyncio

from tertulia.domain.conversations import BUILT_IN
from tertulia.domain.events import REPLIES, inference_topic, workers_group
from tertulia.domain.ids import CharacterId
from tertulia.kit.clock import Clock
from tertulia.ports.bus import Bus
from tertulia.ports.chat_model import ChatModel
from tertulia.ports.leases import Leases
from tertulia.ports.recent_turns import RecentTurns
from tertulia.ports.role import Role
from tertulia.ports.signals import Signals
from tertulia.ports.store import Store
from tertulia.ports.token_stream import TokenStream
from tertulia.roles.inference.service.desk import Desk
from tertulia.roles.inference.service.prompt import Prompts
from tertulia.roles.inference.service.registration import Registration
from tertulia.roles.inference.service.replies import Replies
from tertulia.roles.inference.service.titles import Titles
from tertulia.roles.inference.settings import InferenceSettings


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
    replies = Replies(store, signals, stream, model, prompts, clock, settings)
    titles = Titles(store, model, settings)

    async def work_for(character_id: CharacterId) -> None:
        group = workers_group(character_id)
        desk = Desk(store, leases, character_id, replies.on_reply_requested, settings)
        async with Registration(leases, group, settings, lambda: desk.in_hand).open():
            await bus.subscribe(
                inference_topic(character_id, settings.worker),
                desk.on_reply_requested,
                concurrency=desk.concurrency,
                on_dead=replies.on_reply_given_up,
            )

    async with asyncio.TaskGroup() as group:
        for character_id in BUILT_IN:
            group.create_task(work_for(character_id))
        group.create_task(bus.subscribe(REPLIES, titles.on_reply_finished, concurrency=1))


ROLE = Role(
    "inference",
    run,
    "Writes replies: prompt, model, tokens, stored reply; and titles in the background.",
    settings=InferenceSettings,
)
