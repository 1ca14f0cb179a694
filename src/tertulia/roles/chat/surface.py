"""What the role answers, for a gateway in another process."""

from typing import Final

from tertulia.domain.access import Rule
from tertulia.ports.peers import Surface
from tertulia.roles.chat.api.openai import OpenAIRoute
from tertulia.roles.chat.api.simple import HistoryRoute, MessageRoute

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
