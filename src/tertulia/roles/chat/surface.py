"""What the role answers, for a gateway in another process."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast

from fastapi import APIRouter

from tertulia.domain.access import Rule
from tertulia.ports.peers import Surface
from tertulia.roles.chat.api import routers
from tertulia.roles.chat.api.openai import OpenAIRoute
from tertulia.roles.chat.api.simple import HistoryRoute, MessageRoute
from tertulia.roles.chat.service.follow_reply import ReplyReader
from tertulia.roles.chat.settings import ChatSettings

SURFACES: Final = (
    Surface(
        role="chat",
        prefix="/v1/",
        rule=Rule.OPEN_OR_SIGNED_IN,
        patient=True,
        route_class=OpenAIRoute,
    ),
    Surface(
        role="chat",
        prefix="/chat/history",
        rule=Rule.OPEN_OR_SIGNED_IN,
        route_class=HistoryRoute,
    ),
    Surface(
        role="chat",
        prefix="/chat/",
        rule=Rule.OPEN_OR_SIGNED_IN,
        patient=True,
        repeatable=False,  # its messages carry no id by which a repeat could be told
        route_class=MessageRoute,
    ),
    Surface(role="chat", prefix="/api/", rule=Rule.SIGNED_IN, sockets=True),
)


def described() -> Sequence[APIRouter]:
    """The routes themselves, to be told of and never to be called: they have no ports."""
    absent = cast("Any", None)
    return routers(
        reader=ReplyReader(absent, absent, absent),
        recent=absent,
        model=absent,
        catalogue=absent,
        limits=absent,
        settings=ChatSettings(),
        draining=asyncio.Event(),
    )
