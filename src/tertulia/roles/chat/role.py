"""Chat: conversations, turns, streams and the live feed."""

from tertulia.ports.chat_model import ChatModel
from tertulia.ports.http import Http
from tertulia.ports.model_catalogue import ModelCatalogue
from tertulia.ports.rate_limiter import RateLimiter
from tertulia.ports.readiness import model_ready
from tertulia.ports.recent_turns import RecentTurns
from tertulia.ports.role import Role
from tertulia.ports.signals import Signals
from tertulia.ports.store import Store
from tertulia.ports.token_stream import TokenStream
from tertulia.roles.chat.api import routers
from tertulia.roles.chat.service.follow_reply import ReplyReader
from tertulia.roles.chat.service.turn_limits import TurnLimits
from tertulia.roles.chat.settings import ChatSettings


async def run(
    http: Http,
    store: Store,
    signals: Signals,
    streams: TokenStream,
    recent: RecentTurns,
    model: ChatModel,
    catalogue: ModelCatalogue,
    limiter: RateLimiter,
    settings: ChatSettings,
) -> None:
    """Serve until cancelled."""
    for router in routers(
        reader=ReplyReader(store, signals, streams),
        recent=recent,
        model=model,
        catalogue=catalogue,
        limits=TurnLimits(limiter, settings),
        settings=settings,
        draining=http.draining,
    ):
        http.include(router)
    http.check_ready("model", lambda: model_ready(model))
    await http.served()


ROLE = Role(
    "chat", run, "Holds conversations: turns, streams and the live feed; `/chat/*` and `/v1/*`."
)
