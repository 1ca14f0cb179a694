"""The chat role's edge: routes, shapes, streams and sockets."""

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter

from tertulia.ports.chat_model import ChatModel
from tertulia.ports.model_catalogue import ModelCatalogue
from tertulia.ports.recent_turns import RecentTurns
from tertulia.roles.chat.api import conversations, feed, messages, models, openai, simple, streams
from tertulia.roles.chat.api.live import Live
from tertulia.roles.chat.api.streams import ReplyEvents
from tertulia.roles.chat.service.follow_reply import ReplyReader
from tertulia.roles.chat.service.turn_limits import TurnLimits
from tertulia.roles.chat.settings import ChatSettings


def routers(
    *,
    reader: ReplyReader,
    recent: RecentTurns,
    model: ChatModel,
    catalogue: ModelCatalogue,
    limits: TurnLimits,
    settings: ChatSettings,
    draining: asyncio.Event,
) -> Sequence[APIRouter]:
    """All of them, the hottest first: routes are matched in this order."""
    store = reader.store
    live = Live(draining, settings.heartbeat_s)
    replies = ReplyEvents(reader, live)
    return (
        openai.routes(model, limits),
        messages.routes(store, limits, replies),
        streams.routes(store, replies),
        conversations.routes(store, recent, reader.streams),
        feed.routes(store, reader.signals, live),
        models.routes(model, catalogue),
        simple.history_routes(store),
        simple.message_routes(store, reader, limits, live, settings.answer_timeout_s),
    )
